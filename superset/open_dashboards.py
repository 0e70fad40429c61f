"""Who may look at the domains' dashboards without a user: everybody (SUPERSET_PUBLIC), or the pages that embed them
(SUPERSET_EMBED_ORIGINS), each by a role that may look and no more.
"""

from collections.abc import Iterable
from typing import Any

import assets

import settings

EVERYBODY = "Public"
"""Superset's role of those who are not logged in."""
EMBEDDING = "Guest"
"""Of those who come with a guest token; superset_config.py names it to Superset."""

LOOK = (
    ("can_dashboard", "Superset"),
    ("can_read", "Dashboard"),
    ("can_read", "Chart"),  # the data of a dashboard's charts, too
    ("can_explore_json", "Superset"),  # the data of the world map
    ("can_time_range", "Api"),
    ("can_read", "CurrentUserRestApi"),
)
"""Superset's names of the rights that a dashboard needs which one looks at and filters."""


def open_dashboards(every: Iterable[assets.Files], stack: settings.Settings) -> None:
    """Gives or takes the rights, as the settings say, to the dashboards of all domains' files; call it in Superset's
    application."""
    from superset import db
    from superset import security_manager as security
    from superset.daos.dashboard import EmbeddedDashboardDAO
    from superset.models.dashboard import Dashboard

    origins = stack.superset_embed_origins.split()
    look: list[Any] = [security.add_permission_view_menu(*right) for right in LOOK]
    security.add_role(EVERYBODY).permissions = look if stack.superset_public else []
    security.add_role(EMBEDDING).permissions = look if origins else []
    ours = [slug for files in every for slug in files.dashboards]
    for dashboard in db.session.query(Dashboard).filter(Dashboard.slug.in_(ours)):
        # By its roles a dashboard opens its own datasets to them and nothing else. It then opens to these roles alone:
        # what everybody may see, users may too.
        dashboard.roles = security.get_all_roles() if stack.superset_public else []
        if origins:
            EmbeddedDashboardDAO.upsert(dashboard, origins)
        else:
            dashboard.embedded = []
    db.session.commit()
