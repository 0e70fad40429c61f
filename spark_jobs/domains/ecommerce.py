"""The shop: events -> rows of the tables in mysql/ecommerce.sql, which says what every column means."""

from __future__ import annotations

import polars as pl

import contracts
from spark_jobs.merge import Hours, table
from spark_jobs.pipeline_tables import minute_of

COLUMNS = (
    "event_id",
    "event_name",
    "occurred_at",
    "user_id",
    "session_id",
    "device",
    "country",
    "utm_source",
    "experiment_id",
    "variant_id",
    "page_url",
    "search_term",
    "search_results",
    "promotion_name",
    "payment_type",
    "failure_reason",
    "currency",
    "reporting_value",
    "transaction_id",
    "items",
)


DERIVED = {  # what expectations may use beside the contract's fields: sums over an event's items
    "items": {
        "items_count": pl.lit(1),
        "items_value": (pl.col("price") - pl.col("discount").fill_null(0)) * pl.col("quantity"),
        "items_reporting_value": pl.col("reporting_value"),
    }
}

CONTRACT = contracts.load("ecommerce")
ABSENT = {dimension.name: dimension.absent for dimension in CONTRACT.dimensions}
NO_CATEGORY, DIRECT = ABSENT["category"], ABSENT["source"]
NO_EXPERIMENT = NO_TERM = NO_REASON = NO_PAGE = NO_PROMOTION = "(none)"
NO_PAYMENT_TYPE = "(unknown)"
[LONGEST_TERM] = (field.max_length for field in CONTRACT.fields if field.name == "search_term")
SHOPPED_BY = ("country", "device", "source", "currency")

PRICE_BANDS_CENTS = (0, 1_000, 2_000, 5_000, 10_000, 20_000, 50_000, 100_000)
"""Where the bands of prices begin; the last one has no end."""
LARGEST_QUANTITY = 10

SHOW_A_PAGE = (  # the other events say what was done on one
    "view_item_list",
    "view_item",
    "search",
    "view_promotion",
    "view_cart",
    "begin_checkout",
    "add_shipping_info",
    "add_payment_info",
    "purchase",
)
PATH = r"^(?:[A-Za-z][A-Za-z0-9+.-]*:)?(?://[^/?#]*)?([^?#]*)"
"""Of an address, as in RFC 3986, appendix B."""
LONGEST_PAGE = 255

STEPS = {  # furthest_step of sessions; every other event leaves it at 0
    "view_item": 1,
    "add_to_cart": 2,
    "begin_checkout": 3,
    "add_payment_info": 4,
    "payment_failed": 4,
    "purchase": 5,
}


def _is(name: str) -> pl.Expr:
    return pl.col("event_name") == name


def _count(name: str) -> pl.Expr:
    return _is(name).cast(pl.Int64)


def _if(name: str, amount: pl.Expr) -> pl.Expr:
    return pl.when(_is(name)).then(amount).otherwise(0)


def _shows_a_page() -> pl.Expr:
    return pl.col("event_name").is_in(SHOW_A_PAGE)


def _page() -> pl.Expr:
    """The path of the page; that of a server alone is /."""
    path = pl.col("page_url").str.extract(PATH).str.slice(0, LONGEST_PAGE)
    return pl.when(path == "").then(pl.lit("/")).otherwise(path.fill_null(NO_PAGE))


def _shopped_by() -> tuple[str | pl.Expr, ...]:
    """The columns SHOPPED_BY of events."""
    return "country", "device", pl.col("utm_source").fill_null(DIRECT).alias("source"), "currency"


def _value() -> pl.Expr:
    return pl.col("reporting_value").fill_null(0)


def _lines(events: pl.DataFrame, *keep: str | pl.Expr) -> pl.DataFrame:
    """One row a line of an event's items, with the columns of `keep` and of the line."""
    with_items = events.filter(pl.col("items").list.len() > 0)
    return (
        with_items.select(*keep, pl.col("items")).explode("items").select(pl.exclude("items"), _line()).unnest("items")
    )


def _line() -> pl.Expr:
    return pl.col("items").struct.with_fields(pl.field("reporting_value").alias("line_cents")).alias("items")


