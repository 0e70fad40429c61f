"""Looks at the whole pipeline from outside: does everything agree (verify), how is it doing (status), what are the
raw events behind a number (events). Reads only, as the stores' `reader`; verify notes in
Cassandra what it has proven."""
