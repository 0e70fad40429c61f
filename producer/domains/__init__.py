"""One module a domain: what happens in it, simulated, or as a feed reports it.

A domain's module has
- `events(course)`: what happens, in order, endless; as producer.records.happened makes events of it

and where there is something to say
- `damage(fields)`: what can be damaged in an event beside what producer.faults damages in any, by name
- RELOADED: names of the events that are reported once more, under another id, when a page is loaded again
- INCIDENT: an incident to practise on (producer.incident)
- `feed(settings, topic, stop)`: batches of records of what really happens, as it comes, until `stop` is set; None where
  it is simulated. `topic` has what was sent before, all of which is in the ledger by then
"""

from __future__ import annotations

from collections.abc import Iterator
from importlib import import_module
from importlib.util import find_spec
from threading import Event as Flag
from types import ModuleType

from producer.publish import Topic
from producer.records import Record
from settings import Settings


def is_there(domain: str) -> bool:
    """Whether it can be simulated; events of others are sent by somebody else."""
    return find_spec(f"producer.domains.{domain}") is not None


def load(domain: str) -> ModuleType:
    """The module of a domain; raises ModuleNotFoundError."""
    return import_module(f"producer.domains.{domain}")


def feed(settings: Settings, topic: Topic, stop: Flag) -> Iterator[list[Record]] | None:
    """What the domain's module has of this name; None where it has nothing."""
    found = getattr(load(settings.domain), "feed", None)
    return found(settings, topic, stop) if found else None
