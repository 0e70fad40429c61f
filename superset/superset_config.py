"""Superset's settings: this file only states how the stack's Superset differs from its defaults.

Superset loads it through SUPERSET_CONFIG_PATH. What the machine decides (ports, users, secrets) comes from `settings`.
"""

import hmac
import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # where settings.py is
sys.path.append(str(Path(__file__).resolve().parent))  # where what this file is made of is

import grain
import macros
import open_dashboards
import pymysql
import raw_events_page
import reach
from sqlalchemy.engine import URL
from superset.config import THEME_DARK, THEME_DEFAULT
from superset.utils.log import AbstractEventLogger

import passwords
import settings

# Superset's MySQL code does `import MySQLdb`, whatever the driver in the URL is, and asks for its version.
pymysql.version_info = (2, 2, 4, "final", 0)
pymysql.install_as_MySQLdb()

_settings = settings.load()

DATA_DIR = str(_settings.path("data", "superset"))
SECRET_KEY = passwords.read(_settings, "superset_secret_key")
SQLALCHEMY_DATABASE_URI = URL.create(
    "mysql+pymysql",
    username="superset",
    password=passwords.read(_settings, "mysql_superset"),
    host=_settings.mysql_host,
    port=_settings.mysql_port,
    database="superset",
    query={"charset": "utf8mb4"},
).render_as_string(hide_password=False)


def _as_reader(database):
    """A domain's database, with its address and its reader."""
    return database.set(
        username="reader",
        password=passwords.read(_settings, "mysql_reader"),
        host=_settings.mysql_host,
        port=_settings.mysql_port,
    )


def DB_CONNECTION_MUTATOR(uri, params, _username, _security_manager, _source):  # noqa: N802 (Superset's name)
    """In the dashboards' files a domain's database has neither address nor user."""
    return (_as_reader(uri) if uri.database in _settings.domains else uri), params


BLUEPRINTS = [raw_events_page.page]

FEATURE_FLAGS = {
    "DRILL_BY": True,
    "DRILL_TO_DETAIL": True,
    "ENABLE_TEMPLATE_PROCESSING": True,  # what is shown, and how finely, goes by the chosen range
    "ALERT_REPORTS": bool(_settings.alert_webhook_url),
    "ALERT_REPORT_WEBHOOK": bool(_settings.alert_webhook_url),
    "DASHBOARD_RBAC": _settings.superset_public,
    "EMBEDDED_SUPERSET": bool(_settings.superset_embed_origins),
}
if _settings.alert_webhook_url:
    from alerts_config import *  # noqa: F403

# Who comes with a guest token, made for a page that embeds a dashboard. Superset's own secret for it is known to all.
GUEST_ROLE_NAME = open_dashboards.EMBEDDING
GUEST_TOKEN_JWT_SECRET = hmac.digest(SECRET_KEY.encode(), b"guest token", "sha256").hex()

CUSTOM_TEMPLATE_PROCESSORS = {
    "mysql": macros.processor(
        {
            domain: grain.macros(reach.reader(_as_reader(URL.create("mysql+pymysql", database=domain))))
            for domain in _settings.domains
        }
    )
}

# Relative ranges end now, to the second; Superset's own default is the last midnight.
DEFAULT_RELATIVE_START_TIME = "now"
DEFAULT_RELATIVE_END_TIME = "now"

# Tabs that refresh within a few seconds of each other share their answers: five open ones cost two and
# a half times what one does. In the memory of the one process; a figure is never older than this beside the refresh
# itself.
CACHE_CONFIG = {"CACHE_TYPE": "NullCache"}
DATA_CACHE_CONFIG = {"CACHE_TYPE": "SimpleCache", "CACHE_DEFAULT_TIMEOUT": 2, "CACHE_THRESHOLD": 1000}
DASHBOARD_AUTO_REFRESH_MODE = "fetch"

