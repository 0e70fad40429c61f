#!/bin/bash
# Exit code 0 when the broker answers a request for metadata and knows of itself. Written out byte by byte, because
# Kafka's own tools start a JVM each time: seconds of work, and memory inside the container's limit.
set -euo pipefail
exec 3<>/dev/tcp/127.0.0.1/9092
# length 15; Metadata (3), version 4; correlation id 1; no client id; no topics; create none
printf '\0\0\0\x0f\0\x03\0\x04\0\0\0\x01\xff\xff\0\0\0\0\0' >&3
# length; correlation id 1; throttled for 0 ms; 1 broker
answer=$(timeout 5 head -c 16 <&3 | od -An -v -tx1 | tr -d ' \n')
[[ ${answer:8} == 000000010000000000000001 ]]
