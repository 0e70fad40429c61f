"""Runs the two queries of each domain (`run`), recomputes MySQL from Cassandra (`rebuild`), a range of it while they
run (`rebuild --since`), compares it with what such a recomputation would give (`rebuild --check`), or validates dead
letters anew (`replay`)."""

from __future__ import annotations

import argparse
import logging
import os
import sys

import contracts
import settings as settings_module
from spark_jobs import job, rebuild, rebuild_range, replay
from spark_jobs.checkpoint import CheckpointRefused
from spark_jobs.sinks.mysql import now
from stores.retry import Unavailable

log = logging.getLogger("spark_jobs")


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m spark_jobs", description=__doc__)
    commands = parser.add_subparsers(dest="command")
    commands.add_parser("run", help="run the queries until stopped (the default)")
    of_domain = settings_module.domain_option()
    rebuilding = commands.add_parser(
        "rebuild", help="recompute MySQL from Cassandra; the job must be stopped", parents=[of_domain]
    )
    how = rebuilding.add_mutually_exclusive_group()
    how.add_argument("--check", action="store_true", help="compare only, change nothing")
    how.add_argument("--since", type=rebuild_range.minute, help="from this minute on only, while the job runs")
    rebuilding.add_argument(
        "--until",
        type=rebuild_range.minute,
        default=now().replace(second=0, microsecond=0),
        help="with --since: up to this minute",
    )
    commands.add_parser("replay", help="validate dead letters anew; the job must be stopped", parents=[of_domain])
    options = parser.parse_args()
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    for noisy in ("kafka", "cassandra", "mysql", "py4j"):
        logging.getLogger(noisy).setLevel(logging.ERROR)
    try:
        settings = settings_module.load()
        if options.command in (None, "run"):
            job.run(settings)
            return 0
        for of_domain in settings.each(options.domain):
            match options.command:
                case "rebuild" if options.since:
                    rebuild_range.run(of_domain, options.since, options.until)
                case "rebuild":
                    (rebuild.check if options.check else rebuild.run)(of_domain)
                case _:
                    replay.run(of_domain)
    except (rebuild.Differs, rebuild_range.RangeRefused, replay.ReplayRefused, Unavailable) as error:
        log.error("%s", error)
        return 1
    except (CheckpointRefused, job.Refused, settings_module.SettingError, contracts.ContractError) as error:
        log.error("%s", error)
        return os.EX_CONFIG
    return 0


if __name__ == "__main__":
    sys.exit(main())
