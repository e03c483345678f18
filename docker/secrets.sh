#!/bin/sh
# Makes the secrets of compose.yml in docker/secrets/ (or the folder given); those that exist stay as they are.
# Only this user can enter the folder. The files themselves are readable, as the containers' users are others.
set -eu
folder=${1:-$(dirname "$0")/secrets}
mkdir -p "$folder"
chmod 0700 "$folder"

random() { od -An -N"$1" -tx1 /dev/urandom | tr -d ' \n'; }  # twice as many hex digits

keep() {
    if [ -e "$folder/$1" ]; then return; fi
    printf '%s\n' "$2" > "$folder/.$1"
    chmod 0444 "$folder/.$1"
    mv "$folder/.$1" "$folder/$1"
    echo "made $folder/$1"
}

keep nominal_keys "# role name key: docs/operations.md
admin first nominal_$(random 6)_$(random 32)"
keep postgres_password "$(random 24)"
keep database_url "postgresql://nominal:$(cat "$folder/postgres_password")@postgres/nominal"
keep minio_user nominal
keep minio_password "$(random 24)"
keep grafana_password "$(random 12)"
