#!/bin/bash
# In the image's place of mysqld: the server without the passwords. The image's entrypoint reads them from files, but
# exports them to all that it starts, and a process's environment is to be read in /proc for as long as it runs.
exec env --unset=MYSQL_ROOT_PASSWORD --unset=MYSQL_PASSWORD /usr/sbin/mysqld "$@"
