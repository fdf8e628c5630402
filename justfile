# What developers do here. `just` lists it.

default:
    @just --list

# Serve the pages (port 8080), as a user would
run *ARGS:
    cargo run --release -- {{ARGS}}

# Format, lints, tests, licences: what must hold before a commit
check:
    cargo fmt --all --check
    cargo clippy --workspace --all-targets -- -D warnings
    cargo test --workspace
    cargo deny check bans licenses sources
    cargo machete

# The tests alone
test *ARGS:
    cargo test --workspace {{ARGS}}

# The same types with the feature `cuda`, on a machine without CUDA
check-cuda:
    TYPECHECK=1 scripts/cuda/cargo-cuda.sh clippy --workspace --features server/cuda -- -D warnings

# How fast the pages are in a browser without a GPU (needs Node, Chromium, ChromeDriver and MNIST)
bench-page *ARGS:
    cargo build --release
    node benches/page.mjs {{ARGS}}

# How fast a training step is on this machine
bench *ARGS:
    cargo run --release -- bench train {{ARGS}}
