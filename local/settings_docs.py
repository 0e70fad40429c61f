"""`make settings`: writes .env.example and docs/settings.md from settings.py, where each setting explains itself."""

from __future__ import annotations

from dataclasses import Field, fields
from textwrap import wrap

from settings import ROOT, Settings, as_environment

EXAMPLE, PAGE = ROOT / ".env.example", ROOT / "docs" / "settings.md"

GROUPS = {
    "kafka": "Kafka",
    "cassandra": "Cassandra",
    "mysql": "MySQL",
    "superset": "Superset",
    "alert": "Alerts",
    "producer": "Simulated senders",
    "market": "The market's feed",
    "spark": "Spark",
}
"""First word of a setting's name -> the heading above it; what begins otherwise is of the whole stack."""

WIDTH = 116
DEFAULTS = as_environment(Settings())

INTRODUCTION = """\
# Settings

A setting is looked up in the environment, then in the file `.env` of the checkout, which git ignores; where neither has
it, the default holds. `make up PRODUCER_RATE=300` is a setting in the environment, too. [.env.example](../.env.example)
is a `.env` with all defaults, to copy.

What is not allowed stops every command, and so does a name in `.env` that must be a setting's, misspelt. How a changed
setting takes effect: [operations.md](operations.md#when-a-setting-changes).

In containers the servers find each other by names and ports of their own. Of hosts and ports only `SUPERSET_HOST` and
`SUPERSET_PORT` matter there, and in `STATE_DIR` lies little more than the admin's password.

`make settings` makes this page from `settings.py`, and a test keeps the two equal.
"""


def groups() -> dict[str, list[Field]]:
    """Heading -> its settings, in the order in which they are declared."""
    found: dict[str, list[Field]] = {}
    for field in fields(Settings):
        found.setdefault(GROUPS.get(field.name.split("_")[0], "The stack"), []).append(field)
    return found


def example() -> str:
    """The text of .env.example."""
    lines = [
        "# Every setting with its default. Copy to .env (untracked) and change what you need, or set it in the",
        "# environment. Made from settings.py by `make settings`.",
    ]
    for heading, settings in groups().items():
        lines += ["", f"## {heading}"]
        for field in settings:
            name, explained = field.name.upper(), field.metadata
            comment = f"{explained['meaning']} ({explained['allowed'].words})"
            lines += [*(f"# {part}" for part in wrap(comment, WIDTH)), f"{name}={DEFAULTS[name]}"]
    return "\n".join(lines) + "\n"


def row(field: Field) -> str:
    name, explained = field.name.upper(), field.metadata
    default = f"`{DEFAULTS[name]}`" if DEFAULTS[name] else "empty"
    return f"| `{name}` | {default} | {explained['allowed'].words} | {explained['meaning']} |"


def page() -> str:
    """The text of docs/settings.md."""
    lines = [INTRODUCTION]
    for heading, settings in groups().items():
        lines += [f"## {heading}", "", "| setting | default | allowed | meaning |", "|---|---|---|---|"]
        lines += [*(row(field) for field in settings), ""]
    return "\n".join(lines)


def write() -> None:
    EXAMPLE.write_text(example())
    PAGE.write_text(page())
