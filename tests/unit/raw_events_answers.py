"""Run by Superset's Python: how the page of raw events answers, without Superset and Cassandra.

Reads `[events, outage, addresses]` as JSON, where an event is [time, payload, why it does not count], and writes a list
of [status, headers, body], one an address.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Iterator
from datetime import datetime
from pathlib import Path

ROOT = Path(__file__).resolve().parents[2]
sys.path += [str(ROOT), str(ROOT / "superset")]

import raw_events_page  # noqa: E402
from flask import Flask  # noqa: E402

from audit import raw_events  # noqa: E402
from stores.retry import Unavailable  # noqa: E402

events, outage, addresses = json.load(sys.stdin)


def of_minute(_settings: object, _minute: datetime) -> Iterator[raw_events.Event]:
    if outage:
        raise Unavailable(outage)
    for time, payload, passed_over in events:
        yield raw_events.Event(datetime.fromisoformat(time), payload, passed_over)


raw_events.of_minute = of_minute
raw_events_page.page.before_request_funcs.clear()  # who may read is Superset's to say
app = Flask("test")
app.register_blueprint(raw_events_page.page)
answers = [app.test_client().get(address) for address in addresses]
json.dump([[answer.status_code, dict(answer.headers), answer.text] for answer in answers], sys.stdout)
