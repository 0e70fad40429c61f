"""The dashboards' and alerts' files as the tests read them: by the code that Superset gets them from."""

from __future__ import annotations

import sys

from settings import ROOT

sys.path.append(str(ROOT / "superset"))  # no package: it would hide Superset's own

import alerts_worker
import assets
import load_alerts

__all__ = ["alerts_worker", "assets", "load_alerts"]
