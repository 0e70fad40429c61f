"""The stack as plain processes: installs what is missing, runs the services under supervisor, says how they are.

`preflight`, `install`, `services` and what they import run on a bare Python; the rest needs the environment that they
install.
"""
