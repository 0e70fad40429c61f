"""The commands of the front door, on a stack in containers."""

from __future__ import annotations

import re
import subprocess

from local.compose.stack import ComposeStack
from settings import ROOT

FIGURE = r"verify: acknowledged=(\d+) archived=(\d+) aggregated=(\d+) .* amount_off=0"


def make(stack: ComposeStack, *words: str) -> str:
    """The output of a command, which must succeed."""
    environment = {**stack.environment, "RUNTIME": "compose"}
    done = subprocess.run(
        ["make", *words],
        cwd=ROOT,
        env=environment,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:] + stack.log_tail("spark", 100)
    return done.stdout


def verified(stack: ComposeStack) -> int:
    """Asserts exactness; returns how many records Kafka has acknowledged."""
    acknowledged, archived, aggregated = (int(n) for n in re.search(FIGURE, make(stack, "verify")).groups())
    assert archived == aggregated > 0
    return acknowledged
