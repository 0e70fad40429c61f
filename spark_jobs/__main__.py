"""Runs the two queries (`run`), recomputes MySQL from Cassandra (`rebuild`), or compares it with what such a
recomputation would give (`rebuild --check`)."""

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
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("run", help="run the queries until stopped (the default)")
    rebuilding = commands.add_parser("rebuild", help="recompute MySQL from Cassandra; the job must be stopped")
    rebuilding.add_argument("--check", action="store_true", help="compare only, change nothing")
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("kafka", "cassandra", "mysql", "py4j"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    try:
        if options.command != "rebuild":
            job.run(settings_module.load())
        elif options.check:
            rebuild.check(settings_module.load())
        else:
            rebuild.run(settings_module.load())
    except rebuild.Differs as error:
        log.error("%s", error)
        return 1
    except (CheckpointRefused, job.Refused, settings_module.SettingError, contracts.ContractError) as error:
        log.error("%s", error)
        return REFUSED
    return 0


if __name__ == "__main__":
    sys.exit(main())
