"""How Superset is served: gunicorn --config superset/gunicorn.conf.py "superset.app:create_app()"."""

import sys
from pathlib import Path

sys.path.append(str(Path(__file__).resolve().parent.parent))  # where settings.py is

import settings

_settings = settings.load()

bind = f"{_settings.superset_host}:{_settings.superset_port}"
# One process (a second one costs 300 MB); its threads wait for MySQL side by side.
workers = 1
worker_class = "gthread"
threads = 8
timeout = 120  # seconds; a large range over days must not end in a killed worker
raw_env = [f"SUPERSET_CONFIG_PATH={settings.ROOT / 'superset' / 'superset_config.py'}"]
control_socket_disable = True  # it would lie in the home folder, the same for every stack