@table(
    key=("minute", "category", *SHOPPED_BY),
    sum=(
        "events",
        "page_views",
        "views",
        "carts",
        "checkouts",
        "payment_failures",
        "orders",
        "order_value_cents",
        "units",
        "revenue_cents",
        "refunds",
        "refund_cents",
    ),
    by_hour=True,
)
def sales_by_minute(events: pl.DataFrame) -> pl.DataFrame:
    counted_once = events.select(  # in the leading category, so that nothing is counted twice
        minute_of("occurred_at"),
        pl.col("items")
        .list.eval(
            pl.element()
            .struct.field("item_category")
            .sort_by(pl.element().struct.field("reporting_value"), descending=True, maintain_order=True)
        )
        .list.first()
        .fill_null(NO_CATEGORY)
        .alias("category"),
        *_shopped_by(),
        pl.lit(1, dtype=pl.Int64).alias("events"),
        _shows_a_page().cast(pl.Int64).alias("page_views"),
        _count("view_item").alias("views"),
        _count("add_to_cart").alias("carts"),
        _count("begin_checkout").alias("checkouts"),
        _count("payment_failed").alias("payment_failures"),
        _count("purchase").alias("orders"),
        _if("purchase", _value()).alias("order_value_cents"),
        _count("refund").alias("refunds"),
    )
    sold = events.filter(_is("purchase") | _is("refund"))
    line_by_line = _lines(sold, minute_of("occurred_at"), *_shopped_by(), "event_name").select(
        "minute",
        pl.col("item_category").alias("category"),
        *SHOPPED_BY,
        _if("purchase", pl.col("quantity")).alias("units"),
        _if("purchase", pl.col("line_cents")).alias("revenue_cents"),
        _if("refund", pl.col("line_cents")).alias("refund_cents"),
    )
    return pl.concat([counted_once, line_by_line], how="diagonal").with_columns(pl.col(pl.Int64).fill_null(0))


@table(
    key=("minute", "item_id"),
    sum=("views", "carts", "units", "revenue_cents", "refund_units", "refund_cents"),
    # One name an item and minute: should it change within the minute, the last in the alphabet stays.
    maximum=("item_name", "brand", "category"),
    by_hour=True,
)
def items_by_minute(events: pl.DataFrame) -> pl.DataFrame:
    shown = events.filter(pl.col("event_name").is_in(["view_item", "add_to_cart", "purchase", "refund"]))
    return _lines(shown, minute_of("occurred_at"), "event_name").select(
        "minute",
        "item_id",
        _count("view_item").alias("views"),
        _if("add_to_cart", pl.col("quantity")).alias("carts"),
        _if("purchase", pl.col("quantity")).alias("units"),
        _if("purchase", pl.col("line_cents")).alias("revenue_cents"),
        _if("refund", pl.col("quantity")).alias("refund_units"),
        _if("refund", pl.col("line_cents")).alias("refund_cents"),
        "item_name",
        pl.col("item_brand").fill_null("").alias("brand"),
        pl.col("item_category").alias("category"),
    )


@table(
    key=("minute", "category", *SHOPPED_BY, "price_cents", "quantity"),
    sum=("order_lines", "revenue_cents"),
    by_hour=True,
)
def order_lines_by_minute(events: pl.DataFrame) -> pl.DataFrame:
    lines = _lines(events.filter(_is("purchase")), minute_of("occurred_at"), *_shopped_by())
    price = pl.col("line_cents") // pl.col("quantity")
    band = pl.max_horizontal(pl.when(price >= start).then(start).otherwise(0) for start in PRICE_BANDS_CENTS)
    return lines.select(
        "minute",
        pl.col("item_category").alias("category"),
        *SHOPPED_BY,
        band.cast(pl.Int64).alias("price_cents"),
        pl.min_horizontal("quantity", pl.lit(LARGEST_QUANTITY, dtype=pl.Int64)).alias("quantity"),
        pl.lit(1, dtype=pl.Int64).alias("order_lines"),
        pl.col("line_cents").alias("revenue_cents"),
    )


@table(key=("minute", *SHOPPED_BY, "payment_type", "failure_reason"), sum=("attempts", "failures"), by_hour=True)
def payments_by_minute(events: pl.DataFrame) -> pl.DataFrame:
    return events.filter(_is("purchase") | _is("payment_failed")).select(
        minute_of("occurred_at"),
        *_shopped_by(),
        pl.col("payment_type").fill_null(NO_PAYMENT_TYPE),
        pl.when(_is("payment_failed")).then(pl.col("failure_reason")).fill_null(NO_REASON).alias("failure_reason"),
        pl.lit(1, dtype=pl.Int64).alias("attempts"),
        _count("payment_failed").alias("failures"),
    )


