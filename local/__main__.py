"""`python3 -m local <verb>`: what the Makefile calls.

Looking for what is missing, installing it, and containers need a bare Python; for all the rest this program starts
itself anew in the environment that was installed.
"""

from __future__ import annotations

import argparse
import importlib.util
import logging
import os
import sys
import tempfile
from dataclasses import replace
from pathlib import Path

import settings as settings_module
from local import kept_domains, settings_docs
from local.backup import backup, restore
from local.choice import chosen
from local.compose import engine
from local.compose.stack import ComposeStack
from local.native.install import PARTS, STACK_PARTS, install, locked, python_of, relock
from local.native.preflight import preflight
from local.runtime import SERVERS, SERVICES, Runtime, switched_on
from local.steps import StepError
from settings import DOMAINS, ROOT, SettingError, Settings, as_environment

PASSED_ON = ("verify", "events", "incident", "rebuild", "report")


def say(text: str = "") -> None:
    sys.stdout.write(f"{text}\n")
    sys.stdout.flush()


def continue_in_environment(settings: Settings, *arguments: str) -> None:
    """Becomes the same program, run by the installed environment; returns where it is that already."""
    if importlib.util.find_spec("supervisor") is None or arguments:
        program = python_of("pipeline")
        if not program.exists():
            raise StepError("nothing is installed yet: run 'make up'")
        words = [str(program), "-m", "local", *(arguments or sys.argv[1:])]
        # What was decided, and said, is decided for the new program, too.
        os.execve(program, words, {**os.environ, **as_environment(settings)})  # noqa: S606


def stack_of(settings: Settings) -> Runtime:
    """The stack, as its runtime keeps it."""
    if settings.runtime == "compose":
        return ComposeStack(settings)
    continue_in_environment(settings)
    from local.native.stack import Stack

    return Stack(settings)


def up(settings: Settings, services: list[str]) -> None:
    """Starts what `start` starts, after whatever is missing was installed."""
    if settings.runtime == "compose":
        engine.preflight()
        start(settings, services)
        return
    preflight(settings)
    install()
    continue_in_environment(settings, "start", *(["--services", ",".join(services)] if services else []))


def start(settings: Settings, services: list[str]) -> None:
    stack = stack_of(settings)
    names = services or switched_on(settings)
    with locked(settings.path("run", "lock"), "start"):
        kept_domains.keep(settings.path("run"), settings.domains)
        stack.up(names)
    if "superset" in names:
        say()
        for number, slug in enumerate(dashboards(settings)):
            say(f"  {'' if number else 'Dashboards':<11}{settings.superset}/superset/dashboard/{slug}/")
        say(f"  {'User':<11}{settings.superset_admin_user}")
        say(f"  {'Password':<11}in {stack.password_path}")
        say()


def dashboards(settings: Settings) -> list[str]:
    """The dashboards there are: each is a file, and its name the end of its address. To those that every domain has,
    all domains but the first one add their name."""

    def of(folder: str) -> list[str]:
        return [path.stem for path in sorted((ROOT / "superset" / "dashboards" / folder / "dashboards").glob("*.yaml"))]

    own = [slug for domain in settings.domains for slug in of(domain)]
    _, *others = settings.domains
    return own + [name + end for end in ("", *(f"-{domain}" for domain in others)) for name in of("pipeline")]


def rebuild(stack: Runtime, arguments: list[str]) -> int:
    code = stack.rebuild(*arguments)
    if code:
        say(f"The rebuild has failed ({code}); the Spark job stays stopped: run 'make rebuild' again.")
    return code


def report(stack: Runtime, to: Path | None, arguments: list[str]) -> int:
    """Has a report written in place of an earlier one, which stays where none comes of it, as of --help."""
    name = next((word for word in arguments if word in DOMAINS), "report")
    path = (to or ROOT / ".local" / "reports" / f"{name}.html").absolute()
    if path.is_dir():
        raise StepError(f"{path} is a folder: name a file in it")
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        handle, unfinished = tempfile.mkstemp(dir=path.parent, prefix=f"{path.name}.")
    except OSError as error:
        raise StepError(f"{path} can't be written: {error.strerror}") from None
    try:
        with os.fdopen(handle, "wb") as file:
            code = stack.report(file, *arguments)
        if code == 0 and Path(unfinished).stat().st_size:
            Path(unfinished).replace(path)
            say(f"The report is in {path}")
        return code
    finally:
        Path(unfinished).unlink(missing_ok=True)


def status(stack: Runtime) -> int:
    """The table of services, then the pipeline's own figures; 1 when a service is not running."""
    rows = stack.status()
    say(f"{'service':<17}{'state':<12}{'memory':>9}  address")
    for row in rows:
        say(f"{row.name:<17}{row.state.lower():<12}{row.memory_bytes / 2**20:>6.0f} MB  {row.address}")
    say(f"{'total':<29}{sum(row.memory_bytes for row in rows) / 2**20:>6.0f} MB")
    running = {row.name for row in rows if row.state == "RUNNING"}
    if set(SERVERS) <= running:
        say()
        stack.audit("status")
    return 0 if running >= set(switched_on(stack.settings)) else 1


