"""`python3 -m local <verb>`: what the Makefile calls."""

from __future__ import annotations

import argparse
import logging
import sys

import settings as settings_module
from local.steps import StepFailed


def main() -> int:
    logging.basicConfig(level=logging.CRITICAL, format="%(message)s")  # what the drivers say while a server starts
    logging.getLogger("local").setLevel(logging.INFO)
    parser = argparse.ArgumentParser(prog="python3 -m local")
    parser.add_argument("verb", choices=["up", "down", "status", "clean"])
    parser.add_argument("--only", default="")
    given = parser.parse_args()
    from local.services import SERVICES
    from local.stack import Stack

    stack = Stack(settings_module.load())
    try:
        if given.verb == "up":
            stack.up(given.only.split(",") if given.only else SERVICES)
        elif given.verb == "down":
            stack.down()
        elif given.verb == "clean":
            stack.remove()
        else:
            for row in stack.status():
                print(row)  # noqa: T201
    except StepFailed as error:
        print(error, file=sys.stderr)  # noqa: T201
        return 1
    return 0


sys.exit(main())
