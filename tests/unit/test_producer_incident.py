"""Payments of one country fail for a while: who it hits, what it leaves alone, and how the producer hears of it."""

from __future__ import annotations

import json
import logging
from collections import Counter
from datetime import UTC, datetime, timedelta
from functools import cache
from itertools import islice, takewhile
from pathlib import Path

import pytest

from producer import incident
from producer.domains.ecommerce import INCIDENT
from producer.domains.ecommerce.payment_outage import through_outage
from producer.faults import Rates
from producer.incident import Incident, Watch, from_json, save, to_json
from producer.records import Event
from producer.simulate import Simulation, happenings, simulate
from settings import Settings

START = datetime(2026, 11, 22, 18, 0, tzinfo=UTC)
SHOP = Simulation("ecommerce", seed=11, start=START, rate=60.0, rates=Rates())
MINUTES = 8
OUTAGE = Incident(INCIDENT, "US", START + timedelta(minutes=1), START + timedelta(minutes=7))


def at_ms(minutes: float) -> int:
    return round((START + timedelta(minutes=minutes)).timestamp() * 1000)


@cache
def lines(outage: Incident | None) -> list[bytes]:
    """The first minutes of the shop, as they are sent."""
    records = simulate(SHOP, strikes=outage.strikes) if outage else simulate(SHOP)
    return [record.value for record in takewhile(lambda record: record.at_ms < at_ms(MINUTES), records)]


@cache
def events(outage: Incident | None) -> list[dict]:
    return [json.loads(line) for line in lines(outage)]


def in_outage(event: dict) -> bool:
    return OUTAGE.since <= datetime.fromisoformat(event["occurred_at"]) < OUTAGE.until


def share_failed(outage: Incident | None, *, of_country: bool) -> float:
    """Failed payments of all attempts during the incident: of its country, or of all others."""
    concerned = [e for e in events(outage) if in_outage(e) and (e["country"] == OUTAGE.choice) == of_country]
    names = Counter(event["event_name"] for event in concerned)
    return names["payment_failed"] / (names["purchase"] + names["payment_failed"])


def test_payments_fail_in_that_country_alone() -> None:
    assert share_failed(OUTAGE, of_country=True) > 0.9
    assert share_failed(None, of_country=True) < 0.2
    assert share_failed(OUTAGE, of_country=False) == share_failed(None, of_country=False) < 0.2


def test_it_costs_revenue_and_shoppers_try_again() -> None:
    def of_country(name: str, outage: Incident | None) -> list[dict]:
        return [e for e in events(outage) if (e["event_name"], e["country"]) == (name, "US") and in_outage(e)]

    assert len(of_country("purchase", OUTAGE)) < len(of_country("purchase", None)) / 3
    failed = Counter(e["session_id"] for e in of_country("payment_failed", OUTAGE))
    assert len(failed) > len(of_country("purchase", None)) / 2
    assert 2 < failed.total() / len(failed) < 5


def test_what_else_happens_stays_byte_for_byte() -> None:
    """Only purchases and refunds of the country go, and only failed and later payments of it come."""
    before, after = set(lines(None)), set(lines(OUTAGE))
    changed = [json.loads(line) for line in before ^ after]
    assert {event["country"] for event in changed} == {OUTAGE.choice}
    assert {json.loads(line)["event_name"] for line in before - after} == {"purchase", "refund"}
    assert {json.loads(line)["event_name"] for line in after - before} == {"purchase", "payment_failed"}
    assert [line for line in lines(None) if line in after] == [line for line in lines(OUTAGE) if line in before]


def test_without_an_incident_nothing_changes() -> None:
    over = Incident(INCIDENT, OUTAGE.choice, START - timedelta(minutes=9), START)
    assert list(islice(happenings(SHOP, over.strikes), 5_000)) == list(islice(happenings(SHOP), 5_000))


def test_the_same_incident_gives_the_same_records() -> None:
    values = [record.value for record in islice(simulate(SHOP, strikes=OUTAGE.strikes), 8_000)]
    assert values == lines(OUTAGE)[:8_000] != lines(None)[:8_000]


def test_events_are_in_order_and_have_ids_of_their_own() -> None:
    times = [event["occurred_at"] for event in events(OUTAGE)]
    assert times == sorted(times)
    assert len({event["event_id"] for event in events(OUTAGE)}) == len(times)


def test_an_order_that_came_to_nothing_has_no_refund() -> None:
    orders = {e["transaction_id"] for e in events(None) if e["event_name"] == "purchase"}
    paid = {e["transaction_id"] for e in events(OUTAGE) if e["event_name"] == "purchase"}
    assert paid < orders
    assert {e["transaction_id"] for e in events(None) if e["event_name"] == "refund"} - paid
    assert {e["transaction_id"] for e in events(OUTAGE) if e["event_name"] == "refund"} <= paid


def test_an_order_that_is_paid_at_last_can_be_refunded() -> None:
    def step(name: str, number: int, at_s: int) -> Event:
        fields = {"event_id": f"{name} {number}", "event_name": name, "transaction_id": number, "country": "US"}
        return Event(at_s * 1_000, b"", fields)

    numbers = range(100)
    happened = [step("purchase", number, 99) for number in numbers] + [
        step("refund", number, 900) for number in numbers
    ]
    seen = [event.fields for event in through_outage(happened, lambda _country, at_ms: at_ms < 100_000)]
    paid, refunded = (
        [fields["transaction_id"] for fields in seen if fields["event_name"] == name] for name in ("purchase", "refund")
    )
    assert sorted(paid) == refunded
    assert 10 < len(paid) < 90


