#!/usr/bin/env bash
# Prints the folder of the newest PostgreSQL server's programs, or fails when there is none.
#
# Debian keeps initdb and pg_ctl off PATH, one folder per major version. Other systems have them on PATH.
set -euo pipefail

newest=$(compgen -G '/usr/lib/postgresql/*/bin/initdb' | sort --version-sort | tail -n 1 || true)
if [[ -z $newest ]]; then
    newest=$(command -v initdb)
fi
dirname "$(realpath "$newest")"
