"""The native runtime: installs what is missing, starts the services under supervisor, stops them, says how they are.

`preflight` and what `install` imports run on a bare Python 3.11; `stack` and what it imports run in the environment that
was installed.
"""
