//! A window in a file: replayed to the same report byte for byte, written whole or not at all, refused when it is damaged.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::time::{Duration, Instant};

use super::{assert_told, doctor, kerno, measuring, run, signal, told, unprivileged, validate};

fn replay(path: &Path, arguments: &[&str]) -> (Option<i32>, String, String) {
    let mut command = kerno();
    command.args(["doctor", "--replay"]).arg(path).args(arguments);
    // Names of this machine are not those of the recording.
    command.env("KERNO_NODE_NAME", "another").env("KERNO_EBPF", "off");
    run(command)
}

/// Names of the files in a directory.
fn files(directory: &Path) -> Vec<String> {
    let mut names: Vec<_> =
        fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Measures one second into a file and returns the report.
fn record(path: &Path, form: &str) -> String {
    let mut command = doctor(&["-q", "-o", form, "--record"]);
    command.arg(path).env("KERNO_NODE_NAME", "node-7");
    let (code, stdout, stderr) = run(command);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    stdout
}

#[test]
fn a_replayed_window_gives_the_same_report_byte_for_byte() {
    let directory = tempfile::Builder::new().permissions(PermissionsExt::from_mode(0o755)).tempdir().unwrap();
    let (packed, json) = (directory.path().join("slow.kerno"), directory.path().join("slow.json"));
    fs::write(&packed, "what was there before").unwrap();
    let report = record(&packed, "json");
    assert_eq!(validate(&report)["host"]["name"], "node-7");
    assert_eq!(replay(&packed, &["-o", "json"]), (Some(0), report.clone(), String::new()));
    // In the other form as well, which the first is turned into.
    let mut command = kerno();
    command.args(["doctor", "-o", "json", "--replay"]).arg(&packed).arg("--record").arg(&json);
    assert_eq!(run(command), (Some(0), report.clone(), String::new()));
    assert_eq!(replay(&json, &["-o", "json"]), (Some(0), report.clone(), String::new()));
    assert_eq!(files(directory.path()), ["slow.json", "slow.kerno"], "nothing is left beside them");
    for form in ["pretty", "plain", "markdown"] {
        let text = replay(&packed, &["-o", form]);
        assert_eq!(text.0, Some(0), "{}", text.2);
        assert!(text.1.contains("node-7"), "{}", text.1);
        assert_eq!(replay(&json, &["-o", form]), text);
    }
    let arguments = ["doctor", "-o", "json", "--replay"];
    fs::set_permissions(&packed, fs::Permissions::from_mode(0o644)).unwrap();
    if let Some((code, stdout, stderr)) = unprivileged(&[arguments.as_slice(), &[packed.to_str().unwrap()]].concat()) {
        assert_eq!((code, stdout, stderr), (Some(0), report, String::new()), "without root");
    }
}

#[test]
fn what_was_told_is_what_is_replayed() {
    let directory = tempfile::tempdir().unwrap();
    for form in ["pretty", "markdown"] {
        let path = directory.path().join(form);
        let text = record(&path, form);
        assert_eq!(replay(&path, &["-o", form]), (Some(0), text, String::new()));
    }
}

#[test]
fn the_fixtures_of_rules_are_recordings() {
    let rules = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules-builtin");
    let fixtures: Vec<PathBuf> = fs::read_dir(rules)
        .unwrap()
        .flat_map(|rule| fs::read_dir(rule.unwrap().path().join("fixtures")).unwrap())
        .map(|fixture| fixture.unwrap().path())
        .collect();
    let fixtures: Vec<PathBuf> = fixtures.into_iter().filter(|path| path.to_string_lossy().contains("/fires-")).collect();
    assert!(fixtures.len() >= 3, "{fixtures:?}");
    let mut fired = 0;
    for fixture in fixtures {
        let (code, stdout, stderr) = replay(&fixture, &["-o", "json"]);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{}", fixture.display());
        fired += validate(&stdout)["findings"].as_array().unwrap().len();
    }
    assert!(fired > 0 || kerno::artifacts::BUILT_IN_RULES.iter().all(|(_, rule)| rule.is_none()));
}

#[test]
fn what_is_no_whole_recording_is_refused_with_a_sentence() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("good");
    record(&path, "plain");
    let good = fs::read(&path).unwrap();
    let changed = |change: &dyn Fn(&mut Vec<u8>)| {
        let mut bytes = good.clone();
        change(&mut bytes);
        bytes
    };
    let middle = good.len() / 2;
    let cases: [(&str, Vec<u8>, &str, &str); 8] = [
        ("flipped", changed(&|bytes| bytes[middle] ^= 0x10), "damaged", "copy it again"),
        ("cut", changed(&|bytes| bytes.truncate(middle)), "cut off", "copy it again"),
        ("short", changed(&|bytes| bytes.truncate(5)), "cut off", "copy it again"),
        ("longer", changed(&|bytes| bytes.push(0)), "damaged", "copy it again"),
        ("newer", changed(&|bytes| bytes[8] = 77), "newer kerno", "replay it with the kerno that recorded it"),
        ("empty", Vec::new(), "no recording", "--record"),
        ("foreign", b"\x7fELF\x02\x01\x01\0\0\0\0".to_vec(), "no recording", "--record"),
        ("report.json", record(&directory.path().join("again"), "json").into_bytes(), "no snapshot", "record again"),
    ];
    for (name, bytes, why, help) in cases {
        let path = directory.path().join(name);
        fs::write(&path, bytes).unwrap();
        let (code, stdout, stderr) = replay(&path, &[]);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{name}: {stderr}");
        assert_told(&stderr, why, help);
        assert_told(&stderr, name, help);
    }
    for (path, why) in [("/nonexistent/recording", "No such file"), ("/proc", "directory"), ("/dev/zero", "larger than")] {
        let (code, stdout, stderr) = replay(Path::new(path), &[]);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{path}: {stderr}");
        assert_told(&stderr, path, "a file that");
        assert_told(&stderr, why, "a file that");
    }
}

