"""The native runtime: installs what is missing, runs the services under supervisor, says how they are.

`preflight`, `install`, `services` and what they import run on a bare Python, from 3.10 on; the rest needs the
environment that they install.
"""

import sys

from local.interpreter import refusal

if why := refusal(sys.version_info[:2]):  # here, for what follows is a syntax error to an older one
    sys.exit(why)
