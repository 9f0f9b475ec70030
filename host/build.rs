//! Finds the eBPF objects and rule components that `cargo xtask build` made and embeds them in the library, and the SDK for rules.
//!
//! They are looked for in `$KERNO_ARTIFACTS` (default: `target/kerno` in the workspace). One that is absent becomes `None`, which
//! the binary reports as "not built in", so that `cargo test` works without a BPF or wasm toolchain. With
//! `KERNO_REQUIRE_ARTIFACTS=1` an absent one is an error: packages and CI are not made without them. Native code of the rules is made by
//! the `kerno` of an earlier build; without it they are compiled when kerno runs.

use std::error::Error;
use std::fmt::Write as _;
use std::path::{Path, PathBuf};
use std::time::SystemTime;
use std::{env, fs};

/// The kernel programs' objects; each is a binary of `ebpf/programs`.
const COLLECTORS: [&str; 5] = ["block", "fd", "oom", "tasks", "tcp"];

fn main() -> Result<(), Box<dyn Error>> {
    println!("cargo::rerun-if-changed=build.rs");
    println!("cargo::rerun-if-env-changed=KERNO_ARTIFACTS");
    println!("cargo::rerun-if-env-changed=KERNO_REQUIRE_ARTIFACTS");
    let workspace = Path::new(&env::var("CARGO_MANIFEST_DIR")?).join("..").canonicalize()?;
    let artifacts = match env::var_os("KERNO_ARTIFACTS") {
        Some(directory) if !directory.is_empty() => workspace.join(directory),
        _ => workspace.join("target/kerno"),
    };
    let ebpf = watched(artifacts.join("ebpf"))?;
    let rules = watched(artifacts.join("rules"))?;
    let native = watched(artifacts.join("native"))?;

    let objects: Vec<_> = COLLECTORS.iter().map(|name| (name.to_string(), ebpf.join(format!("{name}.bpf.o")))).collect();
    let ids = rule_ids(&workspace.join("rules-builtin"))?;
    let components: Vec<_> = ids.into_iter().map(|id| (id.clone(), rules.join(format!("{id}.wasm")))).collect();
    let native: Vec<_> = components.iter().map(|(id, component)| native_code(&native, id, component)).collect();

    if env::var("KERNO_REQUIRE_ARTIFACTS").is_ok_and(|value| value == "1") {
        for (_, path) in objects.iter().chain(&components).filter(|(_, path)| !path.is_file()) {
            println!("cargo::error={} is absent and KERNO_REQUIRE_ARTIFACTS=1: run `cargo xtask build` first", path.display());
        }
    }
    let text = source(&objects, &components, &native)? + &sdk(&workspace)?;
    fs::write(Path::new(&env::var("OUT_DIR")?).join("artifacts.rs"), text)?;
    Ok(())
}

/// Makes `directory` if it is absent and has cargo watch it: a watched path that is absent would rebuild the crate every time, one
/// that is newer than this run the next time.
fn watched(directory: PathBuf) -> Result<PathBuf, Box<dyn Error>> {
    if !directory.is_dir() {
        fs::create_dir_all(&directory)?;
        fs::File::open(&directory)?.set_modified(SystemTime::UNIX_EPOCH)?;
    }
    println!("cargo::rerun-if-changed={}", directory.display());
    Ok(directory)
}

/// The built-in rules' ids, in order: the directories of `rules-builtin`. A new one is a new line in the workspace's manifest, which
/// is watched in its place: the rules' sources are no business of this crate.
fn rule_ids(directory: &Path) -> Result<Vec<String>, Box<dyn Error>> {
    println!("cargo::rerun-if-changed=../Cargo.toml");
    let mut ids = Vec::new();
    for entry in fs::read_dir(directory)? {
        let entry = entry?;
        if entry.path().join("Cargo.toml").is_file() {
            ids.push(entry.file_name().into_string().map_err(|name| format!("{} is not UTF-8", name.display()))?);
        }
    }
    ids.sort();
    Ok(ids)
}

/// Native code of a rule's component, which an earlier build of kerno made; none when it was made of another component.
fn native_code(directory: &Path, id: &str, component: &Path) -> Option<PathBuf> {
    let made_of = fs::read(directory.join(format!("{id}.wasm"))).ok()?;
    let code = directory.join(format!("{id}.cwasm"));
    (fs::read(component).is_ok_and(|component| component == made_of) && code.is_file()).then_some(code)
}

