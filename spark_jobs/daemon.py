"""The process from which Spark forks its Python workers, with the heavy modules imported once for all of them.

Polars is left to the workers: a fork must not inherit its thread pool.
"""

from __future__ import annotations

import os

# A worker has one task at a time. Threads of Polars, and Arrow's own allocator, keep as much memory as the work takes.
os.environ["POLARS_MAX_THREADS"] = "1"
os.environ["ARROW_DEFAULT_MEMORY_POOL"] = "system"

import cassandra.cluster  # noqa: F401
import pandas  # noqa: F401
import pyarrow  # noqa: F401
from pyspark.daemon import manager

import contracts  # noqa: F401

if __name__ == "__main__":
    manager()
