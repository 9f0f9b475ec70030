//! The C compiler for rules: a clang that has the target wasm32, and a linker for it.

use std::env;
use std::path::{Path, PathBuf};
use std::process::Command;

use crate::command;

/// The newest of Debian's versioned names that is looked for.
const NEWEST: u32 = 29;
/// The oldest clang that the example in C was built with.
pub const OLDEST: u32 = 14;

/// A clang and a linker that go together.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Clang {
    pub path: PathBuf,
    /// Its `wasm-ld`.
    pub linker: PathBuf,
}

impl Clang {
    /// The first that is complete: the plain name, then versioned ones, the newest first. Needs neither root nor network.
    pub fn find() -> Option<Self> {
        let path = env::var_os("PATH").unwrap_or_default();
        let directories: Vec<PathBuf> = env::split_paths(&path).collect();
        let versions = (OLDEST..=NEWEST).rev().map(|version| format!("-{version}"));
        [String::new()].into_iter().chain(versions).find_map(|suffix| Self::of(&directories, &suffix))
    }

    fn of(directories: &[PathBuf], suffix: &str) -> Option<Self> {
        let program = |name: String| directories.iter().map(|directory| directory.join(&name)).find(|path| path.is_file());
        let path = program(format!("clang{suffix}"))?;
        let targets = command::ask(Command::new(&path).arg("--print-targets"))?;
        let version = command::ask(Command::new(&path).arg("-dumpversion"))?;
        if !has_wasm32(&targets) || crate::toolchain::version(version.trim())?.0 < OLDEST {
            return None;
        }
        // clang looks beside itself as well, and where it finds nothing says the name alone.
        let own = command::ask(Command::new(&path).arg("--print-prog-name=wasm-ld"))?;
        let own = Some(Path::new(own.trim()).to_path_buf()).filter(|linker| linker.is_absolute());
        let linker = own.or_else(|| program(format!("wasm-ld{suffix}")))?;
        Some(Self { path, linker })
    }
}

/// Whether a line of the list is the target's: `    wasm32     - WebAssembly 32-bit`.
fn has_wasm32(targets: &str) -> bool {
    targets.lines().any(|line| line.split_whitespace().next() == Some("wasm32"))
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    #[test]
    fn a_target_is_a_line_of_its_own() {
        assert!(has_wasm32("  Registered Targets:\n    bpf    - BPF\n    wasm32 - WebAssembly 32-bit\n"));
        assert!(!has_wasm32("  Registered Targets:\n    wasm64 - not wasm32\n"));
    }

    #[test]
    fn only_a_complete_clang_is_found() {
        let place = env::temp_dir().join(format!("kerno-clang-{}", std::process::id()));
        fs::create_dir_all(&place).unwrap();
        let program = |name: &str, version: &str, linker: &str| {
            let text = format!(
                "#!/bin/sh\ncase $1 in\n--print-targets) echo '  wasm32 - it' ;;\n-dumpversion) echo {version} ;;\n*) echo {linker} ;;\nesac\n"
            );
            fs::write(place.join(name), text).unwrap();
            fs::set_permissions(place.join(name), fs::Permissions::from_mode(0o755)).unwrap();
        };
        program("clang", "13.0.1", "/l/wasm-ld");
        program("clang-14", "14.0.6", "/l/wasm-ld");
        program("clang-22", "22.1.8", "wasm-ld");
        let of = |suffix| Clang::of(std::slice::from_ref(&place), suffix);
        let (old, beside, bare) = (of(""), of("-14"), of("-22"));
        program("wasm-ld-22", "22.1.8", "");
        let completed = of("-22");
        let missing = of("-23");
        fs::remove_dir_all(&place).unwrap();
        assert_eq!((old, bare, missing), (None, None, None));
        assert_eq!(beside.map(|clang| clang.linker), Some("/l/wasm-ld".into()));
        assert_eq!(completed.map(|clang| clang.linker), Some(place.join("wasm-ld-22")));
    }
}
