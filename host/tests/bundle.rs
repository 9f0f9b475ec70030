//! Bundles: what is refused, and why. Files of `bundle/` were made by the real minisign.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where it stopped")]

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use kerno::bundle::{
    self, Accepted, Checked, Draft, Entry, Files, Found, MANIFEST, Manifest, Policy, SIGNATURE, SecretKey, TrustedKey,
};
use kerno::engine::{Fingerprint, Limits, Quantity, Runtime, Settings, Unit, tell_replaced};
use kerno::findings::{RuleReport, RuleStatus, Verdict, verdict};
use kerno_signals::Snapshot;
use proptest::prelude::*;

#[path = "hostile/components.rs"]
mod components;

#[path = "bundle/refused.rs"]
mod refused;
#[path = "bundle/replaces.rs"]
mod replaces;

/// What is made by the real tool.
fn fixture(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bundle").join(name);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

fn secret() -> SecretKey {
    SecretKey::open(&fixture("plain.key"), None).unwrap()
}

fn trusting(key: &str) -> Policy {
    Policy { require_signature: true, trusted_keys: vec![TrustedKey::parse(&fixture(key)).unwrap()] }
}

fn now() -> SystemTime {
    humantime::parse_rfc3339("2026-11-22T12:00:00Z").unwrap()
}

fn entry(id: &str, bytes: &[u8]) -> Entry {
    Entry {
        id: id.to_owned(),
        version: "1.0.0".to_owned(),
        file: format!("{id}.wasm"),
        sha256: Fingerprint::of(bytes).sha256,
        replaces: false,
        params: BTreeMap::new(),
    }
}

/// Two rules that load.
fn manifest() -> Manifest {
    let rules = vec![entry("another", &components::rule("second")), entry("healthy", &components::rule("healthy"))];
    Manifest { name: "site-rules".to_owned(), revision: 7, expires: None, rules }
}

fn files(manifest: &Manifest) -> Files {
    let components = BTreeMap::from([
        ("another.wasm".to_owned(), components::rule("second")),
        ("healthy.wasm".to_owned(), components::rule("healthy")),
    ]);
    Files::new(manifest.write().into_bytes(), None, components)
}

fn signed(files: Files) -> Files {
    let signature = secret().sign(files.manifest().unwrap(), "a test").unwrap();
    files.signed(signature.into_bytes())
}

fn check(files: &Files, policy: &Policy) -> Result<Checked, String> {
    bundle::check(files, &Limits::default(), policy, now(), &[])
}

fn write(directory: &Path, files: &Files) {
    for (name, bytes) in files.iter() {
        fs::write(directory.join(name), bytes).unwrap();
    }
}

fn find(directories: &[&Path], policy: &Policy) -> Found {
    let directories: Vec<PathBuf> = directories.iter().map(|path| path.to_path_buf()).collect();
    bundle::find(&directories, &Limits::default(), policy, now(), &[]).unwrap()
}

#[test]
fn a_manifest_is_written_as_it_is_read() {
    let mut whole = manifest();
    whole.expires = Some("2027-01-31T00:00:00Z".to_owned());
    whole.rules[0].replaces = true;
    whole.rules[1].version = "1.0 #x".replace(' ', "");
    whole.rules[1].params = BTreeMap::from([
        ("budget".to_owned(), Quantity { value: 0.05, unit: Some(Unit::Seconds) }),
        ("share: of \"it\"".to_owned(), Quantity { value: 0.02, unit: Some(Unit::Ratio) }),
        ("true".to_owned(), Quantity { value: 20.0, unit: None }),
    ]);
    assert_eq!(Manifest::parse(whole.write().as_bytes()), Ok(whole.clone()));
    assert_eq!(whole.write(), whole.clone().write());
    for name in ["1", "007", "null", "on", "1e3", "2026-01-01"] {
        let named = Manifest { name: name.to_owned(), ..manifest() };
        assert!(named.write().contains(&format!("name: \"{name}\"\n")) || name == "null" || name == "on", "{}", named.write());
        assert_eq!(Manifest::parse(named.write().as_bytes()).unwrap().name, name);
    }
}

#[test]
fn what_a_manifest_must_not_say_is_told_with_its_line() {
    let good = manifest().write();
    for (from, to, words) in [
        ("format: 1", "format: 2", "line 1: its format is 2, this kerno reads format 1: use a newer kerno"),
        ("name: site-rules", "name: Site Rules", "line 2: name cannot be Site Rules: write small letters"),
        ("name: site-rules\n", "", "it has no name"),
        ("revision: 7", "revision: seven", "line 3: revision cannot be seven: write a whole number from 1 to"),
        ("revision: 7", "revision: -7", "revision cannot be -7"),
        ("revision: 7", "revision: +7", "revision cannot be +7"),
        ("revision: 7", "revision: 7.5", "revision cannot be 7.5"),
        ("revision: 7", "revision: 0", "revision cannot be 0"),
        ("revision: 7", "revision: 18446744073709551616", "revision cannot be 18446744073709551616"),
        ("revision: 7", "revision: 9007199254740992", "from 1 to 9007199254740991"),
        ("revision: 7", "revision: [7]", "revision cannot be a list"),
        ("revision: 7\n", "", "it has no revision"),
        ("revision: 7", "revison: 7", "line 3: revison is no key of a bundle: did you mean revision?"),
        (
            "revision: 7",
            "revision: 7\nexpires: tomorrow",
            "line 4: expires cannot be tomorrow: write it in UTC, as 2027-01-31T00:00:00Z",
        ),
        ("revision: 7", "revision: 7\nexpires: 2027-02-30T00:00:00Z", "expires cannot be 2027-02-30T00:00:00Z"),
        ("revision: 7", "revision: 7\nexpires: 2027-01-31", "expires cannot be 2027-01-31"),
        ("revision: 7", "revision: 7\nexpires: 2027-01-31T00:00:00+01:00", "write it in UTC"),
        ("revision: 7", "revision: 7\nrevision: 8", "line 4: revision is set twice, first in line 3"),
        ("id: another", "id: ../another", "an id has small letters"),
        ("id: another", "id: healthy", "the rule healthy stands there twice, first in line 5"),
        ("id: another", "ids: another", "ids is no key of a rule in a bundle: did you mean id?"),
        ("file: another.wasm", "file: ../another.wasm", "file cannot be ../another.wasm: name a file beside bundle.yaml"),
        ("file: another.wasm", "file: /etc/another.wasm", "no directory"),
        ("file: another.wasm", "file: sub/another.wasm", "no directory"),
        ("file: another.wasm", "file: ..wasm", "file cannot be ..wasm"),
        ("file: another.wasm", "file: another.txt", "as ID.wasm"),
        ("file: another.wasm", "file: healthy.wasm", "two rules have the file healthy.wasm"),
        ("file: another.wasm", "file: [a]", "file cannot be a list"),
        ("    file: another.wasm\n", "", "line 5: it has no file of the rule another"),
        ("    version: \"1.0.0\"\n", "", "it has no version of the rule another"),
        ("version: \"1.0.0\"", "version: ''", "version cannot be : write one like 1.0.0"),
        ("sha256: ", "sha256: x", "write what sha256sum prints"),
        (
            "    file: another.wasm",
            "    replaces: maybe\n    file: another.wasm",
            "replaces cannot be maybe: write true or false",
        ),
        ("    file: another.wasm", "    params: 5\n    file: another.wasm", "params is no mapping"),
        (
            "    file: another.wasm",
            "    params: {a: soon}\n    file: another.wasm",
            "the parameter a cannot be soon: a value is written as 50ms",
        ),
        ("    file: another.wasm", "    params: {a: -5}\n    file: another.wasm", "the parameter a cannot be -5"),
        ("rules:\n", "rules: x\nothers:\n", "rules is no list"),
        ("rules:\n", "rules:\n  - x\n", "an entry of rules is no mapping"),
        ("rules:\n", "rules:\n  - version: x\n", "a rule has no id"),
        ("format: 1\n", "- format\n", "YAML"),
        ("name: site-rules", "name: &a site-rules", "an anchor"),
        ("name: site-rules", "name: \u{7}", ""),
    ] {
        assert!(good.contains(from), "{from}");
        let told = Manifest::parse(good.replacen(from, to, 1).as_bytes()).expect_err(to);
        assert!(told.contains(words) && !told.chars().any(char::is_control), "{to}: {told}");
    }
    let told = |bytes: &[u8]| Manifest::parse(bytes).unwrap_err();
    assert!(told(b"\xff\xfe").contains("it is not UTF-8"));
    assert!(told(b"").contains("it is no mapping"));
    assert!(told(b"rules: []\nname: a\nrevision: 1\n").contains("it has no rules"));
    assert!(told(&vec![b'#'; (256 << 10) + 1]).contains("larger than 256 KiB"));
    let many: String = (0..129).map(|number| format!("  - id: r{number}\n")).collect();
    assert!(told(format!("name: a\nrevision: 1\nrules:\n{many}").as_bytes()).contains("more than 128 rules"));
}

#[test]
fn a_draft_says_as_much_as_its_writer_likes() {
    let text = "name: site-rules\nrules:\n  - id: oom-kill\n    replaces: true\n    params: {min_kills: 2}\n";
    let draft = Draft::parse(text.as_bytes()).unwrap();
    assert_eq!((draft.name.as_deref(), draft.revision), (Some("site-rules"), None));
    assert!(draft.rules[0].replaces && draft.rules[0].params.contains_key("min_kills"));
    assert!(Draft::parse(b"nmae: x\n").unwrap_err().contains("did you mean name?"));
}

#[test]
fn the_real_tools_keys_sign_and_its_signatures_are_verified() {
    let real = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bundle/real");
    let files = Files::read(&real, &Limits::default()).unwrap();
    let checked = check(&files, &trusting("plain.pub")).unwrap();
    assert_eq!((checked.signed_by.as_deref(), checked.is_signed), (Some(secret().id().as_str()), true));
    assert_eq!(TrustedKey::parse(&secret().public().unwrap()), TrustedKey::parse(&fixture("plain.pub")));
    // Older versions of the tool signed otherwise.
    let legacy = files.clone().signed(fixture("legacy.minisig").into_bytes());
    assert!(check(&legacy, &trusting("plain.pub")).is_ok());
    let told = check(&files, &trusting("protected.pub")).unwrap_err();
    assert!(
        told.contains(&format!("it is signed with the key {}, which is none of rules.trusted_keys", secret().id())),
        "{told}"
    );
}

/// It takes as much memory and time as the real tool asks for.
#[test]
fn a_key_that_a_password_protects_is_opened_with_it() {
    let file = fixture("protected.key");
    assert_eq!((SecretKey::is_protected(&file), SecretKey::is_protected(&fixture("plain.key"))), (Ok(true), Ok(false)));
    let key = SecretKey::open(&file, Some("correct horse".to_owned())).unwrap();
    assert_eq!(TrustedKey::parse(&key.public().unwrap()), TrustedKey::parse(&fixture("protected.pub")));
    let told = SecretKey::open(&file, Some("wrong horse".to_owned())).err().unwrap();
    assert!(told.contains("Wrong password"), "{told}");
}

#[test]
fn a_new_pair_signs_what_its_public_half_verifies() {
    for password in [None, Some("secret".to_owned())] {
        let (secret, public, line) = bundle::new_pair(password.clone()).unwrap();
        assert_eq!(SecretKey::is_protected(&secret), Ok(password.is_some()));
        let key = SecretKey::open(&secret, password).unwrap();
        let files = files(&manifest());
        let signature = key.sign(files.manifest().unwrap(), "x").unwrap();
        let policy = Policy { require_signature: true, trusted_keys: vec![TrustedKey::parse(&public).unwrap()] };
        assert_eq!(TrustedKey::parse(&line), TrustedKey::parse(&public));
        assert_eq!(check(&files.signed(signature.into_bytes()), &policy).unwrap().signed_by, Some(key.id()));
    }
    for file in ["", "x", "untrusted comment: x\nAAAA\n", &fixture("plain.pub"), &"x".repeat(100_000)] {
        assert!(SecretKey::is_protected(file).is_err() && SecretKey::open(file, None).is_err(), "{file:.40}");
    }
    for text in ["", "RW", "rules.pub", &fixture("plain.key"), "RWSjkrXOyIiamjGkVavW6j+EF0zDtMNmOlKeSeJ7UKOt+XiNiLMLwNl"] {
        assert!(TrustedKey::parse(text).is_err(), "{text:.40}");
    }
}

#[test]
fn every_form_is_the_same_bytes_each_time_and_holds_the_same_bundle() {
    let files = signed(files(&manifest()));
    let tar = bundle::tar(&files).unwrap();
    assert_eq!(tar, bundle::tar(&files.clone()).unwrap());
    assert_eq!(Files::of_tar(&tar, &Limits::default()).unwrap(), files);
    let map = bundle::config_map("site-rules", &files).unwrap();
    assert_eq!(map, bundle::config_map("site-rules", &files).unwrap());
    assert!(map.contains("  name: site-rules\n") && map.contains("  bundle.yaml: |\n    format: 1\n"), "{map}");
    let data = of_config_map(&map);
    for (name, bytes) in files.iter() {
        assert_eq!(data[name].as_slice(), bytes, "{name}");
    }
    // A manifest that somebody wrote by hand keeps every byte too.
    let by_hand = format!("# by hand \n\n{}", manifest().write().replace('\n', "\r\n"));
    let files = Files::new(by_hand.clone().into_bytes(), None, BTreeMap::new());
    assert_eq!(of_config_map(&bundle::config_map("a", &files).unwrap())[MANIFEST], by_hand.into_bytes());
}

/// What Kubernetes would put into the files of a mounted ConfigMap.
fn of_config_map(text: &str) -> BTreeMap<String, Vec<u8>> {
    use ct_codecs::{Base64, Decoder};
    use saphyr_parser::{Event, Parser};
    let mut scalars = Vec::new();
    for event in Parser::new_from_str(text) {
        match event.unwrap().0 {
            Event::Scalar(text, ..) => scalars.push(text.into_owned()),
            Event::MappingEnd => scalars.push(String::new()),
            _ => {}
        }
    }
    let values = scalars.windows(2).filter_map(|pair| {
        let [name, value] = pair else { return None };
        match name.as_str() {
            MANIFEST | SIGNATURE => Some((name.clone(), value.clone().into_bytes())),
            name if name.ends_with(".wasm") => Some((name.to_owned(), Base64::decode_to_vec(value, None).unwrap())),
            _ => None,
        }
    });
    values.collect()
}

#[test]
fn what_kubernetes_would_refuse_is_refused() {
    let components = BTreeMap::from([("healthy.wasm".to_owned(), vec![0; 1 << 20])]);
    let told = bundle::config_map("a", &Files::new(b"x".to_vec(), None, components)).unwrap_err();
    assert_eq!(told, "it has 1048577 bytes, and Kubernetes takes 1048576 at most in a ConfigMap");
    let components = BTreeMap::from([("healthy.wasm".to_owned(), vec![0; (1 << 20) - 1])]);
    assert!(bundle::config_map("a", &Files::new(b"x".to_vec(), None, components)).is_ok());
}

#[test]
fn of_each_bundle_the_highest_revision_is_remembered() {
    let of = |name: &str, revision, digest: &str| Accepted { name: name.to_owned(), revision, digest: digest.to_owned() };
    let mut known = Vec::new();
    for one in [of("a", 3, "x"), of("b", 1, "y"), of("a", 5, "z"), of("a", 4, "w")] {
        one.keep(&mut known);
    }
    assert_eq!(known, [of("a", 5, "z"), of("b", 1, "y")]);
}

/// A ConfigMap as Kubernetes mounts it: links to a directory that is exchanged as a whole.
#[test]
fn a_mounted_config_map_is_a_bundle() {
    let directory = tempfile::tempdir().unwrap();
    let data = directory.path().join("..2026_11_22");
    fs::create_dir(&data).unwrap();
    let files = signed(files(&manifest()));
    write(&data, &files);
    std::os::unix::fs::symlink("..2026_11_22", directory.path().join("..data")).unwrap();
    for (name, _) in files.iter() {
        std::os::unix::fs::symlink(Path::new("..data").join(name), directory.path().join(name)).unwrap();
    }
    let found = find(&[directory.path()], &trusting("plain.pub"));
    assert_eq!(found.candidates.iter().filter(|one| !one.is_refused()).count(), 2);
    assert_eq!(found.accepted[0].revision, 7);
}

proptest! {
    #[test]
    fn any_bytes_are_a_bundle_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..2000)) {
        let _ = Manifest::parse(&bytes);
        let _ = Draft::parse(&bytes);
        let _ = Files::of_tar(&bytes, &Limits::default());
        let text = String::from_utf8_lossy(&bytes);
        let _ = TrustedKey::parse(&text);
        let _ = SecretKey::is_protected(&text);
        let _ = check(&Files::new(bytes.clone(), None, BTreeMap::new()), &Policy::default());
        let _ = check(&files(&manifest()).signed(bytes), &trusting("plain.pub"));
    }

    #[test]
    fn any_text_like_a_manifest_is_one_or_an_error(text in "(format|name|revision|expires|rules|id|file|- |  |: |1|a|\n|\\[|\\{|\"|2027-01-31T00:00:00Z){0,40}") {
        let _ = Manifest::parse(text.as_bytes());
    }

    #[test]
    fn any_change_of_a_signed_bundle_is_told(at in any::<prop::sample::Index>(), bit in 0_u8..8, of in 0_usize..4) {
        let whole = signed(files(&manifest()));
        let directory = tempfile::tempdir().unwrap();
        write(directory.path(), &whole);
        let (name, bytes) = whole.iter().nth(of).unwrap();
        let mut changed = bytes.to_vec();
        // What minisign calls untrusted is nobody's word, and is not shown.
        let first = if name == SIGNATURE { bytes.iter().position(|byte| *byte == b'\n').unwrap() + 1 } else { 0 };
        let at = first + at.index(changed.len() - first);
        changed[at] ^= 1 << bit;
        fs::write(directory.path().join(name), &changed).unwrap();
        let found = find(&[directory.path()], &trusting("plain.pub"));
        // A line's end may be another one.
        let is_same = name == SIGNATURE && changed.trim_ascii_end() == bytes.trim_ascii_end();
        prop_assert!(is_same || found.accepted.is_empty() && found.candidates.iter().all(|one| one.is_refused()), "{name} at {at}");
    }

    #[test]
    fn any_change_of_an_archive_is_told_or_changes_nothing(at in any::<prop::sample::Index>(), byte in any::<u8>(), cut in any::<bool>()) {
        let whole = signed(files(&manifest()));
        let mut bytes = bundle::tar(&whole).unwrap();
        let at = at.index(bytes.len());
        if cut { bytes.truncate(at) } else { bytes[at] = byte }
        let read = Files::of_tar(&bytes, &Limits::default());
        let checked = read.and_then(|files| check(&files, &trusting("plain.pub")).map(|_| files));
        prop_assert!(checked.is_err() || checked.is_ok_and(|files| files.iter().eq(whole.iter()) || files.signature() != whole.signature()));
    }
}