def parse(arguments: list[str]) -> argparse.Namespace:
    def names(text: str) -> list[str]:
        listed = [name for name in text.replace(",", " ").split() if name]
        if unknown := set(listed) - set(SERVICES):
            raise argparse.ArgumentTypeError(f"{', '.join(sorted(unknown))}: there are {', '.join(SERVICES)}")
        return listed

    parser = argparse.ArgumentParser(prog="python3 -m local", description=__doc__)
    verbs = parser.add_subparsers(dest="verb", required=True)
    looking = verbs.add_parser("preflight", help="look for what is missing")
    looking.add_argument("--for-tests", action="store_true")
    looking.add_argument("--for-chaos", action="store_true")
    installer = verbs.add_parser("install", help="install what is missing")
    installer.add_argument("parts", nargs="*", metavar="part", help=", ".join(PARTS))
    installer.add_argument("--all", action="store_true", help="what the tests need too")
    for verb, text in {"up": "preflight, install, start", "start": "start what is installed"}.items():
        verbs.add_parser(verb, help=text).add_argument("--services", "--only", type=names, default=[])
    verbs.add_parser("restart", help="stop and start").add_argument("services", type=names)
    verbs.add_parser("logs", help="follow one log").add_argument("service", choices=SERVICES)
    verbs.add_parser("backup", help="copy all data as of one moment").add_argument("folder", type=Path, nargs="?")
    verbs.add_parser("restore", help="put the data of a backup back").add_argument("folder", type=Path)
    for verb, text in {
        "verify": "prove that the stores agree",
        "events": "raw events from Cassandra",
        "incident": "something fails for some minutes, to practise on",
        "rebuild": "MySQL anew from Cassandra",
    }.items():
        verbs.add_parser(verb, help=text, add_help=False)  # its options are those of the program that it runs
    reporting = verbs.add_parser("report", help="a domain's report, as a page of HTML", add_help=False)
    reporting.add_argument("--to", type=Path)
    for verb, text in {
        "down": "stop everything, keep the data",
        "status": "how the services and the pipeline are",
        "replay": "validate dead letters anew",
        "clean": "stop everything and remove the data",
        "lock": "resolve the requirements anew",
        "settings": "write what is made from settings.py",
    }.items():
        verbs.add_parser(verb, help=text)
    given, given.arguments = parser.parse_known_args(arguments)
    if given.arguments and given.verb not in PASSED_ON:
        parser.error(f"unrecognized arguments: {' '.join(given.arguments)}")
    return given


def main(arguments: list[str]) -> int:
    # What the drivers say while a server starts is of no use here.
    logging.basicConfig(level=logging.CRITICAL, format="%(message)s")
    logging.getLogger("local").setLevel(logging.INFO)
    given = parse(arguments)
    settings = settings_module.load()
    match given.verb:
        case "preflight" if given.for_tests or given.for_chaos:
            preflight(settings, for_tests=given.for_tests, for_chaos=given.for_chaos)
            return 0
        case "install":
            install(PARTS if given.all else given.parts or STACK_PARTS)
            return 0
        case "lock":
            install(["venv-tools"])
            relock()
            return 0
        case "settings":
            settings_docs.write()
            return 0
    notes = [settings.path("run"), *([given.folder] if given.verb == "restore" else [])]
    settings = replace(settings, runtime=chosen(settings), domains=kept_domains.chosen(settings, *notes))
    match given.verb:
        case "preflight":
            if settings.runtime == "compose":
                engine.preflight()
            else:
                preflight(settings)
            return 0
        case "up":
            up(settings, given.services)
            return 0
        case "start":
            start(settings, given.services)
            return 0
    stack = stack_of(settings)
    match given.verb:
        case "restart":
            stack.restart(*given.services)
        case "down":
            stack.down()
        case "clean":
            stack.remove()
        case "logs":
            stack.follow_log(given.service)
        case "status":
            return status(stack)
        case "incident":
            return stack.incident(*given.arguments)
        case "rebuild":
            return rebuild(stack, given.arguments)
        case "backup":
            say(f"The backup is in {backup(stack, given.folder and given.folder.absolute())}")
        case "restore":
            restore(stack, given.folder.absolute())
        case "replay":
            return stack.replay()
        case "report":
            return report(stack, given.to, given.arguments)
        case "verify" | "events":
            return stack.audit(given.verb, *given.arguments)
    return 0


if __name__ == "__main__":
    try:
        sys.exit(main(sys.argv[1:]))
    except (StepError, SettingError) as error:
        sys.exit(f"\n{error}")
    except KeyboardInterrupt:
        sys.exit(130)
