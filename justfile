# `just` lists the recipes.
default:
    @just --list

# All that has to hold before a change goes in
check:
    .ci/run

# Format the sources
fmt:
    cargo fmt

# Lints, as the CI has them
lint:
    cargo fmt --check
    cargo clippy --all-targets --features failpoints -- -D warnings

# All tests, or those whose names hold a word
test *FILTER:
    .ci/test {{FILTER}}

# The laws and the model on so many generated histories each
laws CASES="5000":
    PENTAMER_CASES={{CASES}} cargo test --test it -- laws:: model::

# Write the expected texts of wrong configurations anew, for review in the diff
expected:
    UPDATE_EXPECTED=1 cargo test --lib config::tests
    git diff --stat -- tests/configs

# Licences, sources and banned crates
deny:
    cargo deny check bans licenses sources

# Benchmarks
bench *FILTER:
    cargo bench {{FILTER}}

# Memory and answers beside 10,000 idle connections, drips and junk (CONNECTIONS=2000 for fewer)
idle:
    cargo bench --bench idle

# A daemon with bundled messages, to look at
demo *ARGS:
    cargo run --release -- demo {{ARGS}}

# The reference configuration must be right
config:
    cargo run --quiet -- check --config config/pentamer.toml

# The API documentation
doc:
    cargo doc --no-deps --open