@table(key=("minute", "term"), sum=("searches", "without_result"), by_hour=True)
def searches_by_minute(events: pl.DataFrame) -> pl.DataFrame:
    # Cut last: there are letters that are two when they are small.
    term = pl.col("search_term").str.to_lowercase().str.strip_chars().str.slice(0, LONGEST_TERM)
    return events.filter(_is("search")).select(
        minute_of("occurred_at"),
        term.fill_null(NO_TERM).alias("term"),
        pl.lit(1, dtype=pl.Int64).alias("searches"),
        (pl.col("search_results") == 0).fill_null(False).cast(pl.Int64).alias("without_result"),
    )


@table(key=("minute", "page"), sum=("page_views",), by_hour=True)
def pages_by_minute(events: pl.DataFrame) -> pl.DataFrame:
    return events.filter(_shows_a_page()).select(
        minute_of("occurred_at"), _page().alias("page"), pl.lit(1, dtype=pl.Int64).alias("page_views")
    )


@table(key=("minute", "promotion", *SHOPPED_BY), sum=("shown", "chosen"), by_hour=True)
def promotions_by_minute(events: pl.DataFrame) -> pl.DataFrame:
    return events.filter(_is("view_promotion") | _is("select_promotion")).select(
        minute_of("occurred_at"),
        pl.col("promotion_name").fill_null(NO_PROMOTION).alias("promotion"),
        *_shopped_by(),
        _count("view_promotion").alias("shown"),
        _count("select_promotion").alias("chosen"),
    )


@table(
    key=("session_id",),
    sum=("events", "views", "cart_cents", "payment_failures", "orders", "order_value_cents", "refund_value_cents"),
    minimum=("first_seen", "first_order_at", "promoted_at"),
    maximum=("last_seen", "furthest_step"),
    first={
        **dict.fromkeys((*SHOPPED_BY, "experiment", "variant", "landing_page", "was_known"), "first_seen"),
        "promotion": "promoted_at",
    },
    expires_by="first_seen",
    hours=(
        Hours(
            "visits_by_hour",
            "visits_by_session",
            (*SHOPPED_BY, "experiment", "variant", "was_known"),
            ("sessions", "bounced", "viewed", "carted", "checked_out", "paid", "bought", "order_value_cents"),
        ),
        Hours(
            "entry_pages_by_hour",
            "entry_pages_by_session",
            (*SHOPPED_BY, "landing_page"),
            ("sessions", "bounced", "bought"),
        ),
        Hours("visit_lengths_by_hour", "visit_lengths_by_session", (*SHOPPED_BY, "seconds_spent"), ("sessions",)),
        Hours(
            "times_to_order_by_hour",
            "times_to_order_by_session",
            (*SHOPPED_BY, "minutes_to_order"),
            ("bought", "seconds_to_order"),
        ),
        Hours(
            "promoted_orders_by_hour",
            "promoted_orders_by_session",
            (*SHOPPED_BY, "promotion"),
            ("orders", "order_value_cents"),
        ),
    ),
)
def sessions(events: pl.DataFrame) -> pl.DataFrame:
    seen = pl.col("occurred_at").dt.replace_time_zone(None).dt.truncate("1ms")
    return events.select(
        "session_id",
        pl.lit(1, dtype=pl.Int64).alias("events"),
        _count("view_item").alias("views"),
        (_if("add_to_cart", _value()) - _if("remove_from_cart", _value()) - _if("purchase", _value())).alias(
            "cart_cents"
        ),
        _count("payment_failed").alias("payment_failures"),
        _count("purchase").alias("orders"),
        _if("purchase", _value()).alias("order_value_cents"),
        _if("refund", _value()).alias("refund_value_cents"),
        seen.alias("first_seen"),
        seen.alias("last_seen"),
        pl.when(_is("purchase")).then(seen).alias("first_order_at"),
        pl.when(_is("select_promotion")).then(seen).alias("promoted_at"),
        pl.when(_is("select_promotion")).then(pl.col("promotion_name")).fill_null(NO_PROMOTION).alias("promotion"),
        pl.col("event_name").replace_strict(STEPS, default=0, return_dtype=pl.Int64).alias("furthest_step"),
        *_shopped_by(),
        pl.col("experiment_id").fill_null(NO_EXPERIMENT).alias("experiment"),
        pl.col("variant_id").fill_null(NO_EXPERIMENT).alias("variant"),
        _page().alias("landing_page"),
        pl.col("user_id").is_not_null().cast(pl.Int64).alias("was_known"),
    )
