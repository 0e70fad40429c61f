"""`python -m reports market`: a domain's report, a page of HTML on standard output."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from datetime import UTC, datetime
from typing import IO, Any, NoReturn

import settings as settings_module
from reports import domains
from reports.page import html
from reports.source import BadChoice, read
from stores.retry import Unavailable

log = logging.getLogger("reports")


class Options(argparse.ArgumentParser):
    """Standard output is for the report alone."""

    def error(self, message: str) -> NoReturn:
        self.print_usage(sys.stderr)
        self.exit(os.EX_CONFIG, f"{self.prog}: error: {message}\n")

    def print_help(self, file: IO[str] | None = None) -> None:
        super().print_help(file or sys.stderr)


def parse(arguments: list[str] | None = None) -> dict[str, Any]:
    """The domain, and what was chosen of its options; exits with 78 when an argument is bad."""
    names = domains.names()
    parser = Options(prog="make report", usage=f'make report ARGS="{{{",".join(names)}}} [--to FILE] ..."')
    of = parser.add_subparsers(dest="domain", required=True, metavar="DOMAIN")
    for domain in names:
        usage = f'make report ARGS="{domain} [--to FILE] ..."'
        options = of.add_parser(domain, prog="make report", usage=usage, help=f"{domain} --help lists its options")
        for option in domains.load(domain).OPTIONS:
            meaning = f"{option.meaning} (default: {option.default})"
            options.add_argument(f"--{option.name}", default=option.default, help=meaning)
    return vars(parser.parse_args(arguments))


def main() -> int:
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(message)s")
    logging.getLogger("mysql").setLevel(logging.CRITICAL)
    chosen = parse()
    try:
        module = domains.load(chosen["domain"])
        rows = read(settings_module.load().one(chosen["domain"]), module.OPTIONS, module.QUERIES, chosen)
    except (BadChoice, settings_module.SettingError) as error:
        log.error("%s", error)
        return os.EX_CONFIG
    except Unavailable as error:
        log.error("%s", error)
        return 1
    sys.stdout.buffer.write(html(module.report(rows, chosen, datetime.now(UTC))).encode())
    return 0


if __name__ == "__main__":
    sys.exit(main())
