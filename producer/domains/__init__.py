"""One module a domain: what happens in it, simulated.

A domain's module has
- `events(course)`: what happens, in order, endless; as producer.records.happened makes events of it

and where there is something to say
- `damage(fields)`: what can be damaged in an event beside what producer.faults damages in any, by name
- RELOADED: names of the events that are reported once more, under another id, when a page is loaded again
- INCIDENT: an incident to practise on (producer.incident)
"""

from __future__ import annotations

from importlib import import_module
from importlib.util import find_spec
from types import ModuleType


def is_there(domain: str) -> bool:
    """Whether it can be simulated; events of others are sent by somebody else."""
    return find_spec(f"producer.domains.{domain}") is not None


def load(domain: str) -> ModuleType:
    """The module of a domain; raises ModuleNotFoundError."""
    return import_module(f"producer.domains.{domain}")
