"""What the dashboard's datasets and views return, on rows made for the purpose."""

from __future__ import annotations

from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from math import erf, sqrt
from typing import Any
from uuid import uuid4

import pytest

from local.native.stack import Stack
from tests.dashboards import assets, grain, rendered
from tests.integration.database import database_of

pytestmark = pytest.mark.integration

DATABASE = "dashboard_sources"
FILES = assets.read("ecommerce")
SINCE = datetime.fromisoformat("2026-05-01T12:00:30")  # the chosen range
UNTIL = SINCE + timedelta(hours=1)
EARLIER = SINCE - timedelta(hours=1)
MINUTE = timedelta(minutes=1)
NOW = datetime.fromisoformat("2026-05-01T13:07:11.250")
"""MySQL's clock stands still at this moment."""
LONG_AGO = NOW - timedelta(days=400)
REACH = grain.Reach(LONG_AGO, LONG_AGO)


@pytest.fixture
def cursor(stack: Stack) -> Iterator[Any]:
    """In an empty database with the shop's tables and views, all in UTC."""
    with database_of(stack.settings, "ecommerce", DATABASE) as cursor:
        cursor.execute("SET TIMESTAMP = %s", (NOW.replace(tzinfo=UTC).timestamp(),))
        insert(cursor, "coverage", only_row=1, hours_from=LONG_AGO, minutes_from=LONG_AGO, hours_until=LONG_AGO)
        yield cursor


def insert(cursor: Any, table: str, **values: object) -> None:
    """A row with the given values, and 0, '' or NULL in the columns that are not named."""
    cursor.execute(f"SHOW COLUMNS FROM {table}")
    columns = [
        (name, kind)
        for name, kind, nullable, *_, extra in cursor.fetchall()
        if "GENERATED" not in extra and nullable == "NO"
    ]
    empty = {name: "" if "char" in str(kind) else 0 for name, kind in columns}
    row = empty | values
    cursor.execute(
        f"INSERT INTO {table} ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})", tuple(row.values())
    )


def sale(cursor: Any, minute: datetime, orders: int, category: str = "Books") -> None:
    insert(cursor, "sales_by_minute", minute=minute.replace(second=0), category=category, orders=orders)


def session(cursor: Any, first_seen: datetime, **values: object) -> None:
    insert(
        cursor, "sessions", **{"session_id": uuid4().bytes, "first_seen": first_seen, "last_seen": first_seen} | values
    )


def history_from(cursor: Any, moment: datetime) -> None:
    insert(cursor, "batches", committed_at=moment, checkpoint_id="c", batch_id=int(moment.timestamp()))


def by_period(cursor: Any, dataset: str, figure: str, where: str = "TRUE") -> list[float]:
    """A figure by period, oldest first, as Superset asks for it with the chosen range."""
    sql = rendered(assets.dataset(FILES, dataset)["sql"], SINCE.isoformat(), UNTIL.isoformat(), REACH)
    cursor.execute(
        f"SELECT period, {figure} FROM ({sql}) AS dataset"
        f" WHERE period >= %s AND period < %s AND {where} GROUP BY period ORDER BY period",
        (SINCE + timedelta(seconds=1), UNTIL - timedelta(seconds=1)),  # the filter is worked out a moment later
    )
    return [float(value) for _, value in cursor.fetchall()]


def figures(cursor: Any, dataset: str, by: str, *names: str) -> list[tuple[float, ...]]:
    """Metrics of a dataset in the chosen range, a row for each value of a column, in their order."""
    sql = rendered(assets.dataset(FILES, dataset)["sql"], SINCE.isoformat(), UNTIL.isoformat(), REACH)
    measured = ", ".join(metrics(dataset)[name] for name in names)
    cursor.execute(f"SELECT {measured} FROM ({sql}) AS dataset GROUP BY {by} ORDER BY {by}")
    return [tuple(map(float, row)) for row in cursor.fetchall()]


