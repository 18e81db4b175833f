#!/bin/sh
# restart.py against a service of Docker Compose that asks for keys, with one that is made in its container:
#   with_key.sh URL STATE_FILE
set -eu
KSHOT_API_KEY=$(${COMPOSE:-docker compose} exec -T kshot kshot keys create --tenant check --scope admin)
export KSHOT_API_KEY
exec python3 "$(dirname "$0")/restart.py" "$1" "$2"
