"""`python -m local.vulnerabilities`: looks up what requirements/*.txt lock among the known vulnerabilities.

pip-audit asks PyPI about every package. A mirror of PyPI does not know of vulnerabilities: pip-audit then leaves the
package out and finds nothing, which must not be taken for good news.
"""

from __future__ import annotations

import argparse
import json
import subprocess
import sys
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path

from settings import ROOT

TIMEOUT_S = 10


@dataclass(frozen=True)
class Answer:
    """What was found out about one lock file.

    - vulnerable: lines for people, one a vulnerability
    - unknown: packages of which the source knows nothing
    - failure: the last line of pip-audit's errors where it could not ask at all
    """

    vulnerable: tuple[str, ...] = ()
    unknown: tuple[str, ...] = ()
    failure: str = ""


def read(report: str, errors: str) -> Answer:
    """pip-audit's JSON and what it wrote to its standard error."""
    try:
        packages = json.loads(report)["dependencies"]
    except (ValueError, KeyError):
        return Answer(failure=(errors.strip().splitlines() or ["pip-audit said nothing"])[-1])
    return Answer(
        vulnerable=tuple(
            f"{package['name']} {package['version']}: {found['id']}, mended in {found['fix_versions'] or 'none'}"
            for package in packages
            for found in package.get("vulns", ())
        ),
        unknown=tuple(package["name"] for package in packages if "skip_reason" in package),
    )


def ask(lock: Path) -> Answer:
    """Asks about the packages of a lock file."""
    options = ["--requirement", lock, "--require-hashes", "--disable-pip", "--progress-spinner", "off"]
    done = subprocess.run(
        [sys.executable, "-m", "pip_audit", *options, "--timeout", str(TIMEOUT_S), "--format", "json"],
        capture_output=True,
        text=True,
        check=False,
    )
    return read(done.stdout, done.stderr)


def report(answers: Iterable[tuple[str, Answer]]) -> tuple[list[str], bool, bool]:
    """Lines for people; whether anything is vulnerable; whether anything could not be looked up."""
    lines, vulnerable, left_out = [], False, False
    for name, answer in answers:
        lines += [f"{name}: {line}" for line in answer.vulnerable]
        if answer.failure:
            lines.append(f"{name}: NOT AUDITED, the source of vulnerabilities can't be reached: {answer.failure}")
        elif answer.unknown:
            lines.append(
                f"{name}: NOT AUDITED, the source knows nothing of {len(answer.unknown)} packages "
                f"({', '.join(answer.unknown[:3])} ...): it is a mirror without vulnerabilities"
            )
        elif not answer.vulnerable:
            lines.append(f"{name}: no known vulnerability")
        vulnerable |= bool(answer.vulnerable)
        left_out |= bool(answer.failure or answer.unknown)
    return lines, vulnerable, left_out


def main() -> int:
    parser = argparse.ArgumentParser(prog="python -m local.vulnerabilities", description=__doc__)
    parser.add_argument("--if-reachable", action="store_true", help="succeed where the source can't be reached")
    options = parser.parse_args()
    locks = sorted((ROOT / "requirements").glob("*.txt"))
    lines, vulnerable, left_out = report((lock.name, ask(lock)) for lock in locks)
    print("\n".join(lines))  # noqa: T201 - the command's output
    return int(vulnerable or (left_out and not options.if_reachable))


if __name__ == "__main__":
    sys.exit(main())
