"""The stack in containers. Needs a bare Python and Docker's command line."""
