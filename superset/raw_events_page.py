"""The page /raw-events/<domain>/ in Superset: the raw events behind a bar of a chart, read from Cassandra.

It takes what `make events` takes, as parameters of the address: one of what raw events are found by, and any of the
contract's dimensions. events.jsonl below it has all that are found as JSON lines. /raw-events/ is the first domain's.
Who may see every dataset may see it (Superset's right all_datasource_access, which the roles Admin and Alpha have); the
anonymous are sent to the log-in.
"""

from __future__ import annotations

import heapq
import logging
from collections import Counter
from collections.abc import Iterable
from dataclasses import dataclass
from decimal import Decimal
from itertools import chain, islice
from typing import Any

from babel.numbers import get_currency_precision
from flask import Blueprint, Response, g, render_template, request
from flask_login import current_user
from werkzeug.exceptions import Forbidden, NotFound

import contracts
import settings as settings_module
from audit import raw_events
from audit.raw_events import BadQuestion, Event, UnknownKey
from contracts import Contract
from stores.retry import Unavailable

SHOWN_AT_MOST = 500
STATUS = {BadQuestion: 400, UnknownKey: 404, Unavailable: 503}
MINOR_UNITS_OF = "minor units of "
"""So begins the unit of an amount; what follows is the field that has its currency."""

log = logging.getLogger(__name__)
settings = settings_module.load()
page = Blueprint("raw_events", __name__, url_prefix="/raw-events", template_folder="templates")


class Columns:
    """What the table shows of a domain's events, beside its dimensions.

    - links: what to ask for -> the field that has its id
    - arrays: the fields of which it shows how many objects they have
    - amounts: field -> the field that has its currency
    """

    def __init__(self, contract: Contract) -> None:
        self.dimensions = contract.dimensions
        self.links = {lookup.name: lookup.field.name for lookup in contract.lookups}
        self.arrays = tuple(field.name for field in contract.fields if field.type == "array")
        self.amounts = {
            field.name: field.unit.removeprefix(MINOR_UNITS_OF)
            for field in contract.fields
            if (field.unit or "").startswith(MINOR_UNITS_OF)
        }


@dataclass(frozen=True)
class Row:
    """An event in the table: column -> text, what to ask for -> id (Columns.links), and the JSON as received."""

    cells: dict[str, str]
    links: dict[str, str]
    payload: str


@page.before_request
def only_readers() -> Response | None:
    # Superset's modules can only be imported inside its application.
    from superset import security_manager
    from superset.views.utils import redirect_to_login

    if security_manager.can_access_all_datasources():
        return None
    if not current_user.is_authenticated:
        return redirect_to_login()
    raise Forbidden("Raw events are for those who may see every dataset, as the roles Admin and Alpha may.")


@page.url_value_preprocessor
def find_domain(_endpoint: str | None, values: dict[str, str] | None) -> None:
    name = (values or {}).pop("domain", settings.domains[0])
    if name not in settings.domains:
        raise NotFound
    g.settings, g.contract = settings.one(name), contracts.load(name)


@page.url_defaults
def of_this_domain(_endpoint: str, values: dict[str, str]) -> None:
    values.setdefault("domain", g.settings.domain)


@page.get("/")
@page.get("/<domain>/")
def show() -> Response:
    given = parameters()
    if not given:
        return answer()
    question = raw_events.question(given, g.contract)
    count, others, newest = newest_of(raw_events.find(g.settings, question))
    shown = Columns(g.contract)
    rows = [row(event, shown) for event in newest]
    columns = [name for name in rows[0].cells if any(row.cells[name] for row in rows)] if rows else []
    numbers = (*shown.arrays, *shown.amounts)
    return answer(
        question=question, count=count, others=others, rows=rows, columns=columns, links=shown.links, numbers=numbers
    )


@page.get("/<domain>/events.jsonl")
def download() -> Response:
    events = raw_events.find(g.settings, raw_events.question(parameters(), g.contract))
    first = list(islice(events, 1))  # read now: once the answer has begun, it can't say that Cassandra is away
    lines = (f"{event.payload}\n" for event in chain(first, events) if not event.passed_over)
    name = {"Content-Disposition": "attachment; filename=events.jsonl"}
    return Response(lines, mimetype="application/jsonl", headers=name)


@page.errorhandler(BadQuestion)
@page.errorhandler(UnknownKey)
@page.errorhandler(Unavailable)
def failed(error: Exception) -> Response:
    message = str(error)
    if isinstance(error, Unavailable):
        log.warning("raw events: %s", error)
        message = f"The events can't be read now, try again in a while. {message}"
    return answer(STATUS[type(error)], message=message)


def parameters() -> dict[str, str]:
    """The address's parameters that are not empty. Raises BadQuestion for one that is given twice."""
    for name, texts in request.args.lists():
        if len(texts) > 1:
            raise BadQuestion(f"Name {name} once, not {len(texts)} times.")
    return {name: text for name, text in request.args.items() if text.strip()}


def answer(status: int = 200, **found: Any) -> Response:
    html = render_template(
        "raw_events.html",
        domain=g.settings.domain,
        keys=raw_events.keys(g.contract),
        dimensions=g.contract.dimensions,
        given=request.args,
        ttl_days=g.settings.cassandra_ttl_days,
        **found,
    )
    # JSON can hold half a character, "\ud800", which no encoding has.
    return Response(html.encode("utf-8", "replace"), status, mimetype="text/html")


def newest_of(events: Iterable[Event]) -> tuple[int, int, list[Event]]:
    """How many count, how many others there are, and those to show, the newest first; only these are kept meanwhile."""
    counts: Counter[bool] = Counter()
    newest: list[Event] = []
    for event in events:
        counts[not event.passed_over] += 1
        if len(newest) < SHOWN_AT_MOST:
            heapq.heappush(newest, event)
        else:
            heapq.heappushpop(newest, event)
    return counts[True], counts[False], sorted(newest, reverse=True)


def row(event: Event, columns: Columns) -> Row:
    fields = raw_events.decoded(event.payload)
    cells = {
        "occurred_at": event.occurred_at.replace(tzinfo=None).isoformat(" ", "milliseconds"),
        **{dimension.name: ", ".join(raw_events.values(fields, dimension)) for dimension in columns.dimensions},
        **{name: str(len(fields.get(name) or ()) or "") for name in columns.arrays},
        **{name: amount(fields.get(name), fields.get(currency)) for name, currency in columns.amounts.items()},
        "does_not_count": event.passed_over,
    }
    links = {key: fields[name] for key, name in columns.links.items() if fields.get(name)}
    return Row(cells, links, event.payload)


def amount(minor_units: int | None, currency: str) -> str:
    """1999 and EUR as `19.99 EUR`; the yen has no smaller unit. Empty where there is no amount."""
    if minor_units is None:
        return ""
    return f"{Decimal(minor_units).scaleb(-get_currency_precision(currency)):,} {currency}"
