"""`python -m spark_jobs` runs the queries; `python -m spark_jobs rebuild` recomputes MySQL from Cassandra."""

from __future__ import annotations

import argparse
import logging
import sys

import contracts
import settings as settings_module
from spark_jobs import job, rebuild
from spark_jobs.checkpoint import CheckpointRefused

log = logging.getLogger("spark_jobs")
REFUSED = 78  # sysexits' EX_CONFIG: the supervisor does not start the job again


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m spark_jobs", description=__doc__)
    parser.add_argument("what", nargs="?", choices=("run", "rebuild"), default="run")
    arguments = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("kafka", "cassandra", "mysql", "py4j"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    try:
        (job.run if arguments.what == "run" else rebuild.run)(settings_module.load())
    except (CheckpointRefused, job.Refused, settings_module.SettingError, contracts.ContractError) as error:
        log.error("%s", error)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
