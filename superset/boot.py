"""Makes Superset ready to serve: its own tables, roles, the admin user, and the dashboards of the domain.

    venv-superset/bin/python superset/boot.py

Safe to run again: charts and dashboards that users made stay as they are; the ones in `dashboards/` are put back to
what their files say. One process for all of it, because starting Superset's application takes longer than the steps.
"""

import logging
import os
import sys
import time
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # where settings.py is

import flask_migrate
import pymysql

import settings

HERE = settings.ROOT / "superset"
MYSQL_DEADLINE_SECONDS = 120

log = logging.getLogger("superset.boot")


def wait_for_mysql(stack: settings.Settings) -> None:
    """Returns when MySQL lets the user `superset` in; raises pymysql.OperationalError when it doesn't in time."""
    deadline = time.monotonic() + MYSQL_DEADLINE_SECONDS
    while True:
        try:
            pymysql.connect(
                host=stack.mysql_host,
                port=stack.mysql_port,
                user="superset",
                password=stack.secret("mysql_superset"),
                database="superset",
            ).close()
            return
        except pymysql.OperationalError as error:
            if time.monotonic() > deadline:
                raise
            log.info("waiting for MySQL on %s:%s: %s", stack.mysql_host, stack.mysql_port, error)
            time.sleep(1)


def assets(folder: Path) -> dict[str, str]:
    """The files of a domain's dashboards as Superset's import takes them: path inside the folder -> text."""
    return {str(path.relative_to(folder)): path.read_text() for path in sorted(folder.rglob("*.yaml"))}


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
        from superset.commands.importers.v1.assets import ImportAssetsCommand
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
            password=stack.secret("superset_admin"),
        )
        if not admin:  # add_user logs its error and returns False
            raise RuntimeError(f"the user {stack.superset_admin_user} could not be made: see the log above")

        log.info("dashboards of %s", stack.domain)
        with override_user(admin):
            ImportAssetsCommand(assets(HERE / "dashboards" / stack.domain)).run()


if __name__ == "__main__":
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    stack_settings = settings.load()
    wait_for_mysql(stack_settings)
    boot(stack_settings)
    log.info("ready")
