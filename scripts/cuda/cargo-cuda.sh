#!/bin/sh
# Runs cargo with what a CUDA build needs, on a machine that has neither a GPU nor a CUDA toolkit. For example:
#   scripts/cuda/cargo-cuda.sh build --release --features cuda        (real PTX, links, starts without libcuda)
#   TYPECHECK=1 scripts/cuda/cargo-cuda.sh clippy --features cuda     (a stand-in nvcc: types only, no kernels, quick)
# The tools it fetches are kept in ${CUDA_TOOLS:-$HOME/.cache/cuda-tools}. On a machine with a real CUDA toolkit none of this is needed.
set -e
HERE=$(cd "$(dirname "$0")" && pwd); T=${CUDA_TOOLS:-$HOME/.cache/cuda-tools}; mkdir -p "$T/link"
export CUDA_COMPUTE_CAP=${CUDA_COMPUTE_CAP:-90} CUDARC_CUDA_VERSION=13000
if [ -n "$TYPECHECK" ]; then
  mkdir -p "$T/fake/bin"; cp "$HERE/nvcc-typecheck-only" "$T/fake/bin/nvcc"; chmod +x "$T/fake/bin/nvcc"
  export PATH="$T/fake/bin:$PATH"; exec cargo "$@"
fi
[ -x "$T/cuda13/site/nvidia/cu13/bin/nvcc" ] || "$HERE/get_nvcc.sh" "$T/cuda13" >/dev/null
export CUDA_HOME="$T/cuda13/site/nvidia/cu13" NVCC="$HERE/nvcc-ptx-only"; export PATH="$CUDA_HOME/bin:$PATH"
[ -e "$T/link/libcudart.a" ] || printf '!<arch>\n' > "$T/link/libcudart.a"
cargo fetch -q 2>/dev/null || true
[ -e "$T/tramp/libcuda.a" ] || python3 "$HERE/gen_tramp.py" "$T/tramp" >/dev/null
export LIBRARY_PATH="$T/link:$T/tramp"
exec cargo "$@"
