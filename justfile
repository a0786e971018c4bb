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

# Crashes at every call of so many workloads with checkpoints, compression and retention
crash SEEDS="1000":
    PENTAMER_CRASHES={{SEEDS}} cargo test --release --test it -- checkpoint_crash::

# So many rounds of SIGKILL and SIGSTOP under load: counts what is lost and what comes twice
kill ROUNDS="200":
    PENTAMER_ROUNDS={{ROUNDS}} cargo test --features failpoints --test it -- e2e::fire --nocapture --test-threads 2

# So many rounds of SIGKILL during delivery: counts what is lost and what comes twice
kill-delivery ROUNDS="200":
    PENTAMER_ROUNDS={{ROUNDS}} cargo test --features failpoints --test it -- e2e::outage::killed --nocapture

# The conformance cases (but for faults of a disk's segments) with facts in a stream: what holds over the one log holds over the other
both-logs:
    PENTAMER_LOG=stream cargo nextest run --features failpoints -E 'test(/conformance::w/) - test(/w50_|w51_/)'

# So many rounds of killing, stopping and pausing three instances and three nats-servers under traffic
cluster-fire ROUNDS="50" SEED="1":
    PENTAMER_ROUNDS={{ROUNDS}} PENTAMER_SEED={{SEED}} cargo test --features failpoints --test it -- e2e::cluster::fire --nocapture

# So many rounds of cutting one of three nodes off the network; as root, PENTAMER_NATS_SERVER names a nats-server from 2.10.25 on
cluster-parted ROUNDS="20":
    PENTAMER_ROUNDS={{ROUNDS}} cargo test --features failpoints --test it -- e2e::cluster::parted --nocapture

# How long a take-over takes, and acknowledgements at 1 and 3 replicas beside plain publishing to the same servers
cluster-figures:
    cargo build --release
    PENTAMER_PROGRAM="$PWD/target/release/pentamer" cargo test --features failpoints --test it -- \
        e2e::cluster::figures --ignored --nocapture --test-threads=1

# So many alerts behind a sink that is away: latency of the other one, memory, order
backlog ALERTS="10000":
    PENTAMER_ALERTS={{ALERTS}} cargo test --release --test it -- e2e::outage::a_backlog --nocapture

# From a message's ACK to its webhook, at so many messages a second
page-latency RATE="1000" SECONDS="20":
    PENTAMER_RATE={{RATE}} PENTAMER_SECONDS={{SECONDS}} cargo test --release --test it -- \
        e2e::outage::from_the_ack --ignored --nocapture

# So many restarts under load behind a socket that stays open: counts who is refused, what is lost
restarts ROUNDS="20":
    PENTAMER_RESTARTS={{ROUNDS}} cargo test --features failpoints --test it -- e2e::restart --nocapture

# The Debian package, target/debian/pentamer_*.deb
deb PROFILE="release":
    cargo deb --version >/dev/null 2>&1 || cargo install cargo-deb --locked
    cargo build --profile {{PROFILE}}
    rm -rf target/manual
    target/{{ if PROFILE == "dev" { "debug" } else { PROFILE } }}/pentamer manual target/manual
    sed 's|^dir = "pentamer-data"|dir = "/var/lib/pentamer"|' config/pentamer.toml > target/manual/pentamer.toml
    grep -q '^dir = "/var/lib/pentamer"' target/manual/pentamer.toml
    cargo deb --no-build --profile {{PROFILE}}

# The Debian package on a throw-away machine with systemd: install, reload, watchdog, upgrade, bypass, purge
deb-try:
    .ci/deb

# Load with restarts for so many minutes: memory and descriptors must stay flat
soak MINUTES="5":
    PENTAMER_MINUTES={{MINUTES}} cargo test --features failpoints --test it -- e2e::soak --ignored --nocapture

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

