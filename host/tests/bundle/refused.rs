//! Bundles that somebody did something to.

use std::io::Write;

use super::*;

/// Why a directory's bundle is not used: none of its rules, and one sentence.
fn told(directory: &Path, policy: &Policy, known: &[Accepted], now: SystemTime) -> String {
    let found = bundle::find(&[directory.to_owned()], &Limits::default(), policy, now, known).unwrap();
    assert!(found.accepted.is_empty() && found.candidates.iter().all(|one| one.is_refused()), "{found:?}");
    let rules = loaded(found);
    let [report] = rules.as_slice() else { panic!("{rules:?}") };
    assert_eq!((report.status, report.source.as_str()), (RuleStatus::Failed, directory.join(MANIFEST).to_str().unwrap()));
    report.reason.clone().unwrap()
}

pub fn loaded(found: Found) -> Vec<RuleReport> {
    let mut rules = Runtime::new(&Limits::default()).unwrap().without_rules(Settings::default(), BTreeMap::new());
    for candidate in found.candidates {
        rules.add(candidate);
    }
    rules.judge_decoded(&std::sync::Arc::new(snapshot()))
}

pub fn snapshot() -> Snapshot {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules-builtin/scheduler-contention/fixtures/fires-hogs.json");
    serde_json::from_str(&fs::read_to_string(path).unwrap()).unwrap()
}

fn whole() -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    write(directory.path(), &signed(files(&manifest())));
    directory
}

#[test]
fn a_whole_bundle_is_used_and_known_again() {
    for policy in [trusting("plain.pub"), Policy::default()] {
        let directory = whole();
        // What Kubernetes, kerno and the administrator leave there is none of its files.
        fs::create_dir(directory.path().join("..2026_11_22")).unwrap();
        fs::write(directory.path().join(".kerno-x.tmp"), "x").unwrap();
        let found = find(&[directory.path()], &policy);
        let digest = Fingerprint::of(manifest().write().as_bytes()).sha256;
        assert_eq!(found.accepted, [Accepted { name: "site-rules".to_owned(), revision: 7, digest }]);
        let again = bundle::installed(directory.path(), &Limits::default(), &policy);
        assert_eq!(again.as_ref(), found.accepted.first());
        let reports = loaded(found);
        let statuses: Vec<_> = reports.iter().map(|report| (report.id.as_str(), report.status)).collect();
        assert_eq!(statuses, [("another", RuleStatus::Fired), ("healthy", RuleStatus::Fired)]);
        assert_eq!(reports[0].source, directory.path().join("another.wasm").to_str().unwrap());
    }
}

#[test]
fn what_was_taken_out_is_missed() {
    let policy = trusting("plain.pub");
    for (name, words) in [
        (MANIFEST, "its bundle.yaml is missing: install the bundle again"),
        (SIGNATURE, "it is not signed (there is no bundle.yaml.minisig), and rules.require_signature wants a signature"),
        ("healthy.wasm", "the file healthy.wasm of its rule healthy is missing: install the bundle again"),
    ] {
        let directory = whole();
        fs::remove_file(directory.path().join(name)).unwrap();
        let reason = told(directory.path(), &policy, &[], now());
        assert!(reason.starts_with("the bundle is not used: ") && reason.contains(words), "{reason}");
        // Without the policy, too, but for the signature.
        if name != SIGNATURE {
            assert_eq!(told(directory.path(), &Policy::default(), &[], now()), reason);
        }
    }
    // With manifest and signature gone they are rules like any others, which the policy does not let count.
    let directory = whole();
    fs::remove_file(directory.path().join(MANIFEST)).unwrap();
    fs::remove_file(directory.path().join(SIGNATURE)).unwrap();
    let reports = loaded(find(&[directory.path()], &policy));
    assert_eq!(reports.iter().filter(|report| report.status == RuleStatus::Failed).count(), 2);
    assert!(
        reports.iter().all(|report| report.reason.as_ref().unwrap().contains("it is in no bundle that is signed")),
        "{reports:?}"
    );
    assert!(loaded(find(&[directory.path()], &Policy::default())).iter().all(|report| report.status == RuleStatus::Fired));
}

