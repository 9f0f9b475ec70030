//! `kerno rules install`, `remove`, `enable` and `disable`: what is in a directory of rules afterwards, and what is refused.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::Value;
use tempfile::TempDir;

use super::components::rule;
use super::{assert_told, kerno, run};

/// A directory of rules, and one with what is to be put there.
struct Place {
    rules: TempDir,
    from: TempDir,
}

impl Place {
    fn new() -> Self {
        Self { rules: tempfile::tempdir().unwrap(), from: tempfile::tempdir().unwrap() }
    }

    fn file(&self, name: &str, bytes: &[u8]) -> PathBuf {
        let path = self.from.path().join(name);
        fs::write(&path, bytes).unwrap();
        path
    }

    fn told(&self, arguments: &[&str]) -> (Option<i32>, String, String) {
        let mut command = kerno();
        command.arg("rules").args(arguments).arg("--dir").arg(self.rules.path());
        run(command)
    }

    /// Runs it well and gives what was changed.
    fn changed(&self, arguments: &[&str]) -> Vec<(String, String)> {
        let (code, stdout, stderr) = self.told(&[arguments, &["--output", "json"]].concat());
        assert_eq!((code, stderr.as_str()), (Some(0), ""));
        let changes: Value = serde_json::from_str(&stdout).unwrap();
        let text = |change: &Value, key: &str| change[key].as_str().unwrap().to_owned();
        changes.as_array().unwrap().iter().map(|change| (text(change, "id"), text(change, "change"))).collect()
    }

    fn refused(&self, arguments: &[&str], what: &str, help: &str) {
        let before = names(self.rules.path());
        let (code, stdout, stderr) = self.told(arguments);
        assert_eq!((code, stdout.as_str()), (Some(2), ""));
        assert_told(&stderr, what, help);
        assert_eq!(names(self.rules.path()), before, "nothing is changed, and nothing left behind");
    }

    /// Of a rule among all: its status, and why.
    fn status(&self, id: &str) -> (bool, Option<String>) {
        let (_, stdout, _) = self.told(&["list", "--output", "json"]);
        let all: Value = serde_json::from_str(&stdout).unwrap();
        let one = all.as_array().unwrap().iter().find(|rule| rule["id"] == id).unwrap_or_else(|| panic!("no {id}: {all}"));
        (one["disabled"].as_bool().unwrap(), one["reason"].as_str().map(str::to_owned))
    }
}

