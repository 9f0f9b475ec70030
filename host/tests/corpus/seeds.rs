//! Where a search begins: what people and kerno itself write.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::sync::Arc;

use kerno::bundle::{Files, tar};
use kerno::engine::{Candidate, Limits, Quantity, Runtime, Settings, Unit, component_of};
use kerno_signals::Snapshot;
use kerno_signals::recording::{Form, write};
use serde::Serialize;

use crate::components::{hostile, rule};

type Seeds = Vec<(String, Vec<u8>)>;

fn here(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}

fn files(directory: &Path, extension: &str) -> Vec<(String, PathBuf)> {
    let entries = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path());
    let mut files: Vec<_> = entries
        .filter(|path| path.extension().is_some_and(|other| other == extension))
        .map(|path| (path.file_stem().unwrap().to_str().unwrap().to_owned(), path))
        .collect();
    files.sort();
    files
}

/// Recorded windows of the rules.
fn windows() -> Vec<(String, Snapshot)> {
    let mut windows = Vec::new();
    for entry in fs::read_dir(here("../rules-builtin")).unwrap() {
        let directory = entry.unwrap().path().join("fixtures");
        for (name, path) in if directory.is_dir() { files(&directory, "json") } else { Vec::new() } {
            let of = directory.parent().unwrap().file_name().unwrap().to_str().unwrap();
            windows.push((format!("{of}-{name}"), serde_json::from_slice(&fs::read(path).unwrap()).unwrap()));
        }
    }
    windows.sort_by(|a, b| a.0.cmp(&b.0));
    windows
}

/// Every hostile rule; what each does is known to another test.
pub fn rules() -> Seeds {
    const JUDGED: [&str; 3] = ["healthy", "second", "needs-sched"];
    let name = |stem: &str| if JUDGED.contains(&stem) { stem.to_owned() } else { format!("any-{stem}") };
    let mut seeds: Seeds = files(&here("tests/hostile/rules"), "wat").iter().map(|(stem, _)| (name(stem), rule(stem))).collect();
    let strangers = files(&here("tests/hostile"), "wat").into_iter().filter(|(stem, _)| stem != "rule");
    seeds.extend(strangers.map(|(stem, _)| (format!("refused-{stem}"), wat::parse_str(hostile(&stem)).unwrap())));
    seeds
}

pub fn recordings() -> Seeds {
    let forms = |(name, window): (String, Snapshot)| {
        [
            (format!("{name}.bin"), write(&window, Form::Packed).unwrap()),
            (format!("{name}.json"), write(&window, Form::Json).unwrap()),
            (format!("{name}.snapshot"), postcard::to_stdvec(&window).unwrap()),
        ]
    };
    windows().into_iter().flat_map(forms).collect()
}

/// The one that the real minisign signed, in all of its parts; and manifests that say more.
pub fn bundles() -> Seeds {
    let read = |name: &str| fs::read(here("tests/bundle").join(name)).unwrap();
    let [manifest, signature, component] =
        ["bundle.yaml", "bundle.yaml.minisig", "healthy.wasm"].map(|name| read(&format!("real/{name}")));
    let files = Files::new(manifest.clone(), Some(signature.clone()), BTreeMap::from([("healthy.wasm".to_owned(), component)]));
    let more = "# by hand\nformat: 1\nname: 'site-rules'\nrevision: 7\nexpires: 2027-01-31T00:00:00Z\nrules:\n  - {id: a, version: \"1.0\", \
                file: a.wasm, sha256: DIGEST, replaces: true, params: {p99_warning: 50ms, share: 2%, size: 512MiB, calls: 20}}\n  - id: b\n    \
                version: 1\n    file: b.wasm\n    sha256: >-\n      DIGEST\n";
    let long_names = "name: [\nformat: 2\nrules: {}\nnmae: x\nname: &a y\n";
    vec![
        ("signed.yaml".to_owned(), manifest),
        ("more.yaml".to_owned(), more.replace("DIGEST", &"0123456789abcdef".repeat(4)).into_bytes()),
        ("refused-mistakes.yaml".to_owned(), long_names.into()),
        ("signed.tar".to_owned(), tar(&files).unwrap()),
        ("unsigned.tar".to_owned(), tar(&files.unsigned()).unwrap()),
        ("refused-signature.minisig".to_owned(), signature),
        ("refused-legacy.minisig".to_owned(), read("legacy.minisig")),
        ("refused-key.pub".to_owned(), read("plain.pub")),
    ]
}

/// A message as it is sent: its length, the number of its kind, and what is in it.
fn message(kind: u8, holds: &impl Serialize) -> Vec<u8> {
    let holds = postcard::to_stdvec(holds).unwrap();
    [&(1 + holds.len() as u64).to_le_bytes()[..], &[kind], &holds].concat()
}

/// One of each kind, and all that is said from the beginning to the end.
pub fn messages() -> Seeds {
    let candidate = |name: &str| Candidate::in_memory(PathBuf::from(format!("{name}.wasm")), rule(name));
    let (_, window) = windows().remove(0);
    let packed = postcard::to_stdvec(&window).unwrap();
    let parameters = BTreeMap::from([("seconds".to_owned(), Quantity { value: 0.05, unit: Some(Unit::Seconds) })]);
    let settings = Settings {
        parameters: BTreeMap::from([("healthy".to_owned(), parameters)]),
        disabled: ["second".to_owned()].into(),
        ..Settings::default()
    };
    let off = BTreeMap::from([("second".to_owned(), "switched off".to_owned())]);
    let requests = [
        message(0, &(Limits::default(), 0_u8)),
        message(1, &(settings, off)),
        message(2, &candidate("healthy")),
        [&message(3, &())[..], &(packed.len() as u64).to_le_bytes(), &packed].concat(),
        message(4, &([0_usize, 1, 300], 1_u8)),
        message(5, &(0_usize, candidate("healthy"))),
        message(6, &b"\0asm".to_vec()),
        message(7, &candidate("second")),
    ];

    let mut rules = Runtime::new(&Limits::default()).unwrap().without_rules(Settings::default(), BTreeMap::new());
    let described = ["healthy", "second", "traps", "shared-text", "needs-sched"].map(|name| rules.add(candidate(name)));
    let window = Arc::new(window);
    let mut replies =
        vec![message(0, &Ok::<(), ()>(())), message(2, &Ok::<(), String>(())), message(2, &Err::<(), _>("no snapshot"))];
    replies.extend(described.iter().map(|one| message(1, one)));
    replies.extend(rules.judge_decoded(&window).iter().map(|report| message(3, &(report, false))));
    replies.push(message(4, &rules.bench(0, candidate("healthy"), &window)));
    replies.push(message(5, &component_of(b"\0asm\x01\0\0\0\x7f".to_vec())));
    replies.push(message(6, &Ok::<_, String>(b"code".to_vec())));

    let mut seeds = Seeds::new();
    for (side, said) in [("requests", &requests[..]), ("replies", &replies)] {
        seeds.extend(said.iter().enumerate().map(|(number, one)| (format!("{side}-{number:02}"), one.clone())));
        seeds.push((side.to_owned(), said.concat()));
    }
    seeds
}