def test_orders_stand_in_their_period(cursor: Any) -> None:
    history_from(cursor, EARLIER)
    sale(cursor, EARLIER, 1)  # its minute began before the earlier period
    sale(cursor, EARLIER + MINUTE, 2)
    sale(cursor, SINCE, 4)  # its minute began in the earlier period
    sale(cursor, SINCE + MINUTE, 8)
    sale(cursor, UNTIL, 16)  # its minute began in the chosen period
    sale(cursor, UNTIL + MINUTE, 32)
    assert by_period(cursor, "sales_by_period", "SUM(orders)") == [2 + 4, 8 + 16]


def test_nothing_is_compared_with_a_period_that_history_does_not_cover(cursor: Any) -> None:
    history_from(cursor, EARLIER + MINUTE)
    sale(cursor, EARLIER + 2 * MINUTE, 1)  # a late event of before the start, say
    sale(cursor, SINCE + MINUTE, 2)
    assert by_period(cursor, "sales_by_period", "SUM(orders)") == [2]


def test_a_period_without_sales_is_zero_where_the_earlier_one_has_some(cursor: Any) -> None:
    history_from(cursor, EARLIER)
    sale(cursor, EARLIER + MINUTE, 3)
    sale(cursor, SINCE + MINUTE, 5, category="Toys")
    assert by_period(cursor, "sales_by_period", "SUM(orders)", "category = 'Books'") == [3, 0]


def test_history_is_covered_as_far_back_as_hours_are_kept(cursor: Any) -> None:
    """Of micro-batches there are only the last few days'."""
    history_from(cursor, UNTIL)
    sale(cursor, EARLIER + MINUTE, 3)
    sale(cursor, SINCE + MINUTE, 5)
    cursor.execute("UPDATE coverage SET first_commit = %s", (LONG_AGO,))
    assert by_period(cursor, "sales_by_period", "SUM(orders)") == [3, 5]
    cursor.execute("UPDATE coverage SET hours_from = %s", (SINCE.replace(minute=0, second=0),))
    assert by_period(cursor, "sales_by_period", "SUM(orders)") == [5]


def test_sessions_stand_in_the_period_in_which_they_began(cursor: Any) -> None:
    history_from(cursor, EARLIER)
    session(cursor, EARLIER, furthest_step=5)
    session(cursor, SINCE - timedelta(milliseconds=1))
    session(cursor, SINCE, furthest_step=5)
    session(cursor, UNTIL - timedelta(milliseconds=1))
    session(cursor, UNTIL - timedelta(milliseconds=1))
    session(cursor, UNTIL)
    assert by_period(cursor, "sessions_by_period", "SUM(sessions)") == [2, 3]
    assert by_period(cursor, "sessions_by_period", "SUM(bought)") == [1, 1]


def test_funnel_has_a_session_once_for_each_step_it_reached(cursor: Any) -> None:
    for step in (0, 1, 1, 5):
        session(cursor, SINCE, furthest_step=step)
    assert figures(cursor, "funnel", "step", "sessions") == [(4,), (3,), (1,), (1,), (1,), (1,)]