fn names(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

fn pair(id: &str, change: &str) -> (String, String) {
    (id.to_owned(), change.to_owned())
}

#[test]
fn a_rule_is_installed_under_its_id_replaced_and_removed() {
    let place = Place::new();
    let file = place.file("whatever.wasm", &rule("healthy"));
    let file = file.to_str().unwrap();
    assert_eq!(place.changed(&["install", file]), [pair("healthy", "installed")]);
    assert_eq!(place.changed(&["install", file]), [pair("healthy", "unchanged")]);
    assert_eq!(names(place.rules.path()), ["healthy.wasm"]);
    assert_eq!(fs::read(place.rules.path().join("healthy.wasm")).unwrap(), rule("healthy"));
    assert_eq!(place.status("healthy"), (false, None));

    let newer = place.file("newer.wasm", &newer());
    let (code, stdout, _) = place.told(&["install", newer.to_str().unwrap()]);
    assert_eq!(code, Some(0));
    assert!(stdout.starts_with("healthy ") && stdout.contains(": installed: ") && stdout.contains(", in place of "), "{stdout}");
    assert_eq!(place.changed(&["disable", "healthy"]), [pair("healthy", "disabled")]);
    assert_eq!(place.changed(&["remove", "healthy"]), [pair("healthy", "removed")]);
    assert_eq!(names(place.rules.path()), Vec::<String>::new());
    place.refused(&["remove", "healthy"], "there is no rule `healthy`", "kerno rules list");
    place.refused(&["remove", "oom-kill"], "oom-kill is built in", "kerno rules disable oom-kill");
}

#[test]
fn of_a_directory_all_are_installed_or_none() {
    let place = Place::new();
    place.file("a.wasm", &rule("healthy"));
    let broken = place.file("b.wasm", b"no component");
    let from = place.from.path().to_str().unwrap().to_owned();
    place.refused(&["install", &from], "b.wasm does not load: it is not WebAssembly", "nothing was installed");
    fs::write(&broken, rule("healthy")).unwrap();
    place.refused(&["install", &from], "its id `healthy` is that of another of these files", "remove one of the two");
    fs::write(&broken, rule("second")).unwrap();
    assert_eq!(place.changed(&["install", &from]), [pair("healthy", "installed"), pair("another", "installed")]);
    assert_eq!(names(place.rules.path()), ["another.wasm", "healthy.wasm"]);
    let empty = tempfile::tempdir().unwrap();
    place.refused(&["install", empty.path().to_str().unwrap()], "there is no rule (*.wasm) in", "name the directory");
}

#[test]
fn no_rule_is_lost_to_another_one() {
    let place = Place::new();
    let by_hand = place.rules.path().join("by-hand.wasm");
    fs::write(&by_hand, rule("healthy")).unwrap();
    let [same, newer, other] =
        [("same.wasm", rule("healthy")), ("newer.wasm", newer()), ("other.wasm", rule("second"))].map(|(name, bytes)| {
            let path = place.file(name, &bytes);
            path.to_str().unwrap().to_owned()
        });
    // It is there, whatever its file is called.
    assert_eq!(place.changed(&["install", &same]), [pair("healthy", "unchanged")]);
    assert_eq!(place.changed(&["install", by_hand.to_str().unwrap()]), [pair("healthy", "unchanged")]);
    assert_eq!(names(place.rules.path()), ["by-hand.wasm"]);
    place.refused(&["install", &newer], "its id `healthy` is already taken by", "remove that file first");
    // Its file may have the other's name.
    let taken = place.rules.path().join("another.wasm");
    fs::rename(&by_hand, &taken).unwrap();
    place.refused(&["install", &other], "another.wasm is that of the rule healthy", "another name, as healthy.wasm");
    fs::remove_file(&taken).unwrap();
    fs::create_dir(&taken).unwrap();
    place.refused(&["install", &other], "another.wasm is taken by what is no file", "remove that first");
}

/// The next version of a rule: a section that is nobody's makes another file of it.
fn newer() -> Vec<u8> {
    [rule("healthy"), vec![0, 2, 1, b'x']].concat()
}

#[test]
fn what_can_be_no_rule_is_refused() {
    let place = Place::new();
    place.refused(&["install", "/no/such.wasm"], "/no/such.wasm cannot be read", "name a rule's component");
    place.refused(&["install", "/dev/null"], "it is no regular file", "name the file");
    let large = place.file("large.wasm", &vec![0; (1 << 20) + 1]);
    place.refused(&["install", large.to_str().unwrap()], "more than the 1024 KiB", "nothing was installed");
}

/// A module that says of what it is to be that interfaces of two packages need each other in turn: who reads it never ends.
fn in_a_circle() -> Vec<u8> {
    let told = wat::parse_str(include_str!("../hostile/packages-in-a-circle.wat")).unwrap();
    let name = "component-type";
    let content = [&[name.len() as u8], name.as_bytes(), &told].concat();
    let length = [(content.len() & 0x7f) as u8 | 0x80, (content.len() >> 7) as u8];
    [b"\0asm\x01\0\0\0\0".as_slice(), &length, &content].concat()
}

#[test]
fn what_ends_the_process_that_reads_it_is_told() {
    let place = Place::new();
    let file = place.file("circle.wasm", &in_a_circle());
    place.refused(
        &["install", file.to_str().unwrap()],
        "circle.wasm is a module at which the process that reads it ended",
        "nothing was done",
    );
    let (code, stdout, _) = place.told(&["verify", file.to_str().unwrap()]);
    assert_eq!(code, Some(1));
    assert!(stdout.contains("does not load: "), "{stdout}");
}

#[test]
fn the_next_version_is_verified_and_tested_beside_the_one_in_force() {
    let place = Place::new();
    fs::write(place.rules.path().join("healthy.wasm"), rule("healthy")).unwrap();
    let newer = place.file("newer.wasm", &newer());
    let newer = newer.to_str().unwrap();
    let (code, stdout, _) = place.told(&["verify", newer]);
    assert_eq!(code, Some(0), "{stdout}");
    let window = super::rules::fixture();
    let (code, stdout, _) = place.told(&["test", newer, "--snapshot", window.to_str().unwrap()]);
    assert_eq!((code, stdout.starts_with("healthy: fired\n")), (Some(0), true), "{stdout}");
}

#[test]
fn a_files_name_may_be_anything() {
    let place = Place::new();
    for name in ["a\tb.wasm", "with a blank.wasm", "\u{1b}[31mred.wasm"] {
        let file = place.file(name, &rule("healthy"));
        let (code, stdout, _) = place.told(&["verify", file.to_str().unwrap()]);
        assert_eq!((code, stdout.contains(['\t', '\u{1b}'])), (Some(0), false), "{stdout}");
        assert_eq!(place.changed(&["install", file.to_str().unwrap()]), [pair("healthy", "installed")]);
        fs::rename(place.rules.path().join("healthy.wasm"), place.rules.path().join(name)).unwrap();
        assert_eq!(place.changed(&["remove", "healthy"]), [pair("healthy", "removed")]);
        assert_eq!(names(place.rules.path()), Vec::<String>::new());
    }
}

#[test]
fn of_two_files_with_one_id_the_one_that_is_named_is_removed() {
    let place = Place::new();
    for name in ["a.wasm", "b.wasm"] {
        fs::write(place.rules.path().join(name), rule(if name == "a.wasm" { "healthy" } else { "second" })).unwrap();
    }
    fs::write(place.rules.path().join("another.wasm"), "no component").unwrap();
    assert_eq!(place.changed(&["disable", "another"]), [pair("another", "disabled")]);
    place.refused(&["remove", "another"], "another is the id of", "name the file that is to be removed");
    let broken = place.rules.path().join("another.wasm");
    assert_eq!(place.changed(&["remove", broken.to_str().unwrap()]), [pair("another", "removed")]);
    // The switch is that of the other one, which stays off.
    assert_eq!(names(place.rules.path()), ["a.wasm", "another.disabled", "b.wasm"]);
    assert_eq!(place.changed(&["remove", "another"]), [pair("another", "removed")]);
    assert_eq!(names(place.rules.path()), ["a.wasm"]);
}

#[test]
fn rules_are_switched_off_and_on_also_the_built_in_ones() {
    let place = Place::new();
    fs::write(place.rules.path().join("healthy.wasm"), rule("healthy")).unwrap();
    for id in ["oom-kill", "healthy"] {
        assert_eq!(place.changed(&["disable", id]), [pair(id, "disabled")]);
        assert_eq!(place.changed(&["disable", id]), [pair(id, "unchanged")]);
        let (disabled, reason) = place.status(id);
        assert!(disabled && reason.unwrap().ends_with(&format!("/{id}.disabled")));
    }
    // What is installed and would not be used is told to be so.
    let file = place.file("newer.wasm", &newer());
    let (_, stdout, _) = place.told(&["install", file.to_str().unwrap()]);
    assert!(stdout.contains("; not used: switched off by ") && stdout.contains("(kerno rules enable healthy)"), "{stdout}");
    for id in ["oom-kill", "healthy"] {
        assert_eq!(place.changed(&["enable", id]), [pair(id, "enabled")]);
        assert_eq!(place.changed(&["enable", id]), [pair(id, "unchanged")]);
        assert_eq!(place.status(id), (false, None));
    }
    assert_eq!(names(place.rules.path()), ["healthy.wasm"]);
    fs::write(place.rules.path().join("oom-kil.disabled"), "").unwrap();
    let (_, _, stderr) = place.told(&["list"]);
    assert!(stderr.contains("oom-kil.disabled switches off nothing: there is no rule with that id"), "{stderr}");
    fs::write(place.rules.path().join("broken.wasm"), "no component").unwrap();
    place.refused(&["disable", "broken"], "broken.wasm does not load and is not used", "remove it, or mend it");
    place.refused(&["disable", "oom-kil"], "there is no rule `oom-kil`", "did you mean oom-kill?");
    place.refused(&["enable", "../healthy"], "there is no rule `../healthy`", "did you mean healthy?");
}

#[test]
fn what_the_configuration_switches_off_is_switched_on_there() {
    let place = Place::new();
    let config = place.file("config.yaml", b"rules:\n  disabled: [oom-kill]\n");
    let config = config.to_str().unwrap();
    place.refused(
        &["enable", "oom-kill", "--config", config],
        &format!("oom-kill is switched off by the configuration, rules.disabled in {config}:2"),
        "remove it there",
    );
}

#[test]
fn one_directory_is_changed_and_it_must_be_writable() {
    let place = Place::new();
    place.refused(&["disable", "oom-kill", "--dir", "/tmp"], "one directory is changed at a time", "give --dir once");
    let told = |arguments: &[&str]| {
        let mut command = kerno();
        command.arg("rules").args(arguments);
        let (code, _, stderr) = run(command);
        assert_eq!(code, Some(2), "{stderr}");
        stderr
    };
    assert_told(&told(&["disable", "oom-kill", "--dir", "/proc/no/rules"]), "/proc/no/rules cannot be changed", "with --dir");
    let mistyped = place.from.path().join("ruls");
    let stderr = told(&["remove", "healthy", "--dir", mistyped.to_str().unwrap()]);
    assert_told(&stderr, "there is no rule `healthy`", "kerno rules list");
    assert!(!mistyped.exists());
}

/// Root writes where others may not, also where another user's rules are.
#[test]
fn root_changes_the_directory_of_another_user() {
    let place = Place::new();
    if !rustix::process::getuid().is_root() {
        return;
    }
    std::os::unix::fs::chown(place.rules.path(), Some(65_534), Some(65_534)).unwrap();
    let file = place.file("healthy.wasm", &rule("healthy"));
    assert_eq!(place.changed(&["install", file.to_str().unwrap()]), [pair("healthy", "installed")]);
    assert_eq!(place.changed(&["disable", "oom-kill"]), [pair("oom-kill", "disabled")]);
    assert_eq!(place.changed(&["remove", "healthy"]), [pair("healthy", "removed")]);
}
