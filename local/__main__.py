"""`python3 -m local <verb>`: what the Makefile calls.

Looking for what is missing and installing it needs a bare Python 3.11; for all the rest this program starts itself
anew in the environment that was installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import subprocess
import sys

import settings as settings_module
from local.install import PARTS, STACK_PARTS, install, locked, python_of, relock
from local.preflight import preflight
from local.services import SERVERS, SERVICES
from local.steps import StepError
from settings import ROOT, SettingError, Settings


def say(text: str = "") -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def continue_in_environment(*arguments: str) -> None:
    """Becomes the same program, run by the installed environment; returns where it is that already."""
    if importlib.util.find_spec("supervisor") is None or arguments:
        program = python_of("pipeline")
        if not program.exists():
            raise StepError("nothing is installed yet: run 'make up'")
        os.execv(program, [str(program), "-m", "local", *(arguments or sys.argv[1:])])  # noqa: S606


def check_runtime(settings: Settings) -> None:
    if settings.runtime == "compose":
        raise StepError("RUNTIME=compose is not available yet: leave it out, or set RUNTIME=native")


def up(settings: Settings, services: list[str]) -> None:
    check_runtime(settings)
    preflight(settings)
    install()
    continue_in_environment("start", *(["--services", ",".join(services)] if services else []))


def start(settings: Settings, services: list[str]) -> None:
    from local.stack import Stack

    names = services or list(SERVICES)
    with locked(settings.path("run", "lock"), "start"):
        Stack(settings).up(names)
    if "superset" in names:
        say()
        say(f"  Dashboard  http://{settings.superset_host}:{settings.superset_port}/superset/dashboard/sales-live/")
        say(f"  User       {settings.superset_admin_user}")
        say(f"  Password   in {settings.secrets_dir / 'superset_admin'}")
        say()


def down(settings: Settings) -> None:
    from local.stack import Stack

    Stack(settings).down()


def restart(settings: Settings, services: list[str]) -> None:
    from local.stack import Stack

    Stack(settings).restart(*services)


def rebuild(settings: Settings, arguments: list[str]) -> int:
    """Recomputes MySQL from Cassandra while the Spark job is stopped; it stays stopped when that fails."""
    from local.stack import Stack

    stack = Stack(settings)
    stack.stop("spark")
    environment = {**os.environ, **SERVICES["spark"](settings).environment}
    code = subprocess.run(
        [sys.executable, "-m", "spark_jobs", "rebuild", *arguments], env=environment, cwd=ROOT
    ).returncode
    if code:
        say(f"The rebuild has failed ({code}); the Spark job stays stopped: run 'make rebuild' again.")
        return code
    stack.start("spark")
    return 0


def status(settings: Settings) -> int:
    """The table of services, then the pipeline's own figures; 1 when a service is not running."""
    from local.stack import Stack

    rows = Stack(settings).status()
    say(f"{'service':<12}{'state':<12}{'memory':>9}  address")
    for row in rows:
        say(f"{row.name:<12}{row.state.lower():<12}{row.memory_bytes / 2**20:>6.0f} MB  {row.address}")
    say(f"{'total':<24}{sum(row.memory_bytes for row in rows) / 2**20:>6.0f} MB")
    running = {row.name for row in rows if row.state == "RUNNING"}
    if set(SERVERS) <= running:
        say()
        subprocess.run([sys.executable, "-m", "audit", "status"], cwd=ROOT, check=False)
    return 0 if running == set(SERVICES) else 1


def logs(settings: Settings, service: str) -> None:
    path = settings.path("logs", f"{service}.log")
    if not path.exists():
        raise StepError(f"{service} has written no log yet in {path.parent}")
    os.execvp("tail", ["tail", "-n", "50", "-F", str(path)])  # noqa: S606


def clean(settings: Settings) -> None:
    from local.stack import Stack

    Stack(settings).remove()


def parse(arguments: list[str]) -> argparse.Namespace:
    def names(text: str) -> list[str]:
        listed = [name for name in text.replace(",", " ").split() if name]
        if unknown := set(listed) - set(SERVICES):
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: there are {', '.join(SERVICES)}")
        return listed

    parser = argparse.ArgumentParser(prog="python3 -m local", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    verbs.add_parser("preflight", help="look for what is missing").add_argument("--for-tests", action="store_true")
    installer = verbs.add_parser("install", help="install what is missing")
    installer.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    installer.add_argument("--all", action="store_true", help="what the tests need too")
    for verb, text in {"up": "preflight, install, start", "start": "start what is installed"}.items():
        verbs.add_parser(verb, help=text).add_argument("--services", "--only", type=names, default=[])
    verbs.add_parser("restart", help="stop and start").add_argument("services", type=names)
    verbs.add_parser("logs", help="follow one log").add_argument("service", choices=SERVICES)
    verbs.add_parser("rebuild", help="MySQL anew from Cassandra").add_argument("arguments", nargs=argparse.REMAINDER)
    for verb, text in {
        "down": "stop everything, keep the data",
        "status": "how the services and the pipeline are",
        "clean": "stop everything and remove the data",
        "lock": "resolve the requirements anew",
    }.items():
        verbs.add_parser(verb, help=text)
    return parser.parse_args(arguments)


def main(arguments: list[str]) -> int:
    # What the drivers say while a server starts is of no use here.
    logging.basicConfig(level=logging.CRITICAL, format="%(message)s")
    logging.getLogger("local").setLevel(logging.INFO)
    given = parse(arguments)
    settings = settings_module.load()
    match given.verb:
        case "preflight":
            preflight(settings, for_tests=given.for_tests)
            return 0
        case "install":
            install(PARTS if given.all else given.parts or STACK_PARTS)
            return 0
        case "lock":
            install(["venv-tools"])
            relock()
            return 0
        case "up":
            up(settings, given.services)
        case "logs":
            logs(settings, given.service)
    continue_in_environment()
    match given.verb:
        case "start":
            start(settings, given.services)
        case "restart":
            restart(settings, given.services)
        case "down":
            down(settings)
        case "clean":
            clean(settings)
        case "status":
            return status(settings)
        case "rebuild":
            return rebuild(settings, given.arguments)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (StepError, SettingError) as error:
        sys.exit(f"\n{error}")
    except KeyboardInterrupt:
        sys.exit(130)
