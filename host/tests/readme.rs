//! What the README shows is what the tree holds.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where it stopped")]

use std::path::Path;
use std::process::Command;

#[path = "hostile/components.rs"]
mod components;

fn file(path: &str) -> String {
    std::fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("..").join(path)).unwrap()
}

#[test]
fn the_rule_in_the_readme_is_the_example() {
    let rule = file("examples/rules/run-queue-budget/src/lib.rs");
    assert!(file("README.md").contains(&format!("```rust\n{}\n```", rule.trim_end())));
}

/// `cargo xtask test` runs them all.
#[test]
fn the_commands_for_a_new_rule_are_those_that_it_prints() {
    let directory = tempfile::tempdir().unwrap();
    let mut new = Command::new(env!("CARGO_BIN_EXE_kerno"));
    let made = new.args(["rules", "new", "my-rule"]).current_dir(directory.path()).output().unwrap();
    let printed = String::from_utf8(made.stdout).unwrap();
    let (_, next) = printed.split_once("\nNext\n").unwrap();
    let commands: Vec<&str> = next.lines().map(str::trim).collect();
    assert!(file("README.md").contains(&format!("```sh\nkerno rules new my-rule\n{}\n```", commands.join("\n"))), "{printed}");
    let readme = std::fs::read_to_string(directory.path().join("my-rule/README.md")).unwrap();
    assert!(readme.contains(&format!("```sh\n{}\n```", commands[1..].join("\n"))), "{readme}");
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
        readme.lines().skip_while(|line| *line != "## Use it").take_while(|line| *line != "## Configure it").collect();
    let flags: Vec<&str> =
        table.split(['`', ' ', ',']).filter(|word| word.starts_with('-') && word.len() > 1 && !word.contains("---")).collect();
    assert!(flags.contains(&"--rules") && flags.contains(&"-o"), "{flags:?}");
    for flag in flags {
        assert!(help.contains(flag), "{flag} is neither in `kerno doctor --help` nor in `kerno predict --help`");
    }
}

/// kerno, with no configuration but the one that it is given.
fn config(arguments: &[&str]) -> (Option<i32>, String) {
    let mut command = Command::new(env!("CARGO_BIN_EXE_kerno"));
    command.current_dir(Path::new(env!("CARGO_MANIFEST_DIR")).join("..")).args(arguments);
    let output = command.env_remove("KERNO_CONFIG").output().unwrap();
    (output.status.code(), String::from_utf8(output.stderr).unwrap())
}

/// What stands between the first fences of this kind in a section.
fn fenced(section: &str, fence: &str) -> String {
    let readme = file("README.md");
    let (_, section) = readme.split_once(&format!("\n## {section}\n")).unwrap();
    let (_, block) = section.split_once(&format!("```{fence}\n")).unwrap();
    block.split_once("```").unwrap().0.to_owned()
}

#[test]
fn the_configurations_in_the_readme_and_the_one_to_start_from_are_valid_without_a_warning() {
    let readmes = ["Configure it", "Write a rule"].map(|section| {
        let written = tempfile::NamedTempFile::new().unwrap();
        std::fs::write(written.path(), fenced(section, "yaml")).unwrap();
        written
    });
    for path in readmes.iter().map(tempfile::NamedTempFile::path).chain([Path::new("deploy/config.yaml")]) {
        assert_eq!(config(&["config", "validate", path.to_str().unwrap()]), (Some(0), String::new()));
    }
}

#[test]
fn the_commands_of_the_section_on_configuration_run() {
    let commands = fenced("Configure it", "sh");
    assert_eq!(commands.lines().count(), 2);
    for line in commands.lines() {
        let words: Vec<&str> = line.split(' ').skip(1).collect();
        assert_eq!(config(&words), (Some(0), String::new()), "{line}");
    }
}

/// The commands of the section on bundles, one after the other, as somebody who has a rule would type them.
#[test]
fn the_commands_of_the_section_on_bundles_run() {
    let readme = file("README.md");
    let (_, section) = readme.split_once("\n## Ship rules as a bundle\n").unwrap();
    let block = |fence: &str, number: usize| {
        let block = section.split(&format!("```{fence}\n")).nth(number).unwrap();
        block.split_once("```").unwrap().0.to_owned()
    };
    let directory = tempfile::tempdir().unwrap();
    let path = |name: &str| directory.path().join(name);
    let etc = path("etc").to_str().unwrap().to_owned();
    std::fs::create_dir(path("my-rules")).unwrap();
    std::fs::write(path("my-rules/mine.wasm"), components::rule("healthy")).unwrap();
    std::fs::create_dir(path("etc")).unwrap();
    let run = |line: &str| {
        let words = line.replace("/etc/kerno", &etc);
        let mut command = Command::new(env!("CARGO_BIN_EXE_kerno"));
        command.current_dir(directory.path()).args(words.split(' ').skip(1)).env("XDG_CONFIG_HOME", path("config"));
        let output = command.env_remove("KERNO_CONFIG").output().unwrap();
        assert!(output.status.success(), "{line}: {}", String::from_utf8_lossy(&output.stderr));
        String::from_utf8(output.stdout).unwrap()
    };
    let commands = block("sh", 1);
    assert_eq!(commands.lines().count(), 7);
    commands.lines().for_each(|line| drop(run(line)));
    std::fs::rename(path("site.pub"), path("etc/site.pub")).unwrap();
    std::fs::write(path("etc/config.yaml"), block("yaml", 1).replace("/etc/kerno", &etc)).unwrap();
    run("kerno config validate /etc/kerno/config.yaml");
    assert!(run("kerno rules list --config /etc/kerno/config.yaml").contains("\nhealthy  "));
    kerno::bundle::Draft::parse(block("yaml", 2).as_bytes()).unwrap();
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
