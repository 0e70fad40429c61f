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
from stores.retry import Unavailable

log = logging.getLogger("audit")

EXPECTED = (
    Unavailable,
    NotCaughtUp,
    LedgerError,
    raw_events.BadQuestion,
    raw_events.UnknownKey,
    contracts.ContractError,
    settings_module.SettingError,
)
"""Errors whose message says it all."""


def parse(settings: Settings, arguments: list[str]) -> argparse.Namespace:
    """The options, with `settings`: a list of those of each domain that is asked about. Raises SettingError, and
    ContractError for events of a domain, whose contract says what they are found by."""
    of_domain = settings_module.domain_option()
    asked, _ = of_domain.parse_known_args(arguments)
    parser = argparse.ArgumentParser(prog="python -m audit", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    verifying = commands.add_parser(
        "verify", help="compare ledger, Cassandra, MySQL and dead letter", parents=[of_domain]
    )
    verifying.add_argument("--deadline-s", type=float, default=DEADLINE_S, help="how long to wait for the pipeline")
    verifying.add_argument("--all", action="store_true", help="all that is kept, not only what was not proven before")
    commands.add_parser("status", help="the pipeline's figures", parents=[of_domain])
    events = commands.add_parser("events", help="raw events as JSON lines", parents=[of_domain])
    if "events" in arguments:
        add_questions(events, contracts.load(settings.one(asked.domain).domain))
    events.add_argument("--all", action="store_true", help="those as well that do not count: conflicts and repeats")
    options = parser.parse_args(arguments)
    options.settings = settings.each(options.domain)
    return options


def add_questions(parser: argparse.ArgumentParser, contract: contracts.Contract) -> None:
    """Options for what events are found by, and for the contract's dimensions."""
    which = parser.add_mutually_exclusive_group(required=True)
    for key, (_, meaning) in raw_events.keys(contract).items():
        which.add_argument(f"--{key}", default="", help=meaning)
    for dimension in contract.dimensions:
        option = f"--{dimension.name.replace('_', '-')}"
        parser.add_argument(option, default="", help=f"only those with it: {dimension.field.description}")


def run(options: argparse.Namespace, settings: Settings) -> int:
    """Answers for one domain; raises EXPECTED."""
    if options.command == "verify":
        verdict = verify(settings, options.deadline_s, options.all)
        for difference in verdict.differences:
            log.error("%s", difference)
        print(verdict)  # noqa: T201 - the command's output
        return 0 if verdict.exact else 1
    if options.command == "status":
        print(figures.table(figures.read(settings)))  # noqa: T201
        return 0
    given = {name: text for name, text in vars(options).items() if name not in ("command", "domain", "settings")}
    everything = given.pop("all")
    for event in raw_events.find(settings, raw_events.question(given, contracts.load(settings.domain))):
        if everything or not event.passed_over:
            print(event.payload)  # noqa: T201
    return 0


def run_each(options: argparse.Namespace) -> int:
    """Answers for one domain after the other, under its name where there are several; what is wrong with one keeps no
    other from its answer. Returns the highest of their exit codes."""
    codes = []
    for settings in options.settings:
        if len(options.settings) > 1:
            print(f"{'' if not codes else chr(10)}{settings.domain}", flush=True)  # noqa: T201
        try:
            codes.append(run(options, settings))
        except EXPECTED as error:
            log.error("%s", error)
            codes.append(1)
    return max(codes)


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    for noisy in ("kafka", "cassandra", "mysql"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    try:
        return run_each(parse(settings_module.load(), sys.argv[1:]))
    except BrokenPipeError:  # whoever read has had enough, as `head` has
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return 0
    except EXPECTED as error:
        log.error("%s", error)
        return 1


if __name__ == "__main__":
    sys.exit(main())
