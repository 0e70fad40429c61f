"""`python -m local.compose.secret_volumes`: makes the stack's secrets and hands each container its share, in a volume.

Compose's own file secrets are the host's files as they are: to be read by the users inside the containers, they would
have to be readable by everybody. So the secrets live beside the data that they open, in a volume that only this
program mounts; each container mounts a volume of its own that holds no more than it needs, of mode 0400 and owned by
the user that it runs as. Runs as root, with the right to give files away (CAP_CHOWN) and no other.
"""

from __future__ import annotations

import os
from dataclasses import dataclass
from pathlib import Path

import passwords
import settings as settings_module
from settings import Settings

SHARES = Path("/shares")

TILLSTREAM = 10001
"""The user of our own images, by id."""
SERVER = 999
"""The user of the images cassandra and mysql, by id."""


@dataclass(frozen=True)
class Share:
    """The secrets that a container reads, and the id of the user that it runs as."""

    user: int
    secrets: tuple[str, ...]


GIVEN = {
    "cassandra": Share(SERVER, ("cassandra_reader",)),
    "mysql": Share(SERVER, ("mysql_root", "mysql_reader")),
    "set-up": Share(TILLSTREAM, tuple(name for name in passwords.NAMES if name.startswith(("cassandra_", "mysql_")))),
    "spark": Share(TILLSTREAM, ("cassandra_spark", "mysql_spark")),
    "superset": Share(
        TILLSTREAM,
        ("superset_admin", "superset_secret_key", "mysql_superset", "mysql_reader", "cassandra_reader"),
    ),
    "alerts": Share(TILLSTREAM, ("superset_secret_key", "mysql_superset", "mysql_reader")),
    "audit": Share(TILLSTREAM, ("cassandra_reader", "cassandra_auditor", "mysql_reader")),
    "report": Share(TILLSTREAM, ("mysql_reader",)),
}
"""Volume -> what is in it. `set-up` is for those who make schemas and users, or rebuild tables."""


def hand_out(settings: Settings, share: Share, folder: Path) -> None:
    """Puts the share's secrets into the folder, each at once and as they are now."""
    for name in share.secrets:
        unfinished = folder / f"{name}.unfinished"
        unfinished.unlink(missing_ok=True)
        with os.fdopen(os.open(unfinished, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o400), "w") as file:
            file.write(passwords.read(settings, name))
        os.chown(unfinished, share.user, share.user)
        unfinished.rename(folder / name)


def main() -> None:
    settings = settings_module.load()
    passwords.generate(settings)
    for name, share in GIVEN.items():
        hand_out(settings, share, SHARES / name)


if __name__ == "__main__":
    main()
