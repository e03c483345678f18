#!/bin/sh
# `nominal` in a container: secrets from files, compute threads from the CPU quota, then the nominal beside python.
# It is the image's entrypoint and the first `nominal` on its PATH, so that `docker exec` finds the same settings.
set -eu

# NOMINAL_X_FILE names the file that holds NOMINAL_X, so that no secret stands in the container's settings.
for name in NOMINAL_DATABASE_URL NOMINAL_BLOB_KEY NOMINAL_BLOB_SECRET NOMINAL_CONSOLE_SECRET; do
    file=$(printenv "${name}_FILE" || true)
    unset "${name}_FILE"
    [ -n "$file" ] || continue
    if [ -n "$(printenv "$name" || true)" ]; then
        echo "One of $name and ${name}_FILE may be given; received both. Leave one out." >&2
        exit 1
    fi
    if ! value=$(cat "$file"); then
        echo "${name}_FILE must name a readable file; received $file. User $(id -u) must be able to read it." >&2
        exit 1
    fi
    export "$name=$value"
done

# Libraries count the machine's cores, not what the container may use of them.
if [ -z "${NOMINAL_THREADS:-}" ] && [ -r "${CGROUP:=/sys/fs/cgroup}/cpu.max" ]; then
    read -r quota period < "$CGROUP/cpu.max"
    if [ "$quota" != max ]; then
        export NOMINAL_THREADS=$(((quota + period - 1) / period))
        export OMP_NUM_THREADS="${OMP_NUM_THREADS:-$NOMINAL_THREADS}"
    fi
fi

exec "$(dirname "$(command -v python)")/nominal" "$@"