# Superset's SQL parser turns DATE_ADD(DATE(x), ...) into DATE_ADD(x, ...), which counts the time of day twice.
# It also turns DIV into a division that rounds. With CAST and FLOOR the grains below a day are right.
TIME_GRAIN_ADDON_EXPRESSIONS = {
    "mysql": {
        "PT1S": "DATE_ADD(CAST({col} AS DATE), INTERVAL TIME_TO_SEC({col}) SECOND)",
        "PT1M": "DATE_ADD(CAST({col} AS DATE), INTERVAL FLOOR(TIME_TO_SEC({col}) / 60) MINUTE)",
        "PT5M": "DATE_ADD(CAST({col} AS DATE), INTERVAL FLOOR(TIME_TO_SEC({col}) / 300) * 5 MINUTE)",
        "PT15M": "DATE_ADD(CAST({col} AS DATE), INTERVAL FLOOR(TIME_TO_SEC({col}) / 900) * 15 MINUTE)",
        "PT1H": "DATE_ADD(CAST({col} AS DATE), INTERVAL HOUR({col}) HOUR)",
    }
}


class _NoEventLog(AbstractEventLogger):
    """Superset's default writes six rows a chart and refresh into its database: half a gigabyte a day and open tab."""

    def log(self, *args, **kwargs):
        pass


EVENT_LOGGER = _NoEventLog()

# Okabe and Ito's palette: its colours stay apart for every kind of colour blindness.
EXTRA_CATEGORICAL_COLOR_SCHEMES = [
    {
        "id": "okabe_ito",
        "label": "Okabe-Ito (safe for colour blindness)",
        "isDefault": True,
        "colors": ["#0072B2", "#E69F00", "#009E73", "#CC79A7", "#56B4E9", "#D55E00", "#999999", "#F0E442"],
    }
]
# How ECharts writes times on an axis: a day where one begins, else the time of day, both by a clock of 24 hours. Of
# Superset's own formats those that go by the range have one of 12.
_TIME_AXIS = {
    "xAxis": {
        "axisLabel": {
            "showMaxLabel": False,  # it would stand where the axis ends, at whatever second
            "formatter": {
                "year": "{d} {MMM} {yyyy}",
                "month": "{d} {MMM}",
                "day": "{d} {MMM}",
                "hour": "{HH}:{mm}",
                "minute": "{HH}:{mm}",
                "second": "{HH}:{mm}",
                "millisecond": "{HH}:{mm}",
            },
        }
    }
}
_ECHARTS = {
    "echartsOptionsOverridesByChartType": dict.fromkeys(
        ("mixed_timeseries", "echarts_timeseries", "echarts_timeseries_line", "echarts_area"), _TIME_AXIS
    )
}
THEME_DEFAULT = {**THEME_DEFAULT, **_ECHARTS}
THEME_DARK = {**THEME_DARK, **_ECHARTS}

APP_NAME = "Tillstream"

SESSION_COOKIE_SAMESITE = "Lax"
SESSION_COOKIE_HTTPONLY = True
# Everything comes from this server: the pages load nothing from elsewhere and report to nobody.
TALISMAN_CONFIG = {
    "content_security_policy": {
        "default-src": ["'self'"],
        "base-uri": ["'self'"],
        "img-src": ["'self'", "blob:", "data:"],
        "worker-src": ["'self'", "blob:"],
        "connect-src": ["'self'"],
        "object-src": "'none'",
        "frame-ancestors": ["'self'", *_settings.superset_embed_origins.split()],
        "style-src": ["'self'", "'unsafe-inline'"],
        "font-src": ["'self'", "data:"],
        "script-src": ["'self'", "'strict-dynamic'"],
    },
    "content_security_policy_nonce_in": ["script-src"],
    "frame_options": None,  # says the same as frame-ancestors, but knows no list of origins
    "force_https": False,  # it listens on the loopback address only
    "session_cookie_secure": False,
}
