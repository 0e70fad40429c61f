"""The page /raw-events/ in Superset: the raw events behind a bar of a chart, read from Cassandra.

It takes what `make events` takes, as parameters of the address: one of what raw events are found by, and any of the
contract's dimensions. /raw-events/events.jsonl has all that are found as JSON lines. Who may see every dataset may see
it (Superset's right all_datasource_access, which the roles Admin and Alpha have); the anonymous are sent to the log-in.
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
from flask import Blueprint, Response, render_template, request
from flask_login import current_user
from werkzeug.exceptions import Forbidden

import contracts
import settings as settings_module
from audit import raw_events
from audit.raw_events import BadQuestion, Event, UnknownKey
from stores.outage import Outage

SHOWN_AT_MOST = 500
STATUS = {BadQuestion: 400, UnknownKey: 404, Outage: 503}
MINOR_UNITS_OF = "minor units of "
"""So begins the unit of an amount; what follows is the field that has its currency."""

log = logging.getLogger(__name__)
settings = settings_module.load()
contract = contracts.load(settings.domain)
page = Blueprint("raw_events", __name__, url_prefix="/raw-events", template_folder="templates")

LINKS = {lookup.name: lookup.field.name for lookup in contract.lookups}
ARRAYS = tuple(field.name for field in contract.fields if field.type == "array")
AMOUNTS = {
    field.name: field.unit.removeprefix(MINOR_UNITS_OF)
    for field in contract.fields
    if (field.unit or "").startswith(MINOR_UNITS_OF)
}


@dataclass(frozen=True)
class Row:
    """An event in the table: column -> text, what to ask for -> id (LINKS), and the JSON as received."""

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


@page.get("/")
def show() -> Response:
    given = parameters()
    if not given:
        return answer()
    question = raw_events.question(given, contract)
    count, others, newest = newest_of(raw_events.find(settings, question))
    rows = [row(event) for event in newest]
    columns = [name for name in rows[0].cells if any(row.cells[name] for row in rows)] if rows else []
    counts = {"count": count, "others": others}
    return answer(question=question, **counts, rows=rows, columns=columns, links=LINKS, numbers=(*ARRAYS, *AMOUNTS))


@page.get("/events.jsonl")
def download() -> Response:
    events = raw_events.find(settings, raw_events.question(parameters(), contract))
    first = list(islice(events, 1))  # read now: once the answer has begun, it can't say that Cassandra is away
    lines = (f"{event.payload}\n" for event in chain(first, events) if not event.passed_over)
    name = {"Content-Disposition": "attachment; filename=events.jsonl"}
    return Response(lines, mimetype="application/jsonl", headers=name)


@page.errorhandler(BadQuestion)
@page.errorhandler(UnknownKey)
@page.errorhandler(Outage)
def failed(error: Exception) -> Response:
    message = str(error)
    if isinstance(error, Outage):
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
        keys=raw_events.keys(contract),
        dimensions=contract.dimensions,
        given=request.args,
        ttl_days=settings.cassandra_ttl_days,
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


def row(event: Event) -> Row:
    fields = raw_events.decoded(event.payload)
    cells = {
        "occurred_at": event.occurred_at.replace(tzinfo=None).isoformat(" ", "milliseconds"),
        **{dimension.name: ", ".join(raw_events.values(fields, dimension)) for dimension in contract.dimensions},
        **{name: str(len(fields.get(name) or ()) or "") for name in ARRAYS},
        **{name: amount(fields.get(name), fields.get(currency)) for name, currency in AMOUNTS.items()},
        "does_not_count": event.passed_over,
    }
    links = {key: fields[name] for key, name in LINKS.items() if fields.get(name)}
    return Row(cells, links, event.payload)


def amount(minor_units: int | None, currency: str) -> str:
    """1999 and EUR as `19.99 EUR`; the yen has no smaller unit. Empty where there is no amount."""
    if minor_units is None:
        return ""
    return f"{Decimal(minor_units).scaleb(-get_currency_precision(currency)):,} {currency}"
