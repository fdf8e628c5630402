//! With the feature `cuda`: compiles the kernels to PTX, by the nvcc that candle's own kernels are compiled with.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

const KERNELS: &str = "src/ops/cuda/kernels.cu";
/// The oldest GPUs that CUDA 13 supports; the driver compiles the PTX on for the one that is there.
const ARCHITECTURE: &str = "-arch=compute_75";

fn main() {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-changed={KERNELS}");
    if env::var_os("CARGO_FEATURE_CUDA").is_none() {
        return;
    }
    for name in ["NVCC", "CUDA_HOME", "CUDA_PATH", "PATH"] {
        println!("cargo::rerun-if-env-changed={name}");
    }
    let nvcc = nvcc();
    let out = PathBuf::from(env::var_os("OUT_DIR").expect("cargo sets OUT_DIR")).join("kernels.ptx");
    let mut compile = Command::new(&nvcc);
    compile.args(["--ptx", ARCHITECTURE, "-std=c++17", "-O3", "-o"]).arg(&out).arg(KERNELS);
    match compile.status() {
        Ok(status) if status.success() => {}
        Ok(_) => panic!("{} could not compile {KERNELS}: see above", nvcc.display()),
        Err(error) => panic!(
            "{} does not start ({error}): install the CUDA toolkit, or build on a machine without one by scripts/cuda/cargo-cuda.sh",
            nvcc.display()
        ),
    }
    println!("cargo::rustc-env=CENTERSCOPE_CUDA_MAJOR={}", major(&nvcc));
}

/// Where candle looks for it.
fn nvcc() -> PathBuf {
    let set = |name: &str| env::var_os(name).map(PathBuf::from);
    let homes = ["CUDA_HOME", "CUDA_PATH"].into_iter().filter_map(set).chain([PathBuf::from("/usr/local/cuda")]);
    let on_path = env::split_paths(&env::var_os("PATH").unwrap_or_default())
        .map(|folder| folder.join("nvcc"))
        .collect::<Vec<_>>();
    let candidates = set("NVCC").into_iter().chain(on_path).chain(homes.map(|home| home.join("bin/nvcc")));
    candidates.into_iter().find(|nvcc| nvcc.is_file()).unwrap_or_else(|| "nvcc".into())
}

/// CUDA's major version, which is in the names of its libraries.
fn major(nvcc: &Path) -> String {
    let told =
        Command::new(nvcc).arg("--version").output().map(|out| String::from_utf8_lossy(&out.stdout).into_owned());
    let told = told.unwrap_or_default();
    let release = told.split("release ").nth(1).and_then(|rest| rest.split('.').next());
    release.filter(|major| major.parse::<u32>().is_ok()).unwrap_or("13").to_owned()
}
