#!/usr/bin/env bash
# Holds a running server against its own OpenAPI document with schemathesis: every operation, with data that fits the
# document and data that doesn't, and sequences of requests that follow from each other.
# Usage: scripts/api-fuzz.sh [path of the program] [further arguments of schemathesis]
set -euo pipefail
cd "$(dirname "$0")/.."
program=$(realpath "${1:-target/debug/centerscope}")
shift || true
work=$(mktemp -d)
trap 'kill $server 2>/dev/null || true; wait $server 2>/dev/null || true; rm -rf "$work"' EXIT

python3 -m venv "$work/venv"
"$work/venv/bin/pip" install --quiet schemathesis==4.32.5

# Port 0: a free one. What the fuzzer starts waits in the queue, one at a time, with generated digits.
"$program" serve --port 0 --jobs 1 --offline --runs-dir "$work/runs" >"$work/address" 2>"$work/log" &
server=$!
until grep -q http "$work/address"; do kill -0 $server; done
url=$(grep -o 'http://[0-9.:]*' "$work/address")

# A finished sweep, so that there is something to read.
run='"dataset": "generated", "train_images": 64, "width": 0.03125, "epochs": 2, "batch_size": 32'
started=$(curl -sf "$url/runs" -H 'Content-Type: application/json' -d "{\"variants\": [\"v1.0\", \"v1.1\"], \"seeds\": [1, 2], $run}")
sweep=$(sed 's/.*"sweep":"\([^"]*\)".*/\1/' <<<"$started")
ids=$(grep -o '"id":"[^"]*"' <<<"$started" | cut -d'"' -f4 | paste -sd,)
curl -sfN "$url/events?runs=$ids" >/dev/null

# What can't be guessed: the ids of something that is there.
cat scripts/api-fuzz.toml - >"$work/api-fuzz.toml" <<CONFIG

[[operations]]
include-path-regex = "^/sweeps/"
parameters = { "path.id" = "$sweep" }

[[operations]]
include-path-regex = "^/(diff|groups|compare/alignment)$"
parameters = { "query.runs" = "$ids" }

[[operations]]
include-path-regex = "/(fork|predict)$"
parameters = { "path.id" = "${ids%%,*}" }

[[operations]]
include-path-regex = "^/data/"
parameters = { "path.set" = "generated" }

[[operations]]
include-path-regex = "/embeddings/"
parameters = { "path.id" = "${ids%%,*}", "path.epoch" = 1 }
CONFIG

cd "$work" # it leaves a folder where it runs
"$work/venv/bin/schemathesis" --config-file "$work/api-fuzz.toml" run "$url/openapi.json" "$@"
kill -0 $server # it is still there
