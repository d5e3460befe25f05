# Everything here can be typed by hand; the targets are the spelling that continuous integration and CONTRIBUTING.md
# agree on. A line's text after ## is what `make help` prints.

.DEFAULT_GOAL := help
# The order of the steps matters (cheapest first), so `make -j` must not run them side by side.
.NOTPARALLEL:
.PHONY: help build run demo test torture fuzz check install fmt licences clippy doc bench instructions measured pg deny clean

# Arguments for the program: make run ARGS='--help'
ARGS ?=

help: ## Print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-12s  %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

build: ## Build the release binary, target/release/headwater
	cargo build --release

run: ## Run the server (ARGS='…' for its options)
	cargo run -- serve $(ARGS)

demo: ## Run the server on made-up data (ARGS='…' for its options)
	cargo run -- demo $(ARGS)

# Cheapest first. The licences come before any build, as --locked there also finds a Cargo.lock that Cargo.toml has
# outgrown, which the build would mend in silence.
test: install fmt licences clippy doc ## Run everything that must pass, on SQLite and PostgreSQL
	ci/with-postgres.sh cargo test
	FUZZ_SEED=1 ci/fuzz.sh 5

# Rounds of the same torture that `make test` has a short form of. A failing epoch prints its seed.
SECONDS = 600
SEED ?=
torture: ## Kill the server on a failing disk for SECONDS=600 and account for every click (SEED=… repeats)
	HEADWATER_TORTURE_SECONDS=$(SECONDS) HEADWATER_TORTURE_SEED=$(SEED) ci/with-postgres.sh \
		cargo test --test it torture::every_answered_click -- --nocapture --test-threads=1

# What breaks a target is left in fuzz/artifacts. `make test` has five seconds of each, the same ones each time.
FUZZ_SECONDS = 300
fuzz: ## Fuzz every parser for FUZZ_SECONDS=300 each
	ci/fuzz.sh $(FUZZ_SECONDS)

check: fmt clippy doc ## Only formatting, lints and documentation

install:
	@ci/install.sh

fmt:
	cargo fmt --check
	cargo fmt --check --manifest-path fuzz/Cargo.toml

licences:
	@ci/licences.sh

clippy:
	cargo clippy --all-targets -- -D warnings

doc:
	RUSTDOCFLAGS='-D warnings' cargo doc --no-deps --document-private-items

bench: measured ## Measure the release binary beside nginx and actix-web (ARGS='--help' lists the options)
	cargo bench --bench http -- --program target/measured/headwater $(ARGS)

instructions: measured ## Count the instructions of one request against benches/instructions.toml (ARGS=--accept takes them)
	cargo bench --bench http -- instructions --program target/measured/headwater $(ARGS)

# The binary that users get, apart: cargo bench puts one of its own, with test crates' features, in the same place.
measured:
	@ci/install.sh bench
	cargo build --release
	@install -D target/release/headwater target/measured/headwater

pg: ## Open a shell with the tests' throw-away PostgreSQL
	@echo 'psql "$$HEADWATER_TEST_PG_URL" looks inside; cargo test runs the tests; exit throws the server away.'
	@ci/with-postgres.sh "$${SHELL:-bash}"

deny: ## Check licences, advisories and sources with cargo-deny
	@cargo deny --version >/dev/null 2>&1 || { echo 'cargo-deny is missing: cargo install --locked cargo-deny' >&2; exit 1; }
	cargo deny check

clean: ## Remove what was built
	cargo clean
