"""Makes Superset ready to serve: its own tables, roles, the admin user, and the dashboards and alerts of each domain.

    venv-superset/bin/python superset/boot.py

Safe to run again: charts and dashboards that users made stay as they are; the ones in `dashboards/` are put back to
what their files say. One process for all of it, because starting Superset's application takes longer than the steps.
"""

import json
import logging
import os
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # where settings.py is

import assets
import flask_migrate
import pymysql
from load_alerts import load_alerts
from open_dashboards import open_dashboards

import passwords
import settings

HERE = settings.ROOT / "superset"
MYSQL_DEADLINE_S = 120

log = logging.getLogger("superset.boot")


def wait_for_mysql(stack: settings.Settings) -> None:
    """Returns when MySQL lets the user `superset` in; raises pymysql.OperationalError when it doesn't in time."""
    deadline = time.monotonic() + MYSQL_DEADLINE_S
    while True:
        try:
            pymysql.connect(
                host=stack.mysql_host,
                port=stack.mysql_port,
                user="superset",
                password=passwords.read(stack, "mysql_superset"),
                database="superset",
            ).close()
            return
        except pymysql.OperationalError as error:
            if time.monotonic() > deadline:
                raise
            log.info("waiting for MySQL on %s:%s: %s", stack.mysql_host, stack.mysql_port, error)
            time.sleep(1)


def forget_other_owners(every: list[assets.Files]) -> None:
    """Deletes dashboards of ours whose address is another domain's now: another one is named first."""
    from superset import db
    from superset.models.dashboard import Dashboard

    owners = {slug: files.id("dashboards", slug) for files in every for slug in files.dashboards}
    for board in db.session.query(Dashboard).filter(Dashboard.slug.in_(owners)):
        if board.uuid.version == assets.IDS_VERSION and str(board.uuid) != owners[board.slug]:
            db.session.delete(board)
    db.session.commit()


def import_dashboards(files: assets.Files) -> None:
    """Puts a domain's dashboards back to what their files say; charts of users' own that are on them stay there."""
    from superset import db
    from superset.commands.exceptions import ImportFailedError
    from superset.commands.importers.v1.assets import ImportAssetsCommand
    from superset.models.dashboard import Dashboard
    from superset.models.slice import Slice

    there_are = {files.id("charts", name) for name in files.charts}

    def dashboards() -> list[Dashboard]:
        return db.session.query(Dashboard).filter(Dashboard.slug.in_(files.dashboards)).all()

    guests: dict[str, list[int]] = {}
    for board in dashboards():
        ours = {chart for chart in board.slices if chart.uuid.version == assets.IDS_VERSION}
        guests[board.slug] = [chart.id for chart in board.slices if chart not in ours]
        for chart in ours:
            if str(chart.uuid) not in there_are:  # its file has gone
                db.session.delete(chart)
    db.session.commit()
    command = ImportAssetsCommand(assets.contents(files))
    try:
        command.run()
    except ImportFailedError as error:  # which keeps what is wrong to itself
        wrong = error.__cause__
        raise assets.AssetError(
            wrong.normalized_messages() if hasattr(wrong, "normalized_messages") else wrong
        ) from wrong
    for board in dashboards():
        charts = db.session.query(Slice).filter(Slice.id.in_(guests.get(board.slug, []))).all()
        if charts:
            described = {chart.id: {"slice_name": chart.slice_name, "uuid": str(chart.uuid)} for chart in charts}
            board.position_json = json.dumps(assets.with_guests(json.loads(board.position_json), described))
            board.slices.extend(charts)
    db.session.commit()


def boot(stack: settings.Settings) -> None:
    """Runs every step, each of which leaves alone what is done already."""
    os.environ["SUPERSET_CONFIG_PATH"] = str(HERE / "superset_config.py")
    from superset.app import create_app

    app = create_app()
    with app.app_context():
        # Superset's modules can only be imported inside its application.
        import superset
        from superset import appbuilder
        from superset import security_manager as security
        from superset.utils.core import override_user

        log.info("migrating the metadata")
        flask_migrate.upgrade(directory=str(Path(superset.__file__).parent / "migrations"))

        log.info("roles and the user %s", stack.superset_admin_user)
        appbuilder.add_permissions(update_perms=True)
        security.sync_role_definitions()
        admin = security.find_user(stack.superset_admin_user) or security.add_user(
            stack.superset_admin_user,
            first_name="Tillstream",
            last_name="Admin",
            email=f"{stack.superset_admin_user}@localhost",
            role=security.find_role("Admin"),
            password=passwords.read(stack, "superset_admin"),
        )
        if not admin:  # add_user logs its error and returns False
            raise RuntimeError(f"the user {stack.superset_admin_user} could not be made: see the log above")

        every = assets.of_each(stack.domains)
        with override_user(admin):
            forget_other_owners(every)
            for files in every:
                log.info("dashboards of %s", files.domain)
                import_dashboards(files)
            open_dashboards(every, stack)
            load_alerts(stack, admin)


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stack_settings = settings.load()
    wait_for_mysql(stack_settings)
    boot(stack_settings)
    log.info("ready")
