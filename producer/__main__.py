"""Sends events of each domain to Kafka, simulated with faults among them or as a feed reports them, and keeps the
ledgers of what was acknowledged."""

from __future__ import annotations

import argparse
import gc
import logging
import os
import secrets
import signal
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor, as_completed
from dataclasses import replace
from datetime import UTC, datetime, time, timedelta
from threading import Event as Flag
from time import gmtime
from typing import NoReturn

from kafka.errors import KafkaError

import contracts
import settings as stack
from producer import domains
from producer.faults import LATEST_OF_ALLOWED, Rates
from producer.incident import Watch, kind_of, path_of
from producer.ledger import Ledger, LedgerBusyError, LedgerError
from producer.pace import FARTHEST_AHEAD_S, FARTHEST_BEHIND, OutOfStep, live, unpaced
from producer.publish import Publisher, SendError
from producer.records import Record, never
from producer.simulate import Simulation, simulate
from stores.retry import Stopped

log = logging.getLogger("producer")

GARBAGE_COLLECTED_AFTER = (50_000, 20, 100)
"""Objects, and rounds, after which Python looks for cycles. Its own choice, 700 objects, walks through the simulation
again and again: a quarter of the producer's time."""

SETTINGS = {
    "rate": "events a second, in the mean over a day",
    "duplicates": "events sent a second time, 0 to 0.5 of all",
    "conflicts": "events sent once more with other contents, 0 to 0.5 of all",
    "reloads": "events reported once more, because the page was loaded again, 0 to 0.5 of those that can be",
    "late": "events sent long after they happened, 0 to 0.5 of all",
    "malformed": "damaged copies sent on top, 0 to 0.5 of all events",
    "backfill_minutes": "a first start without --start begins this many minutes ago",
}
"""Options whose default and allowed values are those of the setting PRODUCER_<NAME>."""


class Options(argparse.ArgumentParser):
    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(os.EX_CONFIG, f"{self.prog}: error: {message}\n")


def moment(text: str) -> datetime:
    """A moment as RFC 3339 writes it."""
    value = datetime.fromisoformat(text)
    if value.tzinfo is None:
        raise argparse.ArgumentTypeError(f"{text!r} has no time zone; write 2026-11-22T12:00:00Z")
    return value.astimezone(UTC)


def daytime(text: str) -> time:
    return datetime.strptime(text, "%H:%M").time()  # noqa: DTZ007 - a time of day, in UTC


def natural(text: str) -> int:
    value = int(text)
    if value < 1:
        raise argparse.ArgumentTypeError(f"{text} is not at least 1")
    return value


def parse(arguments: list[str] | None = None) -> tuple[argparse.Namespace, stack.Settings]:
    """The options, and the settings with those among the options in their place; exits with 78 when one is bad."""
    parser = Options(prog="python -m producer", description=__doc__)
    for name, text in SETTINGS.items():
        default = f"PRODUCER_{name.upper()}"
        parser.add_argument(f"--{name.replace('_', '-')}", metavar="N", help=f"{text} (default: {default})")
    parser.add_argument("--events", type=natural, metavar="N", help="stop after N distinct valid events")
    parser.add_argument("--seed", type=int, metavar="N", help="the same seed, start and rates give the same records")
    parser.add_argument("--start", type=moment, metavar="RFC3339", help="first moment of the simulated clock")
    parser.add_argument(
        "--daytime",
        type=daytime,
        metavar="HH:MM",
        help="the time of day that it is there at the start (default: its own)",
    )
    parser.add_argument("--unpaced", action="store_true", help="send as fast as possible, whatever the simulated clock")
    options = parser.parse_args(arguments)
    given = {f"PRODUCER_{name.upper()}": getattr(options, name) for name in SETTINGS}
    try:
        settings = stack.load({**os.environ, **{name: text for name, text in given.items() if text is not None}})
    except stack.SettingError as error:
        parser.error(str(error))
    return options, settings


def simulated(
    options: argparse.Namespace, settings: stack.Settings, ledger: Ledger, stop: Flag
) -> Iterator[list[Record]]:
    """Batches of what is simulated of a domain, until all is sent or `stop` is set."""
    rates = Rates(*(getattr(settings, f"producer_{rate}") for rate in Rates._fields))
    contract = contracts.load(settings.domain)
    kind = kind_of(settings.domain)
    strikes = Watch(path_of(settings), kind).strikes if kind else never
    backfill = min(timedelta(minutes=settings.producer_backfill_minutes), contract.max_late * LATEST_OF_ALLOWED)
    history = timedelta(days=settings.producer_history_days)
    if ledger.view().acknowledged:
        backfill = history = timedelta()
    while not stop.is_set():
        seed = secrets.randbits(32) if options.seed is None else options.seed
        start = options.start or datetime.now(UTC) - backfill
        simulation = Simulation(settings.domain, seed, start, settings.producer_rate, rates, options.daytime, history)
        log.info("simulating %s: %s", settings.domain, simulation.identity)
        ledger.begin(simulation.identity)
        records = simulate(simulation, options.events, strikes)
        farthest_s = None if options.start else (contract.max_late.total_seconds() * FARTHEST_BEHIND, FARTHEST_AHEAD_S)
        try:
            yield from unpaced(records, stop) if options.unpaced else live(records, stop, farthest_s)
            return
        except OutOfStep:
            log.warning("%s: the simulation is out of step with the clock: going on from now", settings.domain)
            backfill = history = timedelta()


