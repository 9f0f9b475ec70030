//! `kerno rules new`: the project of a rule, with all that it is built with. Its source is that of an example, which is tested as it is.

use std::fs::{self, Permissions};
use std::io::{self, ErrorKind};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use serde::Serialize;

use super::change::shown;
use super::tell;
use crate::artifacts;
use crate::cli::arguments::RulesForm;
use crate::cli::{Failure, exit, whole};

/// The example's id and its rule's type, for which the new ones stand.
const ID: &str = "run-queue-budget";
const TYPE: &str = "RunQueueBudget";
const LONGEST: usize = 64;

macro_rules! example {
    ($file:literal) => {
        include_str!(concat!("../../../../examples/rules/run-queue-budget/", $file))
    };
}

/// Files that are the rule's own.
const FILES: [(&str, &str); 9] = [
    ("Cargo.toml", include_str!("project/Cargo.toml.txt")),
    (".cargo/config.toml", include_str!("project/config.toml.txt")),
    (".gitignore", "/target\n"),
    ("Cargo.lock", include_str!("../../../../Cargo.lock")),
    ("README.md", include_str!("project/README.md")),
    ("src/lib.rs", example!("src/lib.rs")),
    ("tests/fixtures.rs", example!("tests/fixtures.rs")),
    ("fixtures/fires-over-budget.json", example!("fixtures/fires-over-budget.json")),
    ("fixtures/quiet-within-budget.json", example!("fixtures/quiet-within-budget.json")),
];

/// What was made, and the commands that come next.
#[derive(Serialize)]
struct Made<'a> {
    id: &'a str,
    path: String,
    next: Vec<String>,
}

pub(super) fn run(id: &str, into: &Path, form: RulesForm) -> Result<u8, Failure> {
    check(id)?;
    let path = if into == Path::new(".") { PathBuf::from(id) } else { into.join(id) };
    if fs::symlink_metadata(&path).is_ok() {
        return Err(Failure::usage(
            format!("{} is there already", shown(&path)),
            "take another id, or another directory with --into",
        ));
    }
    write(id, into, &path).map_err(|error| refused(&path, &error))?;
    let module = format!("target/wasm32-unknown-unknown/release/{}.wasm", crate_name(id));
    let next = vec![
        format!("cd {}", quoted(&shown(&path))),
        "cargo test".to_owned(),
        "cargo build --release --target wasm32-unknown-unknown".to_owned(),
        format!("kerno rules test {module} --snapshot fixtures/fires-over-budget.json"),
        format!("kerno rules install {module}"),
        "kerno doctor".to_owned(),
    ];
    let made = Made { id, path: shown(&path), next };
    tell(form, &made, |made| format!("{}: made: {}\n\nNext\n  {}\n", made.id, made.path, made.next.join("\n  ")))?;
    Ok(exit::DONE)
}

/// An id is a file's name, and a part of the names of a crate and of a type.
fn check(id: &str) -> Result<(), Failure> {
    let is_plain = id.bytes().all(|byte| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-');
    let wrong = if !is_plain || !id.starts_with(|c: char| c.is_ascii_lowercase()) || id.ends_with('-') || id.contains("--") {
        "an id has small letters, digits and single dashes between them, and begins with a letter"
    } else if id.len() > LONGEST {
        "an id has 64 characters at most"
    } else if artifacts::BUILT_IN_RULES.iter().any(|(built_in, _)| *built_in == id) {
        "that is the id of a rule that kerno has"
    } else {
        return Ok(());
    };
    Err(Failure::usage(format!("`{}` is no id for a new rule: {wrong}", id.escape_debug()), "take another one, such as my-rule"))
}

/// `kerno_rule_my_rule`.
fn crate_name(id: &str) -> String {
    format!("kerno_rule_{}", id.replace('-', "_"))
}

/// `MyRule`; never a name that the SDK or the language has.
fn type_name(id: &str) -> String {
    let capital = |word: &str| word[..1].to_uppercase() + &word[1..];
    let name: String = id.split('-').map(capital).collect();
    if name.ends_with("Rule") && name != "Rule" { name } else { name + "Rule" }
}

/// Writes it beside its place and then puts it there: it is whole, or it is not there.
fn write(id: &str, into: &Path, path: &Path) -> io::Result<()> {
    let mut builder = tempfile::Builder::new();
    // As any directory, but for what the umask takes away.
    builder.prefix(".kerno-").suffix(".tmp").permissions(Permissions::from_mode(0o777));
    let staged = builder.tempdir_in(into)?;
    let own = FILES.iter().map(|(name, text)| (PathBuf::from(name), of(id, text)));
    let sdk = artifacts::sdk().iter().map(|(name, text)| (Path::new("sdk").join(name), (*text).to_owned()));
    for (name, text) in own.chain(sdk) {
        let file = staged.path().join(name);
        fs::create_dir_all(file.parent().unwrap_or(staged.path()))?;
        fs::write(file, text)?;
    }
    fs::rename(staged.path(), path)?;
    // It is no longer where it would be removed from.
    drop(staged.keep());
    Ok(())
}

/// The example's text, made that of another rule.
fn of(id: &str, text: &str) -> String {
    let own = text.replace(&crate_name(ID), &crate_name(id)).replace(ID, id).replace(TYPE, &type_name(id));
    // Last, because the new names may have the example's in them.
    own.replace("use run_queue_budget::", &format!("use {}::", crate_name(id)))
}

fn quoted(path: &str) -> String {
    let is_plain = path.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"/._-".contains(&byte));
    if is_plain { path.to_owned() } else { format!("'{}'", path.replace('\'', r"'\''")) }
}

fn refused(path: &Path, error: &io::Error) -> Failure {
    let help = match error.kind() {
        ErrorKind::StorageFull | ErrorKind::QuotaExceeded => "make room there, or name another directory with --into",
        _ => "name a directory that is there and that this user may write to with --into",
    };
    Failure::usage(format!("{} cannot be made: {}", shown(path), whole::reason(error)), help)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_made_of_the_id() {
        assert_eq!((crate_name("my-rule").as_str(), type_name("my-rule").as_str()), ("kerno_rule_my_rule", "MyRule"));
        let names = ["a2b-9", "rule", "signal", "self"].map(type_name);
        assert_eq!(names, ["A2b9Rule", "RuleRule", "SignalRule", "SelfRule"]);
        let example = "use run_queue_budget::RunQueueBudget; // run-queue-budget, kerno_rule_run_queue_budget.wasm";
        assert_eq!(of("my-rule", example), "use kerno_rule_my_rule::MyRule; // my-rule, kerno_rule_my_rule.wasm");
        let own =
            "use kerno_rule_run_queue_budget_2::RunQueueBudget2Rule; // run-queue-budget-2, kerno_rule_run_queue_budget_2.wasm";
        assert_eq!(of("run-queue-budget-2", example), own);
        assert_eq!(quoted("/a b's"), r"'/a b'\''s'");
    }

    #[test]
    fn ids_that_would_not_build_or_load_are_refused() {
        for id in ["", "My-Rule", "my_rule", "-rule", "rule-", "a--b", "9lives", "../x", "oom-kill", &"a".repeat(65)] {
            assert!(check(id).is_err(), "{id}");
        }
        assert!(check("my-rule").is_ok() && check(&"a".repeat(64)).is_ok());
    }
}
