//! What the README shows is what the tree holds.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stopped")]

use std::path::Path;
use std::process::Command;

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

#[test]
fn the_rule_in_the_readme_is_the_example() {
    let rule = file("examples/rules/run-queue-budget/src/lib.rs");
    assert!(file("README.md").contains(&format!("```rust\n{}\n```", rule.trim_end())));
}

#[test]
fn every_flag_in_the_readme_is_one_of_kernos() {
    let help: String = ["doctor", "predict"]
        .into_iter()
        .map(|command| {
            let help = Command::new(env!("CARGO_BIN_EXE_kerno")).args([command, "--help"]).output().unwrap();
            String::from_utf8(help.stdout).unwrap()
        })
        .collect();
    let readme = file("README.md");
    let table: String =
        readme.lines().skip_while(|line| *line != "## Use it").take_while(|line| *line != "## Write a rule").collect();
    let flags: Vec<&str> =
        table.split(['`', ' ', ',']).filter(|word| word.starts_with('-') && word.len() > 1 && !word.contains("---")).collect();
    assert!(flags.contains(&"--rules") && flags.contains(&"-o"), "{flags:?}");
    for flag in flags {
        assert!(help.contains(flag), "{flag} is neither in `kerno doctor --help` nor in `kerno predict --help`");
    }
}

#[test]
fn every_path_in_the_readme_exists() {
    let readme = file("README.md");
    let links: Vec<&str> = readme.split("](").skip(1).filter_map(|rest| rest.split(')').next()).collect();
    assert!(links.len() >= 4, "{links:?}");
    for link in links {
        assert!(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(link).exists(), "{link}");
    }
}
