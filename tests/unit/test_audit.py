"""The command line of the audit."""

from __future__ import annotations

import subprocess
import sys

from settings import ROOT

HAS_HAD_ENOUGH = """
import sys
from audit import __main__ as audit
def run(*_):
    raise BrokenPipeError
audit.run = run
sys.argv = ["audit", "events", "--minute", "2026-03-14T12:00"]
sys.exit(audit.main())
"""


def test_a_reader_that_has_had_enough_is_no_error() -> None:
    done = subprocess.run([sys.executable, "-c", HAS_HAD_ENOUGH], cwd=ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout, done.stderr) == (0, "", "")


def test_to_look_at_the_stack_takes_no_spark() -> None:
    program = "import sys, audit.__main__; print([m for m in sys.modules if 'pyspark' in m])"
    done = subprocess.run([sys.executable, "-c", program], cwd=ROOT, capture_output=True, text=True, check=True)
    assert done.stdout == "[]\n"