def test_a_refused_payment_looks_like_any_other_that_failed() -> None:
    def fields_of(outage: Incident | None) -> set[str]:
        failed = [e for e in events(outage) if e["event_name"] == "payment_failed" and e["country"] == OUTAGE.choice]
        return {name for event in failed for name in event}

    assert fields_of(OUTAGE) == fields_of(None)


@pytest.mark.parametrize(
    ("country", "minutes", "expected"),
    [("US", 1, True), ("US", 6.99, True), ("US", 0.99, False), ("US", 7, False), ("DE", 5, False)],
)
def test_it_begins_with_its_first_moment_and_ends_before_its_last(country: str, minutes: float, expected: bool) -> None:
    assert OUTAGE.strikes(country, at_ms(minutes)) is expected


def test_the_file_gives_back_what_was_saved(tmp_path: Path) -> None:
    path = incident.path_of(Settings(state_dir=str(tmp_path)))
    save(path, Incident(INCIDENT, "DE", START, START + timedelta(minutes=1)))
    save(path, OUTAGE)
    assert from_json(path.read_bytes(), INCIDENT) == OUTAGE
    assert [file.name for file in path.parent.iterdir()] == [path.name]


BAD = {
    "not JSON": ("payments", "not written like"),
    "not an object": ("[1]", "not written like"),
    "empty": ("", "not written like"),
    "no text": (b"\xff\xfe", "not written like"),
    "no end": (json.dumps({"country": "BR", "from": "2026-11-22T12:00:00Z"}), "not written like"),
    "a number for a time": (json.dumps({"country": "BR", "from": 1, "until": 2}), "not written like"),
    "no time zone": (to_json(OUTAGE).replace("Z", ""), "not written like"),
    "beyond all time": (to_json(OUTAGE).replace("2026-11-22", "9999-12-31").replace("Z", "-23:00"), "not written like"),
    "unknown country": (to_json(OUTAGE).replace("US", "XX"), "US, GB, DE"),
    "a list for a country": (to_json(OUTAGE).replace('"US"', '["US"]'), "US, GB, DE"),
    "too long": (to_json(OUTAGE).replace("T18:07", "T19:02"), "at most 60"),
    "ends before it begins": (to_json(OUTAGE).replace("T18:07", "T18:01"), "more than 0"),
}


@pytest.mark.parametrize(("content", "said"), BAD.values(), ids=BAD.keys())
def test_what_is_no_incident_is_reported_once_and_ignored(
    content: str | bytes, said: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    path = tmp_path / "incident.json"
    path.write_bytes(content if isinstance(content, bytes) else content.encode())
    watch = Watch(path, INCIDENT)
    assert not any(watch.strikes("US", at_ms(minutes)) for minutes in (5, 6, 7))
    [record] = caplog.records
    assert record.levelno == logging.ERROR
    assert str(path) in record.message
    assert said in record.message


def test_the_producer_hears_of_an_incident_within_a_second_and_of_its_end(tmp_path: Path) -> None:
    path = tmp_path / "incident.json"
    watch = Watch(path, INCIDENT)
    now = at_ms(5)
    assert not watch.strikes("US", now)
    save(path, OUTAGE)
    assert not watch.strikes("US", now + 999)  # it has looked just before
    assert watch.strikes("US", now + 1_000)
    assert Watch(path, INCIDENT).strikes("US", now)  # after a restart
    path.unlink()
    assert not watch.strikes("US", now + 2_000)


def test_an_incident_that_is_over_is_ignored(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    caplog.set_level(logging.INFO)
    save(tmp_path / "incident.json", OUTAGE)
    assert not Watch(tmp_path / "incident.json", INCIDENT).strikes("US", at_ms(11))
    assert caplog.records == []


@pytest.fixture
def path(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Where the command writes."""
    monkeypatch.setenv("STATE_DIR", str(tmp_path))
    return incident.path_of(Settings(state_dir=str(tmp_path)))


def test_the_command_begins_and_ends_one(path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    begun = datetime.now(UTC)
    assert incident.main(["--country", "BR", "--minutes", "3"]) == 0
    made = from_json(path.read_bytes(), INCIDENT)
    assert (made.choice, made.until - made.since) == ("BR", timedelta(minutes=3))
    assert abs(made.since - begun) < timedelta(seconds=10)
    assert str(made) in capsys.readouterr().out
    assert incident.main(["--stop"]) == 0
    assert not path.exists()
    assert incident.main(["--stop"]) == 0


def test_without_options_it_is_the_largest_country(path: Path) -> None:
    assert incident.main([]) == 0
    assert from_json(path.read_bytes(), INCIDENT).choice == "US"


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["--country", "XX"], "'US', 'GB', 'DE'"),
        (["--minutes", "0"], "1 to 60"),
        (["--minutes", "61"], "1 to 60"),
        (["--minutes", "soon"], "'soon'"),
        (["--until", "noon"], "--until"),
    ],
)
def test_bad_options_are_named(arguments: list[str], said: str, path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        incident.main(arguments)
    assert said in capsys.readouterr().err
    assert not path.exists()
