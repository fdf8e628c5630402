//! Tells the program which commit it is built from, so that every run can say so. Where there is no checkout or no git, it
//! says nothing.

use std::process::Command;

/// What decides the numbers that a run computes.
const SOURCES: &[&str] = &["build.rs", "src", "../trainer/src", "../Cargo.lock"];

fn git(arguments: &[&str]) -> Option<String> {
    let output = Command::new("git").args(arguments).output().ok().filter(|output| output.status.success())?;
    String::from_utf8(output.stdout).ok().map(|text| text.trim().to_string())
}

fn main() {
    // What the answer depends on: the commit, and whether the sources are what the commit holds.
    for file in ["HEAD", "logs/HEAD"] {
        if let Some(path) = git(&["rev-parse", "--git-path", file]) {
            println!("cargo::rerun-if-changed={path}");
        }
    }
    for source in SOURCES {
        println!("cargo::rerun-if-changed={source}");
    }
    // A tarball unpacked inside another project's checkout is not of that project's commit.
    let Some(commit) = git(&["ls-files", "--error-unmatch", "build.rs"]).and_then(|_| git(&["rev-parse", "HEAD"]))
    else {
        return;
    };
    let changed = git(&[&["status", "--porcelain", "--"], SOURCES].concat()).is_none_or(|changes| !changes.is_empty());
    println!("cargo::rustc-env=CENTERSCOPE_COMMIT={commit}{}", if changed { "+changes" } else { "" });
}
