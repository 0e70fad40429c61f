"""Exit code 0 when Superset is up and gives a chart of each domain its data: it lets the admin in and asks MySQL.

Prints what the charts got: when the newest event occurred that the dashboards know of.
"""

import json
import sys
import urllib.request
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # where settings.py is

import passwords
import settings

TIMEOUT_S = 10
DATASET, COLUMN = "freshness", "newest_event"
"""Of the chart "Age of the data": one row, whatever has happened so far."""


def ask(address: str, token: str | None = None, body: dict | None = None) -> dict:
    """The answer to a GET, or to a POST where there is a body; raises urllib.error.URLError."""
    headers = {"Content-Type": "application/json"} | ({"Authorization": f"Bearer {token}"} if token else {})
    data = None if body is None else json.dumps(body).encode()
    request = urllib.request.Request(address, data, headers)  # noqa: S310 - our own server
    with urllib.request.urlopen(request, timeout=TIMEOUT_S) as answer:  # noqa: S310
        text = answer.read()
    return json.loads(text) if text.startswith(b"{") else {}


def server(stack: settings.Settings) -> str:
    return f"http://127.0.0.1:{stack.superset_port}"


def log_in(stack: settings.Settings) -> str:
    """The admin's token."""
    password = passwords.read(stack, "superset_admin")
    user = {"username": stack.superset_admin_user, "password": password, "provider": "db"}
    return ask(f"{server(stack)}/api/v1/security/login", body=user)["access_token"]


def dataset(stack: settings.Settings, token: str, table: str) -> int:
    """The id of the dataset of a table of the domain."""
    wanted = f"(filters:!((col:schema,opr:eq,value:{stack.domain}),(col:table_name,opr:eq,value:{table})))"
    [found] = ask(f"{server(stack)}/api/v1/dataset/?q={wanted}", token)["ids"]
    return found


def chart_row(stack: settings.Settings, token: str, dataset_id: int, query: dict, **options: object) -> dict:
    """The one row that a chart with this query gets."""
    body = {"datasource": {"id": dataset_id, "type": "table"}, "queries": [query], **options}
    [answer] = ask(f"{server(stack)}/api/v1/chart/data", token, body)["result"]
    [row] = answer["data"]
    return row


def main() -> None:
    stack = settings.load()
    ask(f"{server(stack)}/health")
    token = log_in(stack)
    for of_domain in stack.each():
        row = chart_row(stack, token, dataset(of_domain, token, DATASET), {"columns": [COLUMN]})
        sys.stdout.write(f"{of_domain.domain}: {row[COLUMN]}\n")


if __name__ == "__main__":
    main()
