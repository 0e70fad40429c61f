"""`python -m contracts DOMAIN`: the contract as tables for docs/<domain>.md; with `--release` it becomes a version."""

from __future__ import annotations

import argparse
import sys

from contracts.contract import Contract, ContractError, Field, load
from contracts.release import release


def limits(field: Field) -> str:
    """What a value may be, in words."""
    words = []
    if field.allowed:
        words.append(", ".join(field.allowed))
    if field.pattern:
        words.append(f"`{field.pattern}`")
    if field.minimum is not None:
        words.append(f"{field.minimum} to {field.maximum}")
    if field.max_length is not None:
        words.append(f"at most {field.max_length} {'lines' if field.items else 'characters'}")
    if field.unit:
        words.append(field.unit)
    return "; ".join(words)


def row(field: Field, prefix: str = "") -> str:
    required = "yes" if field.required else ""
    fault = "rejected" if field.critical else "left out"
    return f"| `{prefix}{field.name}` | {field.type} | {required} | {fault} | {limits(field)} | {field.description} |"


def tables(contract: Contract) -> str:
    """The contract's fields and expectations as two Markdown tables."""
    lines = ["| field | type | required | with a fault | limits, unit | meaning |", "|---|---|---|---|---|---|"]
    for field in contract.fields:
        lines.append(row(field))
        lines += [row(item, f"{field.name}[].") for item in field.items]
    lines += ["", "| expectation | action | SQL | meaning |", "|---|---|---|---|"]
    lines += [f"| `{e.name}` | {e.action} | `{e.sql}` | {e.description} |" for e in contract.expectations]
    return "\n".join(lines)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m contracts", description=__doc__)
    parser.add_argument("domain")
    parser.add_argument("--release", action="store_true", help="keep it as a version, if events of the last one fit it")
    options = parser.parse_args()
    try:
        print(release(options.domain) if options.release else tables(load(options.domain)))  # noqa: T201
    except ContractError as error:
        sys.exit(str(error))


if __name__ == "__main__":
    main()
