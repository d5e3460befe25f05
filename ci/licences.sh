#!/usr/bin/env bash
# Fails when a crate in Cargo.lock, whatever platform or purpose it is for, has no permissive licence to take it under.
#
# Does what `cargo deny check licenses` does, for machines without cargo-deny. deny.toml holds the one list of allowed
# licences for both. Anything not understood counts as not allowed.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

# One quoted name a line, between `allow = [` and `]`.
allowed=$(sed -n '/^allow = \[$/,/^\]$/s/^ *"\([^"]*\)",\{0,1\}.*/\1/p' deny.toml)
[[ -n $allowed ]] || {
    echo 'licences: found no list of allowed licences in deny.toml' >&2
    exit 1
}

metadata=$(mktemp)
trap 'rm -f "$metadata"' EXIT
# The product and its fuzzing, which has a lock file of its own.
for manifest in Cargo.toml fuzz/Cargo.toml; do
    cargo metadata --format-version 1 --locked --manifest-path "$manifest"
done | jq --slurp '{packages: map(.packages[]) | unique_by(.id)}' >"$metadata"

refused=$(jq --raw-output --arg allowed "$allowed" '
    ($allowed | split("\n")) as $list

    # An SPDX expression without brackets: AND binds tighter than OR.
    | def flat: any(split(" OR ")[]; all(split(" AND ")[]; . as $name | any($list[], "<allowed>"; . == $name)));

    # Brackets are answered from the inside out.
      def permitted:
        if test("\\([^()]*\\)")
        then sub("\\((?<inner>[^()]*)\\)"; if .inner | flat then "<allowed>" else "<refused>" end) | permitted
        else flat end;

    # Crates from before SPDX write a slash for OR. An exception (WITH …) only ever adds to what a licence permits.
      def normal: gsub(" */ *"; " OR ") | gsub(" WITH [A-Za-z0-9.-]+"; "");

      .packages[]
    | select((.license // "") | normal | permitted | not)
    | "licences: \(.name) \(.version) is under \(.license // "a licence that it does not name")"
' "$metadata")

if [[ -n $refused ]]; then
    printf '%s\nlicences: none of those is in the list in deny.toml; take another crate\n' "$refused" >&2
    exit 1
fi
jq --raw-output '"licences: \(.packages | length) crates, all permissive"' "$metadata"
