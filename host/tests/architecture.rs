//! Keeps the arrows between the modules, and where each kind of line may stand.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stopped")]

use std::path::{Path, PathBuf};

/// A source file of the host: its path below `src`, its module, and its lines of code outside tests and comments.
struct File {
    path: String,
    module: String,
    lines: usize,
    code: String,
}

fn files() -> Vec<File> {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    let mut files = Vec::new();
    for path in rust_files(&source) {
        let text = std::fs::read_to_string(&path).unwrap();
        let path = path.strip_prefix(&source).unwrap().to_str().unwrap().to_owned();
        let module = path.split(['/', '.']).next().unwrap().to_owned();
        files.push(File { module, path, lines: text.lines().count(), code: code(&text) });
    }
    assert!(files.len() > 20, "the source tree was not found");
    files
}

fn rust_files(directory: &Path) -> Vec<PathBuf> {
    let mut found = Vec::new();
    for entry in std::fs::read_dir(directory).unwrap() {
        let path = entry.unwrap().path();
        if path.is_dir() {
            found.extend(rust_files(&path));
        } else if path.extension().is_some_and(|extension| extension == "rs") {
            found.push(path);
        }
    }
    found
}

/// A file's lines without comments, up to its tests.
fn code(text: &str) -> String {
    let lines = text.lines().take_while(|line| *line != "mod tests {");
    lines.filter(|line| !line.trim_start().starts_with("//")).collect::<Vec<_>>().join("\n")
}

/// Names of sibling modules that code mentions as `crate::name`, also inside `crate::{…}`.
fn siblings(code: &str) -> Vec<String> {
    let is_name = |character: char| character.is_alphanumeric() || character == '_';
    let first = |path: &str| path.trim_start().chars().take_while(|character| is_name(*character)).collect::<String>();
    let mut found = Vec::new();
    for (at, _) in code.match_indices("crate::") {
        let rest = &code[at + "crate::".len()..];
        let Some(group) = rest.strip_prefix('{') else {
            found.push(first(rest));
            continue;
        };
        let (mut depth, mut start) = (0_i32, 0);
        for (index, character) in group.char_indices() {
            depth += i32::from(character == '{') - i32::from(character == '}');
            if depth < 0 || depth == 0 && character == ',' {
                found.push(first(&group[start..index]));
                start = index + 1;
            }
            if depth < 0 {
                break;
            }
        }
    }
    found.retain(|name| !name.is_empty());
    found
}

#[test]
fn mentions_of_siblings_are_seen() {
    let code = "use crate::platform::{self, host};\nuse crate::{findings::{Finding, id}, report::text::left,\n};\nlet x = crate::agent::run();";
    assert_eq!(siblings(code), ["platform", "findings", "report", "agent"]);
}

#[test]
fn modules_use_only_what_lies_before_them() {
    let allowed = |module: &str| -> Option<&'static [&'static str]> {
        Some(match module {
            "platform" | "findings" | "artifacts" => &[],
            "collector" => &["platform", "artifacts"],
            "engine" => &["findings", "artifacts"],
            "yaml" => &["engine"],
            "bundle" => &["engine", "yaml"],
            "check" => &["platform", "collector"],
            "predict" => &["findings"],
            "report" => &["findings", "check", "predict"],
            "judge" => &["platform", "engine", "findings"],
            "reload" => &["bundle", "engine", "judge", "findings"],
            "agent" => &[
                "platform",
                "collector",
                "check",
                "bundle",
                "engine",
                "judge",
                "reload",
                "findings",
                "predict",
                "report",
                "artifacts",
            ],
            "cli" => &["platform", "collector", "engine", "bundle", "yaml", "judge", "findings", "report", "artifacts", "agent"],
            "lib" | "main" => &["cli"],
            _ => return None,
        })
    };
    for file in files() {
        let allowed = allowed(&file.module).unwrap_or_else(|| panic!("{} is a module that no arrow is drawn for", file.module));
        for sibling in siblings(&file.code) {
            assert!(sibling == file.module || allowed.contains(&sibling.as_str()), "{} uses crate::{sibling}", file.path);
        }
    }
}

/// No file but those whose path starts with one of `homes` may contain `needle`.
fn only_in(needle: &str, homes: &[&str]) {
    let files = files();
    for file in files.iter().filter(|file| !homes.iter().any(|home| file.path.starts_with(home))) {
        assert!(!file.code.contains(needle), "{} contains {needle:?}; its home is {homes:?}", file.path);
    }
}

#[test]
fn each_foreign_world_has_one_door() {
    only_in("aya::", &["collector/loader"]);
    only_in("wasmtime", &["engine"]);
    only_in("clap::", &["cli"]);
    only_in("anyhow::", &["cli"]);
    only_in("indicatif::", &["cli"]);
    only_in("env::var", &["cli"]);
    only_in("postcard::", &["agent", "engine", "judge/wire.rs"]);
    only_in("seccompiler::", &["judge/confine.rs"]);
    only_in("landlock::", &["judge/confine.rs"]);
    only_in("notify::", &["reload/watch.rs"]);
    only_in("minisign::", &["bundle"]);
    only_in("minisign_verify::", &["bundle"]);
    only_in("rpassword::", &["cli/rules/"]);
}

/// Opening, listing and testing files is the platform's work: so the paths of `/proc` and `/sys` that other modules write are
/// only words. The command line looks at directories, recordings and configurations that users name, the engine reads rules from them.
#[test]
fn only_the_platform_reads_the_hosts_files() {
    for needle in ["fs::read", "fs::File", "File::open", "read_to_string(", "OpenOptions", "read_dir("] {
        only_in(
            needle,
            &[
                "platform",
                "engine",
                "reload/reading.rs",
                "bundle/files.rs",
                "cli/config/",
                "cli/doctor.rs",
                "cli/precompile.rs",
                "cli/recording.rs",
                "cli/rules/",
                "cli/running.rs",
                "cli/whole.rs",
            ],
        );
    }
    // The other one's is a connection.
    only_in("BufReader", &["platform", "judge/process.rs"]);
    for file in files().iter().filter(|file| ["engine", "cli/"].iter().any(|home| file.path.starts_with(home))) {
        for path in ["\"/proc", "\"/sys"] {
            assert!(!file.code.contains(path), "{} reads files and names {path}", file.path);
        }
    }
}

#[test]
fn only_the_command_line_writes_to_the_standard_streams() {
    for needle in ["println!", "print!(", "eprint", "io::stdout", "io::stderr"] {
        only_in(needle, &["cli"]);
    }
}

#[test]
fn files_open_with_their_job_and_stay_short() {
    let source = Path::new(env!("CARGO_MANIFEST_DIR")).join("src");
    for file in files() {
        assert!(file.lines <= 600, "{} has {} lines", file.path, file.lines);
        let text = std::fs::read_to_string(source.join(&file.path)).unwrap();
        assert!(text.starts_with("//! "), "{} does not say its job in its first line", file.path);
        assert!(!file.path.ends_with("mod.rs"), "{}: a module's file stands beside its directory", file.path);
    }
}

#[test]
fn unsafe_code_stays_at_the_kernels_border() {
    only_in(
        "unsafe {",
        &[
            "collector/",
            "platform/clock.rs",
            "platform/memory.rs",
            "platform/privileges.rs",
            "artifacts.rs",
            "engine/ahead.rs",
            "engine/cpu_time.rs",
        ],
    );
    only_in("unsafe impl", &["collector/"]);
}
