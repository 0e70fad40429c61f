"""Versions of a contract: which were released, and whether the one at hand may follow them.

Senders change later than readers do, and the archive holds events of every version: what a version took, the next one
must take too, and understand alike. So a version may add an optional field, list another value, widen a bound, drop a
rule or leave out what it rejected. What can't be done so is a field of another name, or another domain.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from pathlib import Path

from contracts.contract import FOLDER, Contract, ContractError, Expectation, Field, load, parse

RELEASED = FOLDER / "released"
VERSION_FIELD = "schema_version"


def _path(domain: str, version: int) -> Path:
    return RELEASED / f"{domain}.v{version}.yaml"


def releases(domain: str) -> list[Contract]:
    """The released versions of a domain's contract, the oldest first."""
    found = [parse(path.read_text(), path.name) for path in RELEASED.glob(f"{domain}.v*.yaml")]
    return sorted(found, key=lambda contract: contract.version)


def check(domain: str) -> None:
    """Raises ContractError unless the domain's contract is its last released version, but for words."""
    contract, released = load(domain), releases(domain)
    if not released or contract.version > released[-1].version:
        raise ContractError(
            f"{domain}.yaml: version {contract.version} is not released; run 'python -m contracts {domain} --release'"
        )
    if contract.version < released[-1].version or meaning(contract) != meaning(released[-1]):
        raise ContractError(
            f"{domain}.yaml has changed and must become version {released[-1].version + 1}: write it as its version "
            f"and as the maximum of {VERSION_FIELD}, then run 'python -m contracts {domain} --release'"
        )


def release(domain: str) -> Path:
    """Keeps the domain's contract as a released version; returns its file.

    Raises ContractError, which names everything by which it does not follow the last version.
    """
    contract, released = load(domain), releases(domain)
    if wrong := list(obstacles(released[-1] if released else None, contract)):
        raise ContractError("\n".join(f"{domain}.yaml: {one}" for one in wrong))
    path = _path(domain, contract.version)
    path.write_text((FOLDER / f"{domain}.yaml").read_text())
    return path


def meaning(contract: Contract) -> Contract:
    """The contract without what is only said to people."""
    return replace(
        contract,
        purpose="",
        fields=tuple(_bare(field) for field in contract.fields),
        expectations=tuple(replace(e, description="") for e in contract.expectations),
        dimensions=tuple(replace(d, field=_bare(d.field)) for d in contract.dimensions),
        lookups=(),
    )


def _bare(field: Field) -> Field:
    return replace(field, description="", items=tuple(_bare(item) for item in field.items))


def obstacles(old: Contract | None, new: Contract) -> Iterator[str]:
    """All by which `new` is not the version after `old`, in words; `old` is None for the first one."""
    due = old.version + 1 if old else 1
    if new.version != due:
        yield f"the version must be {due}.0.0, not {new.version}.0.0"
    stated = next((field for field in new.fields if field.name == VERSION_FIELD), None)
    if stated is None or (stated.minimum, stated.maximum) != (1, due):
        yield f"{VERSION_FIELD} must allow 1 to {due}"
    if old is None:
        return
    for name in ("domain", "partitioned_by", "max_late", "max_future"):
        if getattr(old, name) != getattr(new, name):
            yield f"{name} must stay {getattr(old, name)}: what is stored goes by it"
    if old.business_key not in (None, new.business_key):
        yield f"the business key must stay {old.business_key.field}: what counts goes by it"
    if old.amount not in (None, new.amount):
        yield f"the amount must stay {old.amount.field} of {', '.join(old.amount.events)}: what was proven goes by it"
    yield from _fields(old.fields, new.fields)
    kept = {dimension.name: replace(dimension, field=_bare(dimension.field)) for dimension in new.dimensions}
    for dimension in old.dimensions:
        after = kept.get(dimension.name)
        if after is None or (after.array, after.field.name, after.absent) != (
            dimension.array,
            dimension.field.name,
            dimension.absent,
        ):
            yield f"the dimension {dimension.name} must stay as it is: tables and charts have it"
    yield from _rules(old.expectations, new.expectations, due)


def _fields(old: Sequence[Field], new: Sequence[Field], place: str = "") -> Iterator[str]:
    before, after = {field.name: field for field in old}, {field.name: field for field in new}
    for name, field in before.items():
        if name not in after:
            yield f"{place}{name} must not be removed or renamed: senders of earlier versions send it"
        else:
            yield from _field(field, after[name], f"{place}{name}")
    for name in after.keys() - before.keys():
        if after[name].required:
            yield f"{place}{name} is new and must not be required: senders of earlier versions don't send it"


def _field(old: Field, new: Field, place: str) -> Iterator[str]:
    for what in ("type", "unit", "pattern", "required"):
        if getattr(old, what) != getattr(new, what):
            yield f"{place}: its {what} must stay {getattr(old, what)}, not become {getattr(new, what)}"
    if new.critical and not old.critical:
        yield f"{place} must not become critical: events with a fault in it were accepted"
    if missing := set(old.allowed) - set(new.allowed):
        yield f"{place} must still allow {', '.join(sorted(missing))}"
    if new.allowed and not old.allowed:
        yield f"{place} must not be restricted to a list of values"
    for what, narrower in {
        "minimum": new.minimum is not None and (old.minimum is None or new.minimum > old.minimum),
        "maximum": new.maximum is not None and (old.maximum is None or new.maximum < old.maximum),
        "max_length": new.max_length is not None and (old.max_length is None or new.max_length < old.max_length),
    }.items():
        if narrower:
            yield f"{place}: its {what} must not be narrowed from {getattr(old, what)} to {getattr(new, what)}"
    yield from _fields(old.items, new.items, f"{place}.")


def _rules(old: Sequence[Expectation], new: Sequence[Expectation], version: int) -> Iterator[str]:
    """A rule that rejects may come later only for events of later versions: the archive has the earlier ones."""
    known = {(e.name, e.sql, e.action) for e in old}
    exempt = f"{VERSION_FIELD} < {version} OR "
    for e in new:
        if e.action != "keep" and (e.name, e.sql, e.action) not in known and not e.sql.startswith(exempt):
            yield f"the expectation {e.name} is new or changed and rejects: it must begin with '{exempt}'"
