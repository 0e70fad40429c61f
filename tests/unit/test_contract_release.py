"""Versions of contracts: what was taken is still taken, and nothing is deployed that is no version."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

import contracts
from contracts import ContractError, contract, release
from contracts.contract import FOLDER, parse
from spark_jobs import domains

DOMAINS = [path.stem for path in FOLDER.glob("*.yaml")]
TEXT = (FOLDER / "ecommerce.yaml").read_text()
NOW = parse(TEXT, "ecommerce.yaml")
LATER = NOW.version + 1
NEXT = TEXT.replace(f"version: {NOW.version}.0.0", f"version: {LATER}.0.0", 1).replace(
    f"maximum: {NOW.version}}}", f"maximum: {LATER}}}", 1
)
SUM = "items_count = 0 OR value = items_value"
OF_LATER = f"schema_version < {LATER} OR "
PLACE = "      - {name: promotion_name,"


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_contract_is_its_last_released_version(domain: str) -> None:
    release.check(domain)


@pytest.mark.parametrize("domain", DOMAINS)
def test_every_version_follows_the_one_before(domain: str) -> None:
    versions = release.releases(domain)
    assert [list(release.obstacles(*pair)) for pair in zip([None, *versions], versions, strict=False)] == [[]] * len(
        versions
    )


@pytest.mark.parametrize("domain", DOMAINS)
def test_the_archive_goes_by_what_the_contract_says(domain: str) -> None:
    stated, archives = contracts.load(domain), domains.raw_tables(domain)
    assert archives[0].sharded_by == stated.partitioned_by
    assert all(contract.IDENTITY in archive.clustering for archive in archives)


def obstacles(old: str, new: str) -> list[str]:
    """What is in the way of a next version in which `old` has become `new`."""
    assert old in NEXT
    return list(release.obstacles(NOW, parse(NEXT.replace(old, new, 1), "test.yaml")))


@pytest.mark.parametrize(
    ("old", "new"),
    [
        (PLACE, "      - {name: gift, logicalType: string}\n" + PLACE),
        ("{value: search}", "{value: search}, {value: compare}"),
        ("maxLength: 2048}", "maxLength: 4096}"),
        ("minimum: 1, maximum: 10000}", "minimum: 0, maximum: 20000}"),
        ('implementation: "sent_at >= occurred_at"', 'implementation: "sent_at > occurred_at"'),
        (SUM, OF_LATER + SUM),
        ('value: drop}], description: "An order', 'value: keep}], description: "An order'),
        ("name: tax, criticalDataElement: true,", "name: tax,"),
        ("description: Operating system", "description: The operating system"),
    ],
    ids=[
        "optional field",
        "listed value",
        "longer",
        "wider",
        "kept rule",
        "rule for later versions",
        "milder",
        "no longer critical",
        "words",
    ],
)
def test_what_may_follow(old: str, new: str) -> None:
    assert obstacles(old, new) == []


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        ("name: coupon", "name: voucher", "coupon must not be removed or renamed"),
        (PLACE, PLACE.replace("name", "required: true, name", 1), "required must stay False"),
        (PLACE, "      - {name: x, logicalType: string, required: true}\n" + PLACE,
         "x is new and must not be required"),
        ("true, logicalType: integer", "true, logicalType: string", "tax: its type must stay integer"),
        ("value: minor units of currency}]\n", "value: dollars}]\n", "value: its unit must stay minor units"),
        ("{value: search}, ", "", "event_name must still allow search"),
        ("name: os, ", "name: os, enum: [{value: Linux}], ", "os must not be restricted"),
        ("^[A-Z]{3}$", "^[A-Z]+$", "currency: its pattern must stay"),
        ("maxLength: 2048}", "maxLength: 1024}", "page_url: its max_length must not be narrowed from 2048 to 1024"),
        ("minimum: 1, maximum: 10000}", "minimum: 1, maximum: 100}", "items.quantity: its maximum"),
        ("minimum: 1, maximum: 10000}", "minimum: 2, maximum: 10000}", "items.quantity: its minimum"),
        ("required: true, primaryKey: true", "required: true", None),
        ("maxLateMinutes, value: 120", "maxLateMinutes, value: 240", "max_late must stay"),
        ("field: reporting_value, events", "field: value, events", "the amount must stay reporting_value of purchase"),
        ("name: source, field: utm_source", "name: source, field: utm_medium", "the dimension source must stay"),
        (SUM, "value = items_value", f"must begin with '{OF_LATER}'"),
        ("value: keep}], description: The sender", "value: drop}], description: The sender", "must begin with"),
        (f"version: {LATER}.0.0", "version: 9.0.0", f"the version must be {LATER}.0.0"),
        (f"maximum: {LATER}}}", f"maximum: {NOW.version}}}", f"schema_version must allow 1 to {LATER}"),
        ("name: coupon,", "name: coupon, criticalDataElement: true,", "coupon must not become critical"),
    ],
)  # fmt: skip
def test_what_may_not(old: str, new: str, message: str | None) -> None:
    if message is None:  # not even a contract
        with pytest.raises(ContractError, match="one field must have primaryKey"):
            obstacles(old, new)
        return
    found = obstacles(old, new)
    assert any(message in one for one in found), found


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder of contracts of the test's own, with the versions up to now."""
    (tmp_path / "released").mkdir()
    for path in release.RELEASED.glob("ecommerce.v*.yaml"):
        (tmp_path / "released" / path.name).write_text(path.read_text())
    for module in (contract, release):
        monkeypatch.setattr(module, "FOLDER", tmp_path)
    monkeypatch.setattr(release, "RELEASED", tmp_path / "released")
    monkeypatch.setattr(release, "load", contracts.load.__wrapped__)
    return tmp_path


def test_a_change_without_a_version_is_refused_with_what_to_do(folder: Path) -> None:
    (folder / "ecommerce.yaml").write_text(TEXT.replace("maxLength: 2048}", "maxLength: 4096}", 1))
    with pytest.raises(ContractError, match=re.escape(f"must become version {LATER}")):
        release.check("ecommerce")


def test_a_version_is_deployed_only_once_it_is_released(folder: Path) -> None:
    (folder / "ecommerce.yaml").write_text(NEXT)
    with pytest.raises(ContractError, match="not released; run 'python -m contracts ecommerce --release'"):
        release.check("ecommerce")
    assert release.release("ecommerce").read_text() == NEXT
    release.check("ecommerce")


def test_what_does_not_follow_is_not_released(folder: Path) -> None:
    (folder / "ecommerce.yaml").write_text(NEXT.replace("name: coupon", "name: voucher", 1))
    with pytest.raises(ContractError, match="coupon must not be removed or renamed"):
        release.release("ecommerce")
    assert len(list((folder / "released").iterdir())) == NOW.version
