//! What `fuzz/` kept, given to the same functions once more; and where a search begins, which must come through. The latter is
//! written to `fuzz/corpus` with `KERNO_BLESS=1`.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    reason = "a test that cannot go on says where it stopped, and so does a target"
)]

use std::fs;
use std::path::{Path, PathBuf};

#[path = "hostile/components.rs"]
mod components;
#[path = "corpus/seeds.rs"]
mod seeds;

#[path = "../../fuzz/src/manifest.rs"]
mod manifest;
#[path = "../../fuzz/src/module.rs"]
mod module;
#[path = "../../fuzz/src/recording.rs"]
mod recording;
#[path = "../../fuzz/src/wire.rs"]
mod wire;

type Target = fn(&[u8]) -> bool;

/// What is kept of a target below `fuzz`.
fn kept(what: &str, target: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../fuzz").join(what).join(target)
}

/// Gives a target its seeds, which come through unless their names say otherwise, and then what is kept of it.
fn tried(name: &str, target: Target, seeds: &[(String, Vec<u8>)]) {
    if std::env::var_os("KERNO_BLESS").is_some() {
        for (seed, bytes) in seeds {
            fs::write(kept("corpus", name).join(format!("seed-{seed}")), bytes).unwrap();
        }
    }
    for (seed, bytes) in seeds {
        let came_through = target(bytes);
        assert!(seed.starts_with("any-") || came_through != seed.starts_with("refused-"), "{name}: {seed}");
    }
    let mut number = 0;
    let files = ["corpus", "faults"].map(|what| fs::read_dir(kept(what, name)));
    // A target in which nothing was found has no directory of faults.
    for entry in files.into_iter().flatten().flatten() {
        let path = entry.unwrap().path();
        // A fault says nothing of the bytes that it is in: captured output does.
        print_name(&path);
        target(&fs::read(&path).unwrap());
        number += 1;
    }
    assert!(number >= 100, "{name}: only {number} files");
}

#[expect(clippy::print_stdout, reason = "shown of a test that fails")]
fn print_name(path: &Path) {
    println!("{}", path.display());
}

#[test]
fn bundles() {
    tried("manifest", manifest::run, &seeds::bundles());
}

#[test]
fn rules() {
    tried("module", module::run, &seeds::rules());
}

#[test]
fn recordings() {
    tried("recording", recording::run, &seeds::recordings());
}

#[test]
fn messages() {
    tried("wire", wire::run, &seeds::messages());
}
