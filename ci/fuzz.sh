#!/usr/bin/env bash
# Fuzzes every target for some seconds: ci/fuzz.sh [SECONDS [TARGET…]].
#
# FUZZ_SEED=N tries the same inputs each time, from the files of the tests alone: what `make test` asks for, so that a
# change is not failed for a fault that was there before it. Without it every run looks elsewhere, and starts from what
# earlier runs found.
#
# No input may panic, take longer than TIMEOUT, or more memory than MEMORY_MB. What breaks a target is left in
# fuzz/artifacts, and is repeated by giving its path to the target's program. Stable Rust has LLVM's coverage, which is
# all that libFuzzer needs; the sanitizers of nightly find faults of unsafe code, of which the product has none.
set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

seconds=${1:-20}
shift || true
TIMEOUT=5
MEMORY_MB=1024

host=$(rustc -vV | sed -n 's/^host: //p')
# A target given by name keeps these flags away from build scripts and macros, which run here and now.
export RUSTFLAGS='-Cpasses=sancov-module -Cllvm-args=-sanitizer-coverage-level=4
    -Cllvm-args=-sanitizer-coverage-inline-8bit-counters -Cllvm-args=-sanitizer-coverage-pc-table
    -Cllvm-args=-sanitizer-coverage-trace-compares -Clink-dead-code --cfg=fuzzing'
RUSTFLAGS=$(echo $RUSTFLAGS)
cargo build --release --locked --manifest-path fuzz/Cargo.toml --target-dir target/fuzz --target "$host"

targets=("$@")
if [[ ${#targets[@]} -eq 0 ]]; then
    for file in fuzz/targets/*.rs; do targets+=("$(basename "$file" .rs)"); done
fi
mkdir -p fuzz/artifacts
for target in "${targets[@]}"; do
    corpus=target/fuzz/corpus/$target
    if [[ -n ${FUZZ_SEED:-} ]]; then
        corpus=target/fuzz/seeded/$target
        rm -rf "$corpus"
    fi
    mkdir -p "$corpus"
    # The files of the tests are where it begins; what it finds on the way stays in `corpus`.
    seeds=(tests/fixtures)
    log=target/fuzz/$target.log
    echo "fuzz: $target for $seconds s"
    "target/fuzz/$host/release/$target" "$corpus" "${seeds[@]}" -max_total_time="$seconds" -timeout="$TIMEOUT" \
        -rss_limit_mb="$MEMORY_MB" -max_len=65536 -seed="${FUZZ_SEED:-0}" -artifact_prefix="fuzz/artifacts/$target-" -print_final_stats=1 \
        >"$log" 2>&1 || {
        tail -n 40 "$log" >&2
        echo "fuzz: $target broke; the input is in fuzz/artifacts, the whole log in $log" >&2
        exit 1
    }
    sed -n 's/^stat::number_of_executed_units: */fuzz: inputs tried: /p' "$log"
done