def run(options: argparse.Namespace, settings: stack.Settings, stop: Flag) -> None:
    """Publishes a domain's events until they are sent or `stop` is set."""
    contract = contracts.load(settings.domain)
    with Ledger(settings.ledger_path) as ledger, Publisher(settings, ledger, stop) as publisher:
        fed = domains.feed(settings, publisher.topic, stop)
        for batch in simulated(options, settings, ledger, stop) if fed is None else fed:
            publisher.publish(batch)
        totals, amount = ledger.view(), contract.amount
        log.info(
            "%s: %d records acknowledged by this producer; the ledger has %d: %d events (%d of them late), "
            "%d duplicates (%d conflicts, %d reloads), %d malformed%s",
            settings.domain,
            publisher.acknowledged,
            totals.acknowledged,
            totals.events,
            totals.late,
            totals.duplicates,
            totals.conflicts,
            totals.reloads,
            totals.malformed,
            "".join(f", {name} {totals.by_name.get(name, (0, 0))[1]}" for name in amount.events) if amount else "",
        )


def run_all(options: argparse.Namespace, settings: stack.Settings, stop: Flag) -> dict[str, BaseException]:
    """Publishes for all domains, side by side, until their events are sent or `stop` is set.

    Returns by which error a domain ended. One that can't begin leaves the others running; any other error stops all,
    and it is best to start again.
    """
    errors = {}
    with ThreadPoolExecutor(len(settings.domains)) as pool:
        running = {pool.submit(run, options, each, stop): each.domain for each in settings.each()}
        for done in as_completed(running):
            if error := done.exception():
                errors[running[done]] = error
                tell(running[done], error)
                if not is_refusal(error):
                    stop.set()
    return errors


def tell(domain: str, error: BaseException) -> None:
    """Logs by what a domain has ended; of an error that nobody expects, all that is known."""
    match error:
        case Stopped():
            pass
        case SendError() | KafkaError():
            log.error("%s: %s: ending; the next start settles what is in flight", domain, error)
        case LedgerError() | contracts.ContractError():
            log.error("%s: %s", domain, error)
        case _:
            log.error("%s: it has failed", domain, exc_info=error)


def is_refusal(error: BaseException) -> bool:
    """Whether starting again would not help."""
    return isinstance(error, (contracts.ContractError, LedgerError)) and not isinstance(error, LedgerBusyError)


def _worth_reading(record: logging.LogRecord) -> bool:
    """Of what the Kafka client says, its own mistakes alone: an outage is reported by this package."""
    if not record.name.startswith("kafka"):
        return True
    error = record.exc_info[1] if record.exc_info else None
    return error is not None and not isinstance(error, (KafkaError, OSError))


def _exit_at_once(code: int) -> NoReturn:
    """Ends without the Kafka client's destructor, which would wait for the acknowledgements once more."""
    logging.shutdown()
    os._exit(code)


def main() -> int:
    gc.set_threshold(*GARBAGE_COLLECTED_AFTER)
    logging.Formatter.converter = gmtime
    logging.basicConfig(
        format="%(asctime)s.%(msecs)03dZ %(levelname)s %(name)s: %(message)s",
        datefmt="%Y-%m-%dT%H:%M:%S",
        level=logging.INFO,
    )
    for handler in logging.getLogger().handlers:
        handler.addFilter(_worth_reading)
    options, settings = parse()
    settings = replace(settings, domains=tuple(filter(domains.is_there, settings.domains)))
    if not settings.domains:
        log.error("there is nothing to simulate: see producer/domains")
        return os.EX_CONFIG
    stop = Flag()
    for number in (signal.SIGTERM, signal.SIGINT):
        signal.signal(number, lambda *_: stop.set())
    errors = run_all(options, settings, stop)
    failed = [error for error in errors.values() if not isinstance(error, Stopped)]
    code = 0 if not failed else os.EX_CONFIG if all(map(is_refusal, failed)) else 1
    if any(isinstance(error, (Stopped, SendError, KafkaError)) for error in errors.values()):
        _exit_at_once(code)
    return code


if __name__ == "__main__":
    sys.exit(main())
