#!/bin/bash
# Exit code 0 when the broker answers a request for metadata and knows of itself. Written out byte by byte, because
# Kafka's own tools start a JVM each time: seconds of work, and memory inside the container's limit.
set -euo pipefail
exec 3<>/dev/tcp/127.0.0.1/"${BROKER_LISTEN_ADDRESS##*:}"
# length 15; Metadata (3), version 4; correlation id 1; no client id; no topics; create none
printf '\x00\x00\x00\x0f\x00\x03\x00\x04\x00\x00\x00\x01\xff\xff\x00\x00\x00\x00\x00' >&3
# length; correlation id 1; throttled for 0 ms; 1 broker
answer=$(timeout 5 head -c 16 <&3 | od -An -v -tx1 | tr -d ' \n')
[[ ${answer:8} == 000000010000000000000001 ]]
