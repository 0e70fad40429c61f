"""`python -m audit`: verify, status, or the raw events of a minute, a session or an order."""

from __future__ import annotations

import argparse
import logging
import sys
from datetime import UTC, datetime
from uuid import UUID

import settings as settings_module
from audit import figures, raw_events
from audit.verify import DEADLINE_S, NotCaughtUp, verify
from producer.ledger import LedgerError
from settings import Settings
from stores.outage import Outage

log = logging.getLogger("audit")


def minute(text: str) -> datetime:
    """A time; UTC where it says no zone."""
    time = datetime.fromisoformat(text)
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time.astimezone(UTC)


def parse() -> argparse.Namespace:
    parser = argparse.ArgumentParser(prog="python -m audit", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    verifying = commands.add_parser("verify", help="compare ledger, Cassandra, MySQL and dead letter")
    verifying.add_argument("--deadline-s", type=float, default=DEADLINE_S, help="how long to wait for the pipeline")
    commands.add_parser("status", help="the pipeline's figures")
    events = commands.add_parser("events", help="raw events as JSON lines")
    which = events.add_mutually_exclusive_group(required=True)
    which.add_argument("--minute", type=minute, help="when they occurred, 2026-11-22T11:20 (UTC)")
    which.add_argument("--session", type=UUID, help="session_id")
    which.add_argument("--order", type=UUID, help="transaction_id")
    return parser.parse_args()


def run(options: argparse.Namespace, settings: Settings) -> int:
    if options.command == "verify":
        verdict = verify(settings, options.deadline_s)
        for difference in verdict.differences:
            log.error("%s", difference)
        print(verdict)  # noqa: T201 - the command's output
        return 0 if verdict.exact else 1
    if options.command == "status":
        print(figures.table(figures.read(settings)))  # noqa: T201
        return 0
    if options.minute:
        found = raw_events.of_minute(settings, options.minute)
    elif options.session:
        found = raw_events.of_session(settings, options.session)
    else:
        found = raw_events.of_order(settings, options.order)
    for payload in found:
        print(payload)  # noqa: T201
    return 0


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    for noisy in ("kafka", "cassandra", "mysql"):
        logging.getLogger(noisy).setLevel(logging.CRITICAL)
    options = parse()
    try:
        return run(options, settings_module.load())
    except (Outage, NotCaughtUp, raw_events.UnknownSession, LedgerError, settings_module.SettingError) as error:
        log.error("%s", error)
        return 1


if __name__ == "__main__":
    sys.exit(main())