#[test]
fn what_was_exchanged_is_seen() {
    for policy in [trusting("plain.pub"), Policy::default()] {
        let directory = whole();
        let place = |name: &str| directory.path().join(name);
        fs::write(place("healthy.wasm"), components::rule("traps")).unwrap();
        let reason = told(directory.path(), &policy, &[], now());
        assert!(reason.contains("the file healthy.wasm of its rule healthy was changed: its digest is not that in"), "{reason}");
        fs::write(place("healthy.wasm"), components::rule("second")).unwrap();
        fs::write(place("another.wasm"), components::rule("healthy")).unwrap();
        let reason = told(directory.path(), &policy, &[], now());
        assert!(reason.contains("the file another.wasm of its rule another holds the rule healthy"), "{reason}");
    }
    // The digests may be made to fit: then it is another rule than the manifest says.
    let directory = tempfile::tempdir().unwrap();
    let mut other = manifest();
    (other.rules[0].id, other.rules[1].id) = ("healthy".to_owned(), "another".to_owned());
    write(directory.path(), &files(&other));
    let reports = loaded(find(&[directory.path()], &Policy::default()));
    for report in reports {
        let reason = report.reason.unwrap();
        assert!(reason.contains("and its bundle says that it is"), "{reason}");
    }
}

#[test]
fn what_was_put_in_is_seen() {
    for policy in [trusting("plain.pub"), Policy::default()] {
        for name in ["extra.wasm", ".hidden.wasm", "README.md", "bundle.yml"] {
            let directory = whole();
            fs::write(directory.path().join(name), components::rule("healthy")).unwrap();
            let reason = told(directory.path(), &policy, &[], now());
            assert!(reason.contains(&format!("it holds {name}, which is not in its bundle.yaml")), "{reason}");
        }
    }
}

#[test]
fn what_is_older_or_something_else_is_not_followed() {
    let directory = whole();
    let known = |revision, digest: &str| vec![Accepted { name: "site-rules".to_owned(), revision, digest: digest.to_owned() }];
    let policy = trusting("plain.pub");
    let reason = told(directory.path(), &policy, &known(8, "x"), now());
    assert!(reason.contains("it is older than what was accepted before: revision 7 of site-rules, after revision 8"), "{reason}");
    let reason = told(directory.path(), &policy, &known(7, "x"), now());
    assert!(reason.contains("it holds something else than the revision 7 of site-rules"), "{reason}");
    let digest = Fingerprint::of(manifest().write().as_bytes()).sha256;
    for known in [known(7, &digest), known(6, "x"), vec![Accepted { name: "other".to_owned(), revision: 9, digest }]] {
        let found = bundle::find(&[directory.path().to_owned()], &Limits::default(), &policy, now(), &known).unwrap();
        assert_eq!((found.accepted.len(), found.candidates.len()), (1, 2));
    }
}

#[test]
fn what_has_expired_is_not_used() {
    let directory = tempfile::tempdir().unwrap();
    let end = "2026-11-22T12:00:00Z";
    write(directory.path(), &signed(files(&Manifest { expires: Some(end.to_owned()), ..manifest() })));
    let policy = trusting("plain.pub");
    for late in [0, 1, 1_000_000] {
        let reason = told(directory.path(), &policy, &[], now() + Duration::from_secs(late));
        assert!(reason.contains("it expired at 2026-11-22T12:00:00Z: install a newer revision"), "{reason}");
    }
    let before = now() - Duration::from_secs(1);
    let found = bundle::find(&[directory.path().to_owned()], &Limits::default(), &policy, before, &[]).unwrap();
    assert_eq!(found.accepted.len(), 1);
}

#[test]
fn whose_key_is_not_trusted_is_told() {
    let directory = whole();
    let reason = told(directory.path(), &trusting("protected.pub"), &[], now());
    assert!(reason.contains("which is none of rules.trusted_keys"), "{reason}");
    // Also where none is asked for: who signed it wrongly meant something by it.
    let lenient = Policy { require_signature: false, ..trusting("protected.pub") };
    assert_eq!(told(directory.path(), &lenient, &[], now()), reason);
    // A signature of something else.
    let other = Manifest { revision: 8, ..manifest() };
    fs::write(directory.path().join(MANIFEST), other.write()).unwrap();
    for require_signature in [true, false] {
        let reason = told(directory.path(), &Policy { require_signature, ..trusting("plain.pub") }, &[], now());
        assert!(reason.contains("does not fit bundle.yaml: one of the two was changed"), "{reason}");
    }
    fs::write(directory.path().join(SIGNATURE), "no signature").unwrap();
    let reason = told(directory.path(), &Policy::default(), &[], now());
    assert!(reason.contains("bundle.yaml.minisig is no signature of minisign"), "{reason}");
    // Nobody is trusted.
    let nobody = Policy { require_signature: true, trusted_keys: Vec::new() };
    assert!(told(whole().path(), &nobody, &[], now()).contains("no key is trusted"));
}

