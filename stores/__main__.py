"""`python -m stores`: makes users, and every domain's schema and topics, in the three stores where they are missing.

Refuses to, and so does `make up`, while a domain's contract is no released version.
"""

from __future__ import annotations

import logging
import sys
from concurrent.futures import ThreadPoolExecutor
from functools import partial
from types import ModuleType

import settings as settings_module
from contracts import ContractError
from contracts.release import check
from stores import cassandra, kafka, mysql
from stores.migration import SchemaError
from stores.retry import retry

DEADLINE_S = 120.0


def main() -> None:
    logging.basicConfig(level=logging.INFO, format="%(message)s")
    for driver in ("kafka", "cassandra", "mysql"):  # what they say of an outage, `retry` says better
        logging.getLogger(driver).setLevel(logging.CRITICAL)
    settings = settings_module.load()
    try:
        for domain in settings.domains:
            check(domain)
        with ThreadPoolExecutor() as pool:
            for done in [
                pool.submit(retry, partial(set_up, store, settings), name, DEADLINE_S)
                for name, store in {"MySQL": mysql, "Cassandra": cassandra, "Kafka": kafka}.items()
            ]:
                done.result()
    except (ContractError, SchemaError, settings_module.SettingError) as error:
        sys.exit(str(error))


def set_up(store: ModuleType, settings: settings_module.Settings) -> None:
    """One store, a domain after the other. Raises Unavailable."""
    for of_domain in settings.each():
        store.set_up(of_domain)


if __name__ == "__main__":
    main()
