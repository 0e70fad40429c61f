#!/bin/bash
# The container's command: prepares an empty data folder and starts the broker, in the steps of the native runtime and
# from the same file, which stays as it is.
set -euo pipefail
cd /opt/kafka/bin
properties=/mnt/shared/config/server.properties
if [ ! -e "$BROKER_DATA_DIR/meta.properties" ]; then
  ./kafka-storage.sh format --cluster-id="$(./kafka-storage.sh random-uuid)" --config="$properties"
fi
exec ./kafka-server-start.sh "$properties"
