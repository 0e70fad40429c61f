"""What `make` calls: brings a stack up, says how it is, takes it down, in one of two runtimes.

`compose` is the stack in containers, `native` the same as plain processes, `throwaway` one for a run of the tests. What
is in this folder itself runs on a bare Python, from 3.10 on.
"""

import sys

from local.interpreter import refusal

if why := refusal(sys.version_info[:2]):  # here, for what follows is a syntax error to an older one
    sys.exit(why)
