"""Which columns are told apart for a question."""

from __future__ import annotations

import pytest

from tests.dashboards import named

COLUMNS = "country, device, source, currency"


@pytest.mark.parametrize(
    ("question", "found"),
    [
        (None, "country, device, source, currency, "),  # nobody can say
        ('[[{"columns": ["step"], "metrics": ["sessions"], "filters": []}], []]', ""),
        ('[[{"columns": ["step", "country"]}], []]', "country, "),
        ('[[{"filters": [{"col": "device", "op": "==", "val": "mobile"}]}], []]', "device, "),
        ("""[[{"extras": {"where": "(LOWER(`source`) = 'x' AND currency='EUR')"}}], []]""", "source, currency, "),
        ("""[[{"columns": ["step"]}], ["country = 'DE'"]]""", "country, "),  # a rule for the reader
        ('[[{"datasource": "3__table", "columns": ["country_code", "sources"]}], []]', ""),
    ],
    ids=["unknown", "none", "by", "filter", "own SQL", "rule", "other words"],
)
def test_a_column_is_told_apart_where_the_question_names_it(question: str | None, found: str) -> None:
    assert named.named(COLUMNS, question) == found