#[test]
fn a_place_that_cannot_be_recorded_to_is_2_before_anything_is_measured() {
    let start = Instant::now();
    let directory = tempfile::tempdir().unwrap();
    let link = directory.path().join("link");
    std::os::unix::fs::symlink("/dev/null", &link).unwrap();
    for (path, why) in [
        ("/nonexistent/slow.kerno", "no file can be made in /nonexistent"),
        ("/dev/null", "no regular file"),
        (link.to_str().unwrap(), "no regular file"),
        (directory.path().to_str().unwrap(), "no regular file"),
        ("/proc/slow.kerno", "no file can be made in /proc"),
        ("/etc/passwd/slow.kerno", "Not a directory"),
    ] {
        let mut command = kerno();
        command.args(["doctor", "--duration", "5m", "--record", path]);
        let (code, stdout, stderr) = run(command);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{path}: {stderr}");
        assert_told(&stderr, why, "--record");
    }
    use std::os::unix::fs::FileTypeExt;
    assert!(fs::metadata("/dev/null").unwrap().file_type().is_char_device());
    let (code, _, stderr) = run(doctor(&["--replay", "x"]));
    assert_eq!(code, Some(2));
    assert_told(&stderr, "cannot be used with", "kerno doctor --help");
    assert!(start.elapsed() < Duration::from_secs(30));
}

#[test]
fn a_window_that_could_not_be_recorded_is_reported_and_4() {
    let directory = tempfile::tempdir().unwrap();
    let place = directory.path().join("gone");
    fs::create_dir(&place).unwrap();
    let child = measuring(&["-o", "json", "--record", place.join("slow.kerno").to_str().unwrap()]);
    fs::remove_dir_all(&place).unwrap();
    signal(&child, "-INT");
    let (code, stdout, stderr) = told(&child.wait_with_output().unwrap());
    assert_eq!(code, Some(4), "{stderr}");
    validate(&stdout);
    assert!(stderr.contains("error: ") && stderr.contains("was not recorded to: No such file"), "{stderr}");
}

#[test]
fn a_link_is_not_followed_and_a_recording_is_for_its_owner_alone() {
    let directory = tempfile::tempdir().unwrap();
    let (there, link) = (directory.path().join("there"), directory.path().join("link"));
    fs::write(&there, "old").unwrap();
    std::os::unix::fs::symlink("there", &link).unwrap();
    let mut command = kerno();
    command.args(["doctor", "--duration", "5m", "--record", link.to_str().unwrap()]);
    assert_eq!(run(command).0, Some(2));
    assert_eq!(fs::read(&there).unwrap(), b"old");
    record(&there, "plain");
    assert!(fs::read(&there).unwrap().starts_with(b"KERNOREC"));
    assert_eq!(fs::metadata(&there).unwrap().permissions().mode() & 0o777, 0o600);
}