#[test]
fn a_key_of_the_same_id_is_not_the_same_key() {
    let directory = whole();
    let public = fixture("protected.pub");
    let mut forged = TrustedKey::parse(&public).unwrap();
    // The id is eight bytes of the line: those of the other key.
    let line = |text: &str| text.lines().nth(1).unwrap().to_owned();
    let (ours, other) = (decode(&line(&fixture("plain.pub"))), decode(&line(&public)));
    let mixed = [&other[..2], &ours[2..10], &other[10..]].concat();
    forged.clone_from(&TrustedKey::parse(&encode(&mixed)).unwrap());
    let policy = Policy { require_signature: true, trusted_keys: vec![forged.clone()] };
    assert!(told(directory.path(), &policy, &[], now()).contains("does not fit bundle.yaml"));
    let both = Policy { require_signature: true, trusted_keys: vec![forged, TrustedKey::parse(&fixture("plain.pub")).unwrap()] };
    assert_eq!(find(&[directory.path()], &both).accepted.len(), 1);
}

fn decode(text: &str) -> Vec<u8> {
    use ct_codecs::{Base64, Decoder};
    Base64::decode_to_vec(text, None).unwrap()
}

fn encode(bytes: &[u8]) -> String {
    use ct_codecs::{Base64, Encoder};
    Base64::encode_to_string(bytes).unwrap()
}

#[test]
fn a_bundle_that_is_there_twice_is_used_once() {
    let (one, two) = (whole(), whole());
    let found = find(&[one.path(), two.path()], &trusting("plain.pub"));
    assert_eq!(found.candidates.iter().map(|one| one.is_refused()).collect::<Vec<_>>(), [false, false, true]);
    assert_eq!(found.accepted.len(), 1);
}

#[test]
fn where_signatures_are_asked_for_nothing_else_counts_beside_a_bundle() {
    let (bundle, plain) = (whole(), tempfile::tempdir().unwrap());
    fs::write(plain.path().join("mine.wasm"), components::rule("healthy")).unwrap();
    fs::write(plain.path().join("oom-kill.disabled"), "").unwrap();
    fs::write(bundle.path().join("healthy.disabled"), "").unwrap();
    let reports = loaded(find(&[bundle.path(), plain.path()], &trusting("plain.pub")));
    let told: Vec<(&str, RuleStatus)> = reports.iter().map(|report| (report.id.as_str(), report.status)).collect();
    let failed = RuleStatus::Failed;
    assert_eq!(
        told,
        [
            ("another", RuleStatus::Fired),
            ("healthy", RuleStatus::Fired),
            ("healthy", failed),
            ("mine", failed),
            ("oom-kill", failed)
        ]
    );
    assert!(reports[2].reason.as_ref().unwrap().contains("it switches nothing off"), "{reports:?}");
}

#[test]
fn files_that_are_too_large_are_refused() {
    let directory = whole();
    fs::write(directory.path().join("healthy.wasm"), vec![0; (1 << 20) + 1]).unwrap();
    assert!(told(directory.path(), &trusting("plain.pub"), &[], now()).contains("healthy.wasm: it has more than the 1024 KiB"));
    let directory = whole();
    fs::write(directory.path().join(MANIFEST), vec![b'#'; 1 << 20]).unwrap();
    assert!(told(directory.path(), &Policy::default(), &[], now()).contains("bundle.yaml: it is larger than 256 KiB"));
    fs::write(directory.path().join(SIGNATURE), vec![b'#'; 1 << 20]).unwrap();
    assert!(told(directory.path(), &Policy::default(), &[], now()).contains("no signature of minisign"));
    fs::remove_file(directory.path().join(MANIFEST)).unwrap();
    fs::create_dir(directory.path().join(MANIFEST)).unwrap();
    assert!(told(directory.path(), &Policy::default(), &[], now()).contains("bundle.yaml is no regular file"));
    let directory = whole();
    (0..600).for_each(|number| fs::write(directory.path().join(format!("{number}.txt")), "").unwrap());
    assert!(told(directory.path(), &Policy::default(), &[], now()).contains("it has more than 512 files"));
}

/// An archive of headers as they are given.
fn archive(entries: &[(&str, tar::EntryType, &[u8])]) -> Vec<u8> {
    let mut bytes = Vec::new();
    for (name, kind, content) in entries {
        let mut header = tar::Header::new_ustar();
        header.as_mut_bytes()[..name.len()].copy_from_slice(name.as_bytes());
        header.set_size(content.len() as u64);
        header.set_entry_type(*kind);
        header.set_mode(0o644);
        header.set_cksum();
        bytes.extend_from_slice(header.as_bytes());
        bytes.extend_from_slice(content);
        bytes.resize(bytes.len().next_multiple_of(512), 0);
    }
    bytes.resize(bytes.len() + 1024, 0);
    bytes
}