/// The generated part of `src/artifacts.rs`. Objects are aligned, because ELF headers are read in place.
fn source(
    objects: &[(String, PathBuf)],
    components: &[(String, PathBuf)],
    native: &[Option<PathBuf>],
) -> Result<String, Box<dyn Error>> {
    let mut text = String::from("static EBPF_OBJECTS: &[(&str, Option<&Aligned<[u8]>>)] = &[\n");
    for (name, path) in objects {
        let value = if path.is_file() { format!("Some(&Aligned(*include_bytes!({path:?})))") } else { "None".into() };
        writeln!(text, "    ({name:?}, {value}),")?;
    }
    text.push_str("];\n\n/// The built-in rules by id, each as a component, `None` when it was not built in.\n");
    text.push_str("pub const BUILT_IN_RULES: &[(&str, Option<&[u8]>)] = &[\n");
    for (id, path) in components {
        let value = if path.is_file() { format!("Some(include_bytes!({path:?}))") } else { "None".into() };
        writeln!(text, "    ({id:?}, {value}),")?;
    }
    text.push_str("];\n\nstatic NATIVE_CODE: &[Option<&[u8]>] = &[\n");
    for path in native {
        match path {
            Some(path) => writeln!(text, "    Some(include_bytes!({path:?})),")?,
            None => text.push_str("    None,\n"),
        }
    }
    text.push_str("];\n");
    Ok(text)
}

/// What a rule outside of this tree is built with, as it lies here.
const SDK: [&str; 4] = ["ebpf/common", "host/signals", "rules-sdk", "wit/v1"];

/// The SDK's files by their paths, and a manifest for them.
fn sdk(workspace: &Path) -> Result<String, Box<dyn Error>> {
    let mut files = Vec::new();
    for directory in SDK {
        println!("cargo::rerun-if-changed=../{directory}");
        find_files(&workspace.join(directory), &mut files)?;
    }
    files.push(workspace.join("LICENSE"));
    files.sort();
    let manifest = sdk_manifest(workspace)?;
    let mut text = format!("\nstatic SDK: &[(&str, &str)] = &[\n    (\"Cargo.toml\", {manifest:?}),\n");
    for file in files {
        writeln!(text, "    ({:?}, include_str!({file:?})),", file.strip_prefix(workspace)?)?;
    }
    text.push_str("];\n");
    Ok(text)
}

/// A workspace of the SDK's crates. Versions and lints are this tree's, profiles the rule's own.
fn sdk_manifest(workspace: &Path) -> Result<String, Box<dyn Error>> {
    println!("cargo::rerun-if-changed=../LICENSE");
    let (mut members, mut manifests) = (Vec::new(), String::new());
    for directory in SDK {
        let manifest = workspace.join(directory).join("Cargo.toml");
        if manifest.is_file() {
            members.push(directory);
            manifests += &fs::read_to_string(manifest)?;
        }
    }
    let whole = fs::read_to_string(workspace.join("Cargo.toml"))?;
    let shared = whole.split_once("[workspace.package]").and_then(|(_, rest)| rest.split_once("\n# One profile"));
    let (package, rest) = shared.and_then(|(shared, _)| shared.split_once("[workspace.dependencies]")).ok_or("no shared part")?;
    let (dependencies, lints) = rest.split_once("\n[").ok_or("nothing follows the dependencies")?;
    let is_used = |line: &&str| {
        let name = line.split(' ').next().unwrap_or_default();
        !name.is_empty()
            && [".workspace = true", " = { workspace = true"].iter().any(|end| manifests.contains(&format!("\n{name}{end}")))
    };
    let used: Vec<&str> = dependencies.lines().filter(is_used).collect();
    Ok(format!(
        "[workspace]\nresolver = \"3\"\nmembers = {members:?}\n\n[workspace.package]{package}[workspace.dependencies]\n{}\n\n[{lints}",
        used.join("\n")
    ))
}

fn find_files(directory: &Path, found: &mut Vec<PathBuf>) -> std::io::Result<()> {
    for entry in fs::read_dir(directory)? {
        let path = entry?.path();
        if path.is_dir() {
            find_files(&path, found)?;
        } else if path.extension().is_some_and(|extension| ["rs", "toml", "wit", "md"].iter().any(|kind| extension == *kind)) {
            found.push(path);
        }
    }
    Ok(())
}
