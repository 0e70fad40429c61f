"""`python -m audit`: verify, status, or the raw events behind a number."""

from __future__ import annotations

import argparse
import logging
import os
import sys

import contracts
import settings as settings_module
from audit import figures, raw_events
from audit.verify import DEADLINE_S, NotCaughtUp, verify
from producer.ledger import LedgerError
from settings import Settings
from stores.outage import Outage

log = logging.getLogger("audit")

EXPECTED = (
    Outage,
    NotCaughtUp,
    LedgerError,
    raw_events.BadQuestion,
    raw_events.UnknownKey,
    contracts.ContractError,
    settings_module.SettingError,
)
"""Errors whose message says it all."""


def parse(contract: contracts.Contract) -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m audit", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    verifying = commands.add_parser("verify", help="compare ledger, Cassandra, MySQL and dead letter")
    verifying.add_argument("--deadline-s", type=float, default=DEADLINE_S, help="how long to wait for the pipeline")
    verifying.add_argument("--all", action="store_true", help="all that is kept, not only what was not proven before")
    commands.add_parser("status", help="the pipeline's figures")
    events = commands.add_parser("events", help="raw events as JSON lines")
    which = events.add_mutually_exclusive_group(required=True)
    for key, (_, meaning) in raw_events.keys(contract).items():
        which.add_argument(f"--{key}", default="", help=meaning)
    events.add_argument("--all", action="store_true", help="those as well that do not count: conflicts and repeats")
    for dimension in contract.dimensions:
        option = f"--{dimension.name.replace('_', '-')}"
        events.add_argument(option, default="", help=f"only those with it: {dimension.field.description}")
    return parser.parse_args()


def run(options: argparse.Namespace, settings: Settings, contract: contracts.Contract) -> int:
    if options.command == "verify":
        verdict = verify(settings, options.deadline_s, options.all)
        for difference in verdict.differences:
            log.error("%s", difference)
        print(verdict)  # noqa: T201 - the command's output
        return 0 if verdict.exact else 1
    if options.command == "status":
        print(figures.table(figures.read(settings)))  # noqa: T201
        return 0
    given = {name: text for name, text in vars(options).items() if name != "command"}
    everything = given.pop("all")
    for event in raw_events.find(settings, raw_events.question(given, contract)):
        if everything or not event.passed_over:
            print(event.payload)  # noqa: T201
    return 0


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    for noisy in ("kafka", "cassandra", "mysql"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    try:
        settings = settings_module.load()
        contract = contracts.load(settings.domain)
        return run(parse(contract), settings, contract)
    except BrokenPipeError:  # whoever read has had enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except EXPECTED as error:
        log.error("%s", error)
        return 1


if __name__ == "__main__":
    sys.exit(main())
