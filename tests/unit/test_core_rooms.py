"""What every domain uses speaks of none: no word of the shop is in it."""

from __future__ import annotations

import re
import subprocess

from settings import ROOT

CORE = (
    "audit",
    "cassandra",
    "contracts/*.py",
    "docker-compose.yml",
    "kafka",
    "local",
    "mysql/pipeline.sql",
    "mysql/pipeline.views.sql",
    "mysql/statistics.sql",
    "producer/*.py",
    "producer/domains/__init__.py",
    "reports/*.html",
    "reports/*.py",
    "reports/domains/__init__.py",
    "passwords.py",
    "settings.py",
    "spark_jobs/*.py",
    "spark_jobs/domains/__init__.py",
    "spark_jobs/sinks",
    "stores",
    "superset/*.py",
    "superset/alerts/pipeline.yaml",
    "superset/dashboards/periods.sql",
    "superset/dashboards/pipeline",
    "superset/templates",
)
WORDS = re.compile(
    r"(?<![a-z])(?:shop|shopper|sale|purchase|order|revenue|refund|cart|item|transaction_id|session_id)s?(?![a-z])",
    re.I,
)
MEANS_ANOTHER = (
    # of a mapping; of an array's objects
    r"\.items\b|\bitems(?:[=:,]| in|\.properties)|\bitem(?: in| for|\.name|\)|s\)|,)|\[row\(item",
    r"in order\b|order by|order of|the order|(?:any|its|kafka's|no particular|same|that|their|this|which) order",
    r"maintain_order|order so|order_desc|table's order",
    r"revenue_cents|refund_cents|ALERT_NO_ORDER_MINUTES",  # what amounts and a setting were called before
)
"""Where such a word is none of the shop's."""


def test_no_word_of_the_shop_is_in_what_every_domain_uses() -> None:
    listed = subprocess.run(
        ["git", "ls-files", "--", *(f":(glob){place}" for place in CORE), *(f":(glob){place}/**" for place in CORE)],
        cwd=ROOT,
        check=True,
        capture_output=True,
        text=True,
    )
    paths = listed.stdout.split()
    assert len(paths) > 100
    found = []
    for path in paths:
        for number, line in enumerate((ROOT / path).read_text().splitlines(), start=1):
            rest = line
            for other in MEANS_ANOTHER:
                rest = re.sub(other, "", rest, flags=re.I)
            if WORDS.search(rest):
                found.append(f"{path}:{number}: {line.strip()}")
    assert found == []
