#!/bin/sh
# What a GPU has to show, in one call of under ten minutes: the reference numbers, the speed against PyTorch, a whole epoch, three runs at
# once. Needs the program built with --features cuda, MNIST's four files, and Python 3 with PyTorch for the comparison; neither cargo nor a network.
#   scripts/gpu-check.sh PROGRAM MNIST_FOLDER [REFERENCE_FILE…]
# Ends with a block of Markdown for docs/benchmarks.md. Exit code 1 where a check failed, 2 where there is nothing to check on.
set -u
HERE=$(cd "$(dirname "$0")" && pwd)
PROGRAM=${1:-$HERE/../target/release/centerscope}
DATA=${2:-${CENTERSCOPE_DATA:-}}
[ $# -lt 2 ] || shift 2
[ $# -gt 0 ] || set -- "$HERE"/../tests/fixtures/formula-*.json

stop() { echo "gpu-check: $*" >&2; exit 2; }
[ -x "$PROGRAM" ] || stop "$PROGRAM is not there: build it with 'cargo build --release --features cuda', or name it as the first argument"
[ -n "$DATA" ] && [ -d "$DATA" ] || stop "name the folder with MNIST's four files as the second argument"
PYTHON=$(command -v python3) || stop "python3 is not there"

# PyTorch's wheels bring the CUDA libraries; a system without them in the usual places finds them there.
WHEELS=$("$PYTHON" - <<'END'
import glob, site, sysconfig
folders = {sysconfig.get_paths()["purelib"], *site.getsitepackages(), site.getusersitepackages()}
print(":".join(sorted(path for folder in folders for path in glob.glob(folder + "/nvidia/*/lib"))))
END
) || WHEELS=
export LD_LIBRARY_PATH="${LD_LIBRARY_PATH:+$LD_LIBRARY_PATH:}$WHEELS"

echo "== what is here"
FOUND=$("$PROGRAM" doctor --data-dir "$DATA") || stop "$PROGRAM doctor failed"
echo "$FOUND"
echo "$FOUND" | grep -q "^device auto *trains on the GPU" ||
  stop "no GPU can be used here: $(echo "$FOUND" | sed -n 's/^GPU *not used: //p')"

OUT=$(mktemp -d); trap 'rm -rf "$OUT"' EXIT
FAILED=0
check() { # name, seconds, command…
  NAME=$1; SECONDS_LEFT=$2; shift 2
  echo; echo "== $NAME"
  if timeout "$SECONDS_LEFT" "$@" >"$OUT/$NAME" 2>&1; then cat "$OUT/$NAME"; else cat "$OUT/$NAME"; echo "FAILED: $NAME"; FAILED=1; fi
}
last() { tail -n 1 "$OUT/$1" 2>/dev/null; }

check verify-f32 45 "$PROGRAM" verify --device cuda --precision f32 --data-dir "$DATA" "$@"
check verify-tf32 45 "$PROGRAM" verify --device cuda --precision tf32 --data-dir "$DATA" "$@"
for PRECISION in f32 tf32 bf16; do
  check "step-$PRECISION" 40 "$PROGRAM" bench train --device cuda --precision $PRECISION --steps 5 --json
done
# Two epochs: the first makes plans and loads kernels, the second is what counts.
for PRECISION in tf32 bf16; do
  check "epoch-$PRECISION" 60 "$PROGRAM" train --variant v1.0 --profile full --epochs 2 --device cuda --precision $PRECISION \
    --dataset mnist --data-dir "$DATA" --out "$OUT/run-$PRECISION"
done
check together 60 "$PROGRAM" bench together --device cuda --precision bf16 --steps 50 --json
check pytorch 180 "$PYTHON" "$HERE/../benches/vs_torch.py" --device cuda --program "$PROGRAM" --rounds 3

echo; echo "== for docs/benchmarks.md"
OUT="$OUT" VERSION="$("$PROGRAM" --version)" FOUND="$FOUND" "$PYTHON" - <<'END'
import csv, json, os
out = os.environ["OUT"]

def text(name):
    try:
        return open(f"{out}/{name}").read().strip()
    except OSError:
        return ""

def figures(name):
    try:
        return json.loads(text(name).splitlines()[-1])
    except (IndexError, ValueError):
        return {}

def verdict(name):
    lines = text(name).splitlines()
    return lines[-1] if lines else "not run"

print(f"{os.environ['VERSION']}\n\n```\n{os.environ['FOUND']}\n```\n")
print("| what | f32 | tf32 | bf16 |\n|---|---|---|---|")
print(f"| verify | {verdict('verify-f32')} | {verdict('verify-tf32')} | – |")
steps = {p: figures(f"step-{p}") for p in ["f32", "tf32", "bf16"]}
cell = lambda f, key, form: format(f[key], form) if key in f else "failed"
print("| a step of V1.0, batch 256, ms |", " | ".join(cell(f, "step_ms", ".3f") for f in steps.values()), "|")
print("| images/s |", " | ".join(cell(f, "images_per_s", ".0f") for f in steps.values()), "|")
peers = figures("pytorch")
ratio = lambda p: format(peers["ratio_to_best"][p], ".2f") if p in peers.get("ratio_to_best", {}) else "not measured"
print("| times PyTorch's best mode of that precision or a finer one |", " | ".join(ratio(p) for p in steps), "|")

def epoch(precision):
    try:
        rows = list(csv.DictReader(open(f"{out}/run-{precision}/metrics.csv")))
        last = rows[-1]
        trained = 60000 / float(last["images_per_s"])
        return f"{float(last['epoch_seconds']):.2f} s, of which training {trained:.2f} s; test accuracy {float(last['test_accuracy']):.4f}"
    except (OSError, IndexError, KeyError, ValueError):
        return "failed"

print(f"| second epoch of V1.0 on 60 000 images, with evaluation | – | {epoch('tf32')} | {epoch('bf16')} |")
both = figures("together")
if both:
    share = both["at_once_s"] / both["one_after_another_s"]
    print(f"| the three variants at once, of the time one after another | – | – | {share:.2f} ({both['at_once_s']:.2f} s of {both['one_after_another_s']:.2f} s) |")
if peers:
    print("\nPyTorch, ms a step: " + ", ".join(f"{m} {t:.3f}" for m, t in peers["step_ms"].items()))
END
[ "$FAILED" = 0 ] || { echo "gpu-check: something failed, see above" >&2; exit 1; }
