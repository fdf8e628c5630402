# What developers do here. `just` lists it.

default:
    @just --list

# Serve the pages (port 8080), as a user would
run *ARGS:
    cargo run --release -- {{ARGS}}

# Everything that must hold before a change lands: format, lints, licences, all tests, the types with CUDA
check:
    .ci/run

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

# How fast the table of ten thousand runs stands in such a browser (needs no MNIST)
bench-table *ARGS:
    cargo build --release
    node benches/table.mjs {{ARGS}}

# How fast a training step is on this machine
bench *ARGS:
    cargo run --release -- bench train {{ARGS}}
