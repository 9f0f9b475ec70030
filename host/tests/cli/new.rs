//! `kerno rules new`: what it makes, and what it refuses. That it builds and is used, `cargo xtask test` shows.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::Path;

use serde_json::Value;

use super::{assert_told, kerno, run};

fn new(arguments: &[&str], directory: &Path) -> (Option<i32>, String, String) {
    let mut command = kerno();
    command.args(["rules", "new"]).args(arguments).current_dir(directory);
    run(command)
}

#[test]
fn a_project_has_all_that_it_is_built_with_under_its_own_name() {
    let place = tempfile::tempdir().unwrap();
    let (code, stdout, stderr) = new(&["p99-budget", "--output", "json"], place.path());
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let made: Value = serde_json::from_str(&stdout).unwrap();
    assert_eq!((made["id"].as_str(), made["path"].as_str()), (Some("p99-budget"), Some("p99-budget")));
    let read = |name: &str| fs::read_to_string(place.path().join("p99-budget").join(name)).unwrap();
    assert!(read("Cargo.toml").contains("name = \"kerno-rule-p99-budget\""));
    assert!(read("src/lib.rs").contains("export!(P99BudgetRule);") && read("src/lib.rs").contains("\"p99-budget\""));
    assert!(read("tests/fixtures.rs").contains("use kerno_rule_p99_budget::P99BudgetRule;"));
    for name in
        ["sdk/Cargo.toml", "sdk/rules-sdk/src/lib.rs", "sdk/host/signals/src/lib.rs", "sdk/ebpf/common/src/lib.rs", "sdk/LICENSE"]
    {
        assert!(!read(name).is_empty(), "{name}");
    }
    assert!(
        read("sdk/Cargo.toml").contains("wit-bindgen = ") && !read("sdk/Cargo.toml").contains("wasmtime"),
        "only what it uses"
    );
    let contract = Path::new(env!("CARGO_MANIFEST_DIR")).join("../wit/v1/world.wit");
    assert_eq!(read("sdk/wit/v1/world.wit"), fs::read_to_string(contract).unwrap());
    for name in ["Cargo.toml", "README.md", "src/lib.rs", "tests/fixtures.rs"] {
        assert!(!read(name).contains("run-queue-budget") && !read(name).contains("run_queue_budget"), "{name}");
    }
    let entries: Vec<_> = fs::read_dir(place.path()).unwrap().map(|entry| entry.unwrap().file_name()).collect();
    assert_eq!(entries, ["p99-budget"], "nothing is left beside it");
}

#[test]
fn what_is_there_stays_and_what_cannot_be_is_refused() {
    let place = tempfile::tempdir().unwrap();
    fs::create_dir(place.path().join("mine")).unwrap();
    let refused = |arguments: &[&str], error: &str, help: &str| {
        let (code, stdout, stderr) = new(arguments, place.path());
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{arguments:?}");
        assert_told(&stderr, error, help);
    };
    refused(&[], "<ID>", "kerno rules new --help");
    refused(&["mine"], "mine is there already", "--into");
    refused(&["My Rule"], "small letters", "my-rule");
    refused(&["oom-kill"], "kerno has", "my-rule");
    refused(&["rule", "--into", "no/such"], "no/such/rule cannot be made", "--into");
    assert_eq!(fs::read_dir(place.path().join("mine")).unwrap().count(), 0);
}

#[test]
fn others_may_read_it_as_the_umask_says() {
    let place = tempfile::tempdir().unwrap();
    assert_eq!(new(&["my-rule"], place.path()).0, Some(0));
    fs::create_dir(place.path().join("usual")).unwrap();
    let mode = |name: &str| fs::metadata(place.path().join(name)).unwrap().permissions().mode();
    assert_eq!(mode("my-rule"), mode("usual"));
}