#[test]
fn an_archive_holds_files_beside_each_other_and_nothing_else() {
    use tar::EntryType as Kind;
    let limits = Limits::default();
    let manifest = manifest().write();
    let of = |name: &str, kind: Kind, content: &[u8]| {
        let bytes = archive(&[(MANIFEST, Kind::Regular, manifest.as_bytes()), (name, kind, content)]);
        Files::of_tar(&bytes, &limits)
    };
    for (name, kind, words) in [
        ("../healthy.wasm", Kind::Regular, "which does not lie beside bundle.yaml"),
        ("/etc/healthy.wasm", Kind::Regular, "does not lie beside"),
        ("sub/healthy.wasm", Kind::Regular, "does not lie beside"),
        ("..", Kind::Regular, "does not lie beside"),
        ("healthy.wasm", Kind::Symlink, "which is no regular file"),
        ("healthy.wasm", Kind::Link, "no regular file"),
        ("healthy.wasm", Kind::Char, "no regular file"),
        ("healthy.wasm", Kind::Block, "no regular file"),
        ("healthy.wasm", Kind::Fifo, "no regular file"),
        ("healthy.wasm", Kind::GNUSparse, ""),
        ("sub", Kind::Directory, "no regular file"),
        (MANIFEST, Kind::Regular, "it holds bundle.yaml twice"),
    ] {
        let told = of(name, kind, b"").unwrap_err();
        assert!(told.contains(words) && !told.contains('\n'), "{name}: {told}");
    }
    assert!(of("./healthy.wasm", Kind::Regular, b"x").unwrap().components().contains_key("healthy.wasm"));
    assert!(of("./", Kind::Directory, b"").is_ok());
    assert!(of("\u{1b}[2J", Kind::Symlink, b"").unwrap_err().chars().all(|c| !c.is_control()));
    let name = vec![b'x'; 100_000];
    let long = archive(&[("././@LongLink", Kind::GNULongName, &name), ("x", Kind::Symlink, b"")]);
    let long = Files::of_tar(&long, &limits).unwrap_err();
    assert!(long.contains("a file whose name has 100000 bytes"), "{} bytes", long.len());
    let wide = check(&of("extra.txt", Kind::Regular, b"x").unwrap(), &Policy::default()).unwrap_err();
    assert!(wide.contains("it holds extra.txt, which is not in its bundle.yaml"), "{wide}");
}

#[test]
fn an_archive_that_would_grow_or_is_torn_is_refused() {
    use tar::EntryType as Kind;
    let limits = Limits::default();
    let many: Vec<String> = (0..600).map(|number| format!("{number}.txt")).collect();
    let many: Vec<_> = many.iter().map(|name| (name.as_str(), Kind::Regular, &b""[..])).collect();
    assert!(Files::of_tar(&archive(&many), &limits).unwrap_err().contains("more than 512 files"));
    let large = archive(&[("healthy.wasm", Kind::Regular, &vec![0; 2 << 20])]);
    let read = Files::of_tar(&large, &limits).unwrap();
    assert_eq!(read.components()["healthy.wasm"].len(), (1 << 20) + 1, "no more is kept than shows that it is too large");
    // A header may announce what never comes.
    let mut endless = archive(&[(MANIFEST, Kind::Regular, b"x")]);
    let mut header = tar::Header::from_byte_slice(&endless[..512]).clone();
    header.set_size(u64::MAX >> 1);
    header.set_cksum();
    endless[..512].copy_from_slice(header.as_bytes());
    assert!(Files::of_tar(&endless, &limits).is_err());
    let whole = bundle::tar(&files(&manifest())).unwrap();
    for end in [100, 512, 600, 1024, 2000] {
        let told = Files::of_tar(&whole[..end], &limits).and_then(|files| check(&files, &Policy::default()));
        assert!(told.is_err(), "{end}");
    }
    assert!(Files::of_tar(&[0x1f, 0x8b, 8, 0], &limits).unwrap_err().contains("it is compressed: unpack it"));
    assert!(Files::of_tar(b"", &limits).unwrap_err().contains("no tar archive with a bundle in it"));
    assert!(Files::of_tar(&[b'x'; 4096], &limits).is_err());
}

#[test]
fn what_a_file_is_called_does_not_make_it_a_bundle() {
    let directory = tempfile::tempdir().unwrap();
    let tar = directory.path().join("bundle.tar");
    fs::File::create(&tar).unwrap().write_all(b"no archive").unwrap();
    let reports = loaded(find(&[&tar], &Policy::default()));
    assert_eq!((reports.len(), reports[0].status), (1, RuleStatus::Failed), "{reports:?}");
    fs::write(&tar, bundle::tar(&signed(files(&manifest()))).unwrap()).unwrap();
    let reports = loaded(find(&[&tar], &trusting("plain.pub")));
    assert!(reports.iter().all(|report| report.status == RuleStatus::Fired), "{reports:?}");
}
