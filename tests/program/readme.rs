//! The README's requests, as somebody pastes them.

use crate::support::Site;
use std::io::Write;
use std::process::Command;

const README: &str = include_str!("../../README.md");

#[test]
fn the_requests_of_the_readme_work_as_pasted() {
    let mut blocks = README.split("```sh\n").filter_map(|block| Some(block.split_once("```")?.0));
    let block = blocks.find(|block| block.contains("curl ")).unwrap();
    let bare = |word: &&str| word.contains(['?', '*', '[']) && !word.starts_with(['"', '\'', '#']);
    for line in block.lines().map(|line| line.split(" #").next().unwrap_or_default()) {
        // A quoted text may hold spaces: only what stands before the first quote is read here.
        let plain = line.split(['"', '\'']).next().unwrap_or_default();
        assert_eq!(plain.split(' ').find(bare), None, "some shells take it for a pattern of file names: {line}");
    }
    if !Command::new("curl").arg("--version").output().is_ok_and(|output| output.status.success()) {
        std::io::stderr().write_all(b"SKIPPED: the README's requests: no curl here\n").unwrap();
        return;
    }
    let home = tempfile::tempdir().unwrap();
    let site = Site::start(&home.path().join("runs"));
    let told = r"curl() { command curl -w '%{stderr}\nHTTP %{http_code} %{method} %{url_effective}\n' ".to_string();
    let script = format!("{told}\"$@\"; }}\n{}", block.replace("localhost:8080", &site.address.to_string()));
    let output = Command::new("sh").args(["-c", &script]).current_dir(home.path()).output().unwrap();
    let told = String::from_utf8_lossy(&output.stderr).into_owned();
    let answers = told.lines().filter(|line| line.starts_with("HTTP ")).collect::<Vec<_>>();
    assert_eq!(answers.len(), block.matches("curl ").count(), "{told}");
    for answer in answers {
        assert!(answer.starts_with("HTTP 2"), "{answer}\n{told}{}", String::from_utf8_lossy(&output.stdout));
    }
    assert!(home.path().join("run.tar.gz").is_file());
}