def test_shoppers_are_active_until_five_minutes_after_their_last(cursor: Any) -> None:
    whole = NOW.replace(second=0, microsecond=0)
    for first, last in [(50, 29), (28, 27), (28, 28), (33, 32), (90, 36), (2, 0), (0, 0)]:  # minutes ago
        session(cursor, whole - first * MINUTE, last_seen=whole - last * MINUTE + timedelta(seconds=59))
    session(cursor, NOW - 28 * MINUTE, country="FR")
    active = metrics("active_shoppers")["active"]
    cursor.execute(
        f"SELECT minute, {active} FROM active_shoppers WHERE minute < %s AND country <> 'FR' GROUP BY minute", (whole,)
    )
    assert [((whole - minute) // MINUTE, int(count)) for minute, count in cursor.fetchall()] == [
        (30, 2),
        (28, 4),
        (26, 3),
        (23, 2),
        (22, 1),
        (21, 0),
        (2, 1),
    ]


@pytest.mark.parametrize(
    ("seen_minutes_ago", "values", "does"),
    [
        (5, {}, {"visiting"}),
        (6, {}, set()),
        (6, {"cart_cents": 500, "furthest_step": 2}, {"with_cart"}),
        (4, {"cart_cents": 500, "furthest_step": 3}, {"visiting", "checking_out"}),
        (6, {"cart_cents": 500, "furthest_step": 4}, {"checking_out"}),
        (6, {"furthest_step": 5, "first_order_at": NOW - 9 * MINUTE}, {"bought"}),
        (6, {"cart_cents": 500, "furthest_step": 5, "first_order_at": NOW - 11 * MINUTE}, {"with_cart"}),
        (11, {"cart_cents": 500, "furthest_step": 5, "first_order_at": NOW - 11 * MINUTE}, None),
    ],
)
def test_what_a_shopper_does_right_now(
    cursor: Any, seen_minutes_ago: int, values: dict[str, Any], does: set[str] | None
) -> None:
    session(cursor, SINCE, last_seen=NOW - seen_minutes_ago * MINUTE, **values)
    states = ("visiting", "with_cart", "checking_out", "bought")
    cursor.execute(f"SELECT {', '.join(states)} FROM right_now")
    rows = cursor.fetchall()
    assert [{state for state, is_so in zip(states, row, strict=True) if is_so} for row in rows] == (
        [] if does is None else [does]
    )


@pytest.mark.parametrize(("event_minutes", "commit_minutes"), [(2, 0), (0, 2), (-5, 2)])
def test_data_is_as_old_as_its_newest_event_or_its_last_commit(
    cursor: Any, event_minutes: int, commit_minutes: int
) -> None:
    """A sender's clock that runs ahead must not hide that nothing is committed any more."""
    insert(cursor, "batches", committed_at=NOW - 60 * MINUTE, batch_id=1, newest_event=NOW - event_minutes * MINUTE)
    insert(cursor, "batches", committed_at=NOW - commit_minutes * MINUTE, batch_id=2, newest_event=NOW - 60 * MINUTE)
    cursor.execute("SELECT age_seconds FROM freshness")
    assert cursor.fetchone() == (120,)


@pytest.mark.parametrize(("since_last_event", "cart_cents", "found"), [(31, 500, 1), (29, 500, 0), (31, 0, 0)])
def test_a_cart_is_abandoned_after_half_an_hour(
    cursor: Any, since_last_event: int, cart_cents: int, found: int
) -> None:
    session(cursor, NOW, last_seen=NOW - since_last_event * MINUTE, cart_cents=cart_cents)
    sql = assets.dataset(FILES, "abandoned_carts")["sql"]
    sql = rendered(sql, (NOW - 60 * MINUTE).isoformat(), NOW.isoformat(), REACH)
    cursor.execute(
        f"SELECT abandoned_at FROM ({sql}) AS dataset WHERE abandoned_at BETWEEN %s AND %s", (NOW - 60 * MINUTE, NOW)
    )
    assert cursor.fetchall() == [((NOW - MINUTE).replace(second=0, microsecond=0),)] * found


def test_an_order_counts_for_the_promotion_that_was_chosen_before_it(cursor: Any) -> None:
    insert(cursor, "promotions_by_minute", minute=SINCE, promotion="Sale", shown=5, chosen=4)
    session(cursor, SINCE, promotion="Sale", promoted_at=SINCE)
    for minutes, cents in [(1, 400), (-1, 8000)]:  # an order after it, and one before
        order = {"orders": 1, "order_value_cents": cents, "first_order_at": SINCE + (3 + minutes) * MINUTE}
        session(cursor, SINCE, promotion="Sale", promoted_at=SINCE + 3 * MINUTE, **order)
    session(cursor, SINCE, promotion="(none)", orders=1, order_value_cents=100, first_order_at=SINCE)
    assert figures(cursor, "promotions", "promotion", *metrics("promotions")) == [(5, 4, 0.8, 1, 0.25, 4)]


@pytest.mark.parametrize("z", [-6, -1.96, -0.5, 0, 0.25, 1, 2.5758, 5])
def test_the_normal_distribution(cursor: Any, z: float) -> None:
    cursor.execute("SELECT normal_cdf(%s)", (z,))
    assert cursor.fetchone()[0] == pytest.approx((1 + erf(z / sqrt(2))) / 2, abs=1e-7)


def test_two_variants_are_compared_as_statisticians_do(cursor: Any) -> None:
    cursor.execute("SELECT proportions_p_value(582, 16549, 506, 16277), proportions_margin(582, 16549, 506, 16277)")
    p_value, margin = cursor.fetchone()
    a, n, b, m = 582, 16549, 506, 16277
    pooled = (a + b) / (n + m)
    z = (a / n - b / m) / sqrt(pooled * (1 - pooled) * (1 / n + 1 / m))
    assert p_value == pytest.approx(1 - erf(abs(z) / sqrt(2)), abs=1e-6)
    assert margin == pytest.approx(1.959964 * sqrt(a / n * (1 - a / n) / n + b / m * (1 - b / m) / m))


@pytest.mark.parametrize("counts", [(0, 0, 1, 2), (1, 2, 0, 0), (0, 0, 0, 0)])
def test_nothing_to_compare_is_no_figure(cursor: Any, counts: tuple[int, ...]) -> None:
    cursor.execute("SELECT proportions_p_value(%s, %s, %s, %s)", counts)
    assert cursor.fetchone() == (None,)


@pytest.mark.parametrize(
    ("counts", "words"),
    [
        ((0, 0, 0, 0), "too little data yet to tell"),
        ((9, 100, 50, 100), "too little data yet to tell"),
        ((91, 100, 50, 100), "too little data yet to tell"),
        ((50, 100, None, None), "too little data yet to tell"),
        ((50, 100, 49, 100), "no difference shown so far"),
        ((560, 16549, 506, 16277), "no difference shown so far"),  # p = 0.16
        ((582, 16549, 506, 16277), "better than the control, hardly by chance"),  # p = 0.039
        ((70, 100, 50, 100), "better than the control, hardly by chance"),
        ((50, 100, 70, 100), "worse than the control, hardly by chance"),
    ],
)
def test_a_difference_is_told_in_words(cursor: Any, counts: tuple[int | None, ...], words: str) -> None:
    cursor.execute("SELECT proportions_verdict(%s, %s, %s, %s)", counts)
    assert cursor.fetchone() == (words,)


def metrics(dataset: str) -> dict[str, str]:
    """The SQL of a dataset's metrics."""
    return {metric["metric_name"]: metric["expression"] for metric in FILES.datasets[dataset]["metrics"]}


def test_every_rule_has_a_pass_rate(cursor: Any) -> None:
    for rule, action in {"watched": "keep", "strict": "drop", "stopping": "fail"}.items():
        insert(cursor, "expectations", expectation=rule, action=action)
    minute = SINCE.replace(second=0)
    later = minute + MINUTE
    insert(cursor, "lateness_by_minute", minute=minute, late_from_s=0, events=8)
    insert(cursor, "lateness_by_minute", minute=minute, late_from_s=600, events=1)
    insert(cursor, "rejects_by_minute", minute=minute, reason="expectation:strict", rejects=1)
    insert(cursor, "rejects_by_minute", minute=minute, reason="not_json", rejects=5)
    insert(cursor, "rejects_by_minute", minute=later, reason="expectation:strict", rejects=2)
    insert(cursor, "expectations_by_minute", minute=later, expectation="watched", passed=3, failed=1)
    insert(cursor, "expectations_by_minute", minute=later, expectation="of an older contract", passed=3, failed=1)
    cursor.execute(
        "SELECT minute, rule, action, checked, failed, pass_rate FROM expectation_rates ORDER BY minute, rule"
    )
    assert [(*row[:3], *map(float, row[3:])) for row in cursor.fetchall()] == [
        (minute, "stopping", "fail", 9, 0, 1),
        (minute, "strict", "drop", 10, 1, 0.9),
        (later, "strict", "drop", 2, 2, 0),
        (later, "watched", "keep", 4, 1, 0.75),
    ]


@pytest.mark.parametrize(
    ("events_by_ms", "percentiles"),
    [
        ({100: 10}, (0.1, 0.1, 0.1)),
        ({900: 94, 60_000: 6}, (0.9, 60, 60)),
        ({100: 50_000, 900: 50_000}, (0.1, 0.9, 0.9)),
        ({100: 49_999, 900: 50_001}, (0.9, 0.9, 0.9)),  # a share of 0.5000, rounded as MySQL does
    ],
)
def test_percentiles_are_of_each_kind_of_latency(
    cursor: Any, events_by_ms: dict[int, int], percentiles: tuple[float, ...]
) -> None:
    insert(cursor, "latency_by_minute", minute=SINCE + MINUTE, since="appended", latency_ms=5_000, events=1)
    for latency_ms, events in events_by_ms.items():
        insert(
            cursor, "latency_by_minute", minute=SINCE + MINUTE, since="created", latency_ms=latency_ms, events=events
        )
    sql = rendered(assets.dataset(FILES, "latency_percentiles")["sql"], SINCE.isoformat(), UNTIL.isoformat(), REACH)
    figures = ", ".join(metrics("latency_percentiles")[name] for name in ("p50", "p95", "p99"))
    cursor.execute(f"SELECT since, {figures} FROM ({sql}) AS dataset GROUP BY since ORDER BY since")
    assert [(since, *map(float, row)) for since, *row in cursor.fetchall()] == [
        ("appended", 5, 5, 5),
        ("created", *percentiles),
    ]


def test_percentiles_of_a_longer_step_are_of_all_its_events(cursor: Any) -> None:
    """A mean of the minutes' percentiles would be something else."""
    for minutes, events_by_ms in enumerate([{100: 97}, {900: 2}, {5_000: 1}]):
        for latency_ms, events in events_by_ms.items():
            minute = SINCE.replace(second=0) + (1 + minutes) * MINUTE
            insert(cursor, "latency_by_minute", minute=minute, since="appended", latency_ms=latency_ms, events=events)
    since = SINCE + timedelta(seconds=30)  # cuts the first step, of five minutes
    sql = assets.dataset(FILES, "latency_percentiles")["sql"]
    sql = rendered(sql, since.isoformat(), (since + timedelta(days=1)).isoformat(), REACH)
    figures = ", ".join(metrics("latency_percentiles")[name] for name in ("p50", "p95", "p99"))
    cursor.execute(f"SELECT time, {figures} FROM ({sql}) AS dataset WHERE minute >= %s GROUP BY time", (since,))
    assert [(time, *map(float, row)) for time, *row in cursor.fetchall()] == [(SINCE.replace(second=0), 0.1, 0.1, 0.9)]


@pytest.mark.parametrize("step", grain.STEPS)
def test_a_time_lies_in_its_step(cursor: Any, step: int) -> None:
    begins = SINCE.replace(second=0, minute=0, hour=0)
    last = begins + timedelta(seconds=step) - timedelta(milliseconds=1)
    ends = [(begins + at).isoformat() for at in (timedelta(0), grain.POINTS * timedelta(seconds=step))]
    session(cursor, begins)
    session(cursor, last)
    session(cursor, begins + timedelta(seconds=step))
    start = grain.step_start("first_seen", *ends)
    cursor.execute(f"SELECT {start} AS step, COUNT(*) FROM sessions GROUP BY {start} ORDER BY step")
    assert cursor.fetchall() == [(begins, 2), (begins + timedelta(seconds=step), 1)]


@pytest.mark.parametrize(("seconds_ago", "lag"), [(1, 7), (40, None)])
def test_the_lag_is_unknown_where_nobody_looks(cursor: Any, seconds_ago: int, lag: int | None) -> None:
    looked_at = NOW - timedelta(seconds=seconds_ago)
    insert(cursor, "queries", query="archive", ended_at=SINCE, lag_records=7, lag_ms=900, looked_at=looked_at)
    cursor.execute(f"SELECT {metrics('queries')['lag_records']}, {metrics('queries')['lag_seconds']} FROM queries")
    records, seconds = cursor.fetchone()
    assert records == lag
    assert (seconds is None) == (lag is None)


@pytest.mark.parametrize(
    ("written", "shown"),
    [
        ("<b>Bold</b>", f"{assets.BRACKET}b>Bold{assets.BRACKET}/b>"),
        ("Cable < 2 m", "Cable < 2 m"),
        ("Größer > 5", "Größer > 5"),
        (None, None),
    ],
)
def test_text_is_shown_without_markup(cursor: Any, written: str | None, shown: str | None) -> None:
    cursor.execute("SET @written = %s", (written,))
    cursor.execute(f"SELECT {assets.AS_TEXT.format('@written')}")
    assert cursor.fetchall() == [(shown,)]
