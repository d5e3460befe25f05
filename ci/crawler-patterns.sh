#!/usr/bin/env bash
# Takes a new version of the crawler-user-agents list (MIT, https://github.com/monperrus/crawler-user-agents) over.
#
#   ci/crawler-patterns.sh VERSION crawler-user-agents.json LICENSE
#
# Both files are in the project's packages, for example after
#   pip download --no-deps crawler-user-agents && unzip crawler_user_agents-*.whl
# What changes is then in `git diff`. `cargo test --lib classify` says whether the new list takes people for programs,
# or no longer knows one of its own examples.
set -euo pipefail
[[ $# -eq 3 ]] || {
    sed -n '2,9s/^# \{0,1\}//p' "$0" >&2
    exit 2
}
version=$1 list=$(realpath "$2") licence=$(realpath "$3")
cd "$(dirname "${BASH_SOURCE[0]}")/.."
data=src/tracking/classify/crawler-user-agents
fixtures=tests/fixtures/crawler-user-agents

cp "$licence" "$data/LICENSE"
{
    printf '# crawler-user-agents %s; the pattern, a tab, its tags. Made by ci/crawler-patterns.sh; do not edit.\n' "$version"
    jq --raw-output '.[] | .pattern + "\t" + (.tags | join(","))' "$list"
} >"$data/patterns.tsv"
{
    printf '# crawler-user-agents %s; the pattern, a tab, an example. Made by ci/crawler-patterns.sh; do not edit.\n' "$version"
    jq --raw-output '.[] | .pattern as $pattern | .instances[] | $pattern + "\t" + .' "$list"
} >"$fixtures/instances.tsv"
printf '%s patterns, %s examples\n' "$(($(wc -l <"$data/patterns.tsv") - 1))" "$(($(wc -l <"$fixtures/instances.tsv") - 1))"
