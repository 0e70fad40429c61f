"""An incident to practise on: for some minutes, something of the domain fails; what, its module says.

`python -m producer.incident` writes it into a small file beside the ledger, where the running producer finds it. The
file outlives a restart of the producer; an incident that is over is ignored.
"""

from __future__ import annotations

import argparse
import json
import logging
import os
import sys
import tempfile
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path

import settings as stack
from producer import domains
from settings import Settings

log = logging.getLogger(__name__)

DEFAULT_MINUTES = 10
MAX_MINUTES = 60
LOOK_EVERY_MS = 1_000
MAX_BYTES = 4_096
"""More than an incident takes; what is beyond is not read."""


class IncidentError(ValueError):
    """No incident can be made of this; the message says what is allowed."""


@dataclass(frozen=True)
class Kind:
    """What can fail in a domain: by an option, of which there are choices; `effect` has its place in a sentence."""

    option: str
    choices: tuple[str, ...]
    default: str
    effect: str


@dataclass(frozen=True)
class Incident:
    """One of a kind, from `since` on, until just before `until`; both with their time zone."""

    kind: Kind
    choice: str
    since: datetime
    until: datetime

    def __post_init__(self) -> None:
        if self.choice not in self.kind.choices:
            allowed = ", ".join(self.kind.choices)
            raise IncidentError(f"{self.kind.option}={self.choice!r} is not allowed: {allowed}")
        minutes = (self.until - self.since) / timedelta(minutes=1)
        if not 0 < minutes <= MAX_MINUTES:
            raise IncidentError(f"{minutes:g} minutes are not allowed: more than 0, at most {MAX_MINUTES}")

    def strikes(self, choice: str, at_ms: int) -> bool:
        """Whether something fails; `at_ms` in milliseconds since the epoch."""
        return choice == self.choice and _epoch_ms(self.since) <= at_ms < _epoch_ms(self.until)

    def __str__(self) -> str:
        return f"{self.kind.effect.format(self.choice)} from {_text(self.since)} until {_text(self.until)}"


def _epoch_ms(moment: datetime) -> int:
    return round(moment.timestamp() * 1000)


def _text(moment: datetime) -> str:
    return moment.astimezone(UTC).isoformat().replace("+00:00", "Z")


def to_json(incident: Incident) -> str:
    return json.dumps(
        {incident.kind.option: incident.choice, "from": _text(incident.since), "until": _text(incident.until)}
    )


def from_json(text: bytes | str, kind: Kind) -> Incident:
    """The incident that `to_json` wrote; raises IncidentError for anything else."""
    try:
        fields = json.loads(text)
        choice, since, until = fields[kind.option], _moment(fields["from"]), _moment(fields["until"])
    except (ValueError, TypeError, KeyError, OverflowError, RecursionError):
        example = {kind.option: kind.default, "from": "2026-11-22T12:00:00Z", "until": "2026-11-22T12:10:00Z"}
        raise IncidentError(f"it is not written like {json.dumps(example)}") from None
    return Incident(kind, choice, since, until)


def _moment(text: str) -> datetime:
    moment = datetime.fromisoformat(text)
    if moment.tzinfo is None:
        raise ValueError(f"{text!r} has no time zone")
    return moment.astimezone(UTC)


def path_of(settings: Settings) -> Path:
    """The file of the producer's incident, beside its ledger."""
    return settings.ledger_path.with_suffix(".incident.json")


def save(path: Path, incident: Incident) -> None:
    """Writes the incident in place of an earlier one; who reads the file finds one of the two, whole."""
    path.parent.mkdir(parents=True, exist_ok=True)
    handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    try:
        with os.fdopen(handle, "w") as file:
            file.write(to_json(incident))
        Path(unfinished).replace(path)
    except BaseException:
        Path(unfinished).unlink(missing_ok=True)
        raise


def kind_of(domain: str) -> Kind | None:
    """What can fail in a domain; None where its module has nothing."""
    return getattr(domains.load(domain), "INCIDENT", None)


class Watch:
    """The incident of a file, as the simulated clock goes on; what is no incident is reported once and ignored."""

    def __init__(self, path: Path, kind: Kind) -> None:
        self._path = path
        self._kind = kind
        self._next_look_ms = 0
        self._seen: object = None
        self._incident: Incident | None = None

    def strikes(self, choice: str, at_ms: int) -> bool:
        """As Incident.strikes; for moments in order, looks at the file once a second of them."""
        if at_ms >= self._next_look_ms:
            self._next_look_ms = at_ms + LOOK_EVERY_MS
            self._look(at_ms)
        return self._incident is not None and self._incident.strikes(choice, at_ms)

    def _look(self, at_ms: int) -> None:
        content = self._content()
        if content == self._seen:
            return
        self._seen, self._incident = content, None
        if content is None:
            log.info("the incident has been ended")
            return
        try:
            self._incident = from_json(content, self._kind)
        except IncidentError as error:
            log.error("the incident in %s is ignored: %s", self._path, error)
            return
        if at_ms < _epoch_ms(self._incident.until):
            log.info("incident: %s", self._incident)

    def _content(self) -> bytes | None:
        """The file's bytes; None when there is no file, and none where it can't be read."""
        try:
            with self._path.open("rb") as file:
                return file.read(MAX_BYTES)
        except FileNotFoundError:
            return None
        except OSError:
            return b""


def minutes(text: str) -> int:
    value = int(text)
    if not 1 <= value <= MAX_MINUTES:
        raise argparse.ArgumentTypeError(f"{text} is not allowed: 1 to {MAX_MINUTES}")
    return value


def parse(kind: Kind, arguments: list[str] | None = None) -> argparse.Namespace:
    what = kind.effect.format("one of them").capitalize()
    parser = argparse.ArgumentParser(
        prog="make incident",
        usage='make incident ARGS="..."',
        description=f"{what} from now on, in place of an incident that is still on.",
        parents=[stack.domain_option()],
    )
    parser.add_argument(
        f"--{kind.option}", dest="choice", choices=kind.choices, default=kind.default, help="(default: %(default)s)"
    )
    parser.add_argument(
        "--minutes",
        type=minutes,
        default=DEFAULT_MINUTES,
        metavar="N",
        help=f"for how long, 1 to {MAX_MINUTES} (default: %(default)s)",
    )
    parser.add_argument("--stop", action="store_true", help="end the incident now, begin none")
    return parser.parse_args(arguments)


def main(arguments: list[str] | None = None) -> int:
    settings = stack.load()
    kinds = {domain: kind for domain in settings.domains if (kind := kind_of(domain))}
    if not kinds:
        print(f"There are no incidents to practise on in {', '.join(settings.domains)}.")  # noqa: T201
        return 1
    asked, _ = stack.domain_option().parse_known_args(arguments)
    settings = replace(settings, domains=tuple(kinds)).one(asked.domain)
    kind, path = kinds[settings.domain], path_of(settings)
    options = parse(kind, arguments)
    if options.stop:
        path.unlink(missing_ok=True)
        print("No incident any more: all goes on as ever.")  # noqa: T201 - the command's output
        return 0
    now = datetime.now(UTC).replace(microsecond=0)
    incident = Incident(kind, options.choice, now, now + timedelta(minutes=options.minutes))
    save(path, incident)
    print(f'Incident: {incident}. End it earlier with make incident ARGS="--stop".')  # noqa: T201
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main())
    except stack.SettingError as error:
        sys.exit(str(error))