# MLLP servers of others, the bound and Pentamer under the same load (SECONDS=10 for longer; PLOT: an SVG of it)
bench-peers PLOT="":
    benches/peers/install target/peers
    {{ if PLOT == "" { "" } else { "PENTAMER_PLOT='" + absolute_path(PLOT) + "'" } }} cargo bench --bench peers

# Memory and answers beside 10,000 idle connections, drips and junk (CONNECTIONS=2000 for fewer)
idle:
    cargo bench --bench idle

# What a feed sees while the disk is full, reading fails, the process is stopped
trouble:
    cargo nextest run --features failpoints --no-capture relay::feed

# A year of a hospital from a seed: no trap pages, nobody is missed, power cuts lose nothing
simulate RESULTS="100000" SEED=`date +%s`:
    PENTAMER_SIMULATION={{RESULTS}} PENTAMER_SEED={{SEED}} cargo test --release --test it \
        simulation::a_year_of_a_hospital -- --ignored --nocapture

# How large the state is for each patient, in memory and on disk
state-size PATIENTS="1000000":
    PENTAMER_PATIENTS={{PATIENTS}} cargo test --release --test it \
        simulation::size -- --ignored --nocapture

# A daemon with bundled messages, to look at
demo *ARGS:
    cargo run --release -- demo {{ARGS}}

# Every operation of the API against its description, by a fuzzer (from PyPI, in a folder of its own)
fuzz-api:
    python3 -m venv target/schemathesis && target/schemathesis/bin/pip install --quiet schemathesis
    rm -rf target/fuzz-api && mkdir -p target/fuzz-api
    cargo build
    cd target/fuzz-api && (../debug/pentamer demo --pace 10ms > out & echo $! > pid; \
        until grep -q 'That was all' out; do sleep 0.2; done; \
        url=$(grep -o 'http://[0-9.:]*' out | head -1); \
        ../schemathesis/bin/schemathesis run "$url/api/v1/openapi.json" --checks not_a_server_error,status_code_conformance \
            --exclude-path /api/v1/stream --max-examples 50; \
        code=$?; kill $(cat pid); exit $code)

# Fuzzes a target of fuzz/fuzz_targets for so many seconds; needs no nightly compiler (SANITIZER=none without ASan)
fuzz TARGET SECONDS="60" SANITIZER="address":
    cargo fuzz --version >/dev/null 2>&1 || cargo install cargo-fuzz --locked
    mkdir -p fuzz/corpus/{{TARGET}}
    RUSTC_BOOTSTRAP=1 cargo fuzz run --sanitizer {{SANITIZER}} {{TARGET}} fuzz/corpus/{{TARGET}} fuzz/seeds/{{TARGET}} -- \
        -max_total_time={{SECONDS}} -max_len=4096 -timeout=10 -rss_limit_mb=3072

# Every target, each for so long: an hour in a nightly run
fuzz-all SECONDS="3600" SANITIZER="address":
    found=""; for target in $(cd fuzz/fuzz_targets && ls *.rs | sed 's/[.]rs$//'); do \
        just fuzz $target {{SECONDS}} {{SANITIZER}} || found="$found $target"; done; \
        if [ -n "$found" ]; then echo "findings:$found" >&2; exit 1; fi

# Instructions that screening so much takes, counted by callgrind whatever else the machine does
instructions BYTES="15MB":
    cargo build --release
    target/release/pentamer generate --seed 3 --bytes {{BYTES}} --out target/instructions.hl7
    valgrind --tool=callgrind --callgrind-out-file=target/instructions.out \
        target/release/pentamer screen --quiet --jobs 1 target/instructions.hl7 2>&1 | grep Collected

# Pictures of every page, wide and narrow, light and dark, into docs/screenshots
pictures:
    mkdir -p docs/screenshots
    PENTAMER_PICTURES="$PWD/docs/screenshots" cargo nextest run --features failpoints --test it pictures_of_

# The reference configuration must be right
config:
    cargo run --quiet -- check --config config/pentamer.toml

# The API documentation
doc:
    cargo doc --no-deps --open
