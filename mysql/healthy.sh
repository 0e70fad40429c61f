#!/bin/bash
# Exit code 0 when MySQL answers a query of the dashboards' user. Over TCP: the server that prepares a new data folder
# listens on no port. The password comes as a file that exists only for the client.
set -euo pipefail
query=(--host=127.0.0.1 --user=reader --connect-timeout=5 --batch --execute='SELECT 1')
mysql --defaults-extra-file=<(printf '[client]\npassword="%s"\n' "$(</run/secrets/mysql_reader)") "${query[@]}" >/dev/null
