#!/bin/bash
# Exit code 0 when a query in CQL is answered: to the reader or, before the set-up has made it, to the user that every
# new Cassandra begins with. Spoken byte by byte (native protocol, version 4), because cqlsh and nodetool take a second
# of work each time, and would want the password on their command line.
set -euo pipefail
readonly AUTHENTICATE=03 RESULT=08 AUTH_SUCCESS=10
readonly QUERY='SELECT release_version FROM system.local'

# Bytes are written as \xNN, never as \0: a digit that follows, as in a password, would become part of it.
# int N: four bytes, as printf takes them
int() { printf '\\x%02x' $(($1 >> 24 & 255)) $(($1 >> 16 & 255)) $(($1 >> 8 & 255)) $(($1 & 255)); }

# request OPCODE LENGTH BODY: sends a frame, leaves the answer's opcode in $opcode and reads its body away
request() {
  local header
  printf "\x04\x00\x00\x00\x$1$(int "$2")$3" >&3
  header=$(timeout 5 head -c 9 <&3 | od -An -v -tx1 | tr -d ' \n')
  opcode=${header:8:2}
  timeout 5 head -c $((16#${header:10:8})) <&3 >/dev/null
}

# answers USER PASSWORD: whether the server lets the user in and answers its query
answers() {
  exec 3<>/dev/tcp/"$HOSTNAME"/9042
  request 01 22 '\x00\x01\x00\x0bCQL_VERSION\x00\x053.0.0'
  [ "$opcode" = $AUTHENTICATE ] || return 1
  local length=$((${#1} + ${#2} + 2))
  request 0f $((length + 4)) "$(int $length)\x00$1\x00$2"
  [ "$opcode" = $AUTH_SUCCESS ] || return 1
  request 07 $((${#QUERY} + 7)) "$(int ${#QUERY})$QUERY\x00\x01\x00"
  [ "$opcode" = $RESULT ]
}

answers reader "$(</run/secrets/cassandra_reader)" || answers cassandra cassandra
