//! The compilers that are there, and which of them builds kernel programs and rules.
//!
//! Two are looked at: the one that runs this cargo (rustup's, or the distribution's) and `/usr/bin/rustc`. For
//! rules, and where none is ready-made for BPF, `-Zbuild-std` compiles the standard library's source (rustup's `rust-src`).
//! Either way the compiler is a stable one, so `RUSTC_BOOTSTRAP=1` stands in for a nightly where an unstable flag is needed.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::{Context, Result};

use crate::{command, paths};

/// The oldest compiler that builds kerno, as in the manifests' `rust-version`.
pub const OLDEST: (u32, u32) = (1, 95);
/// The version of bpf-linker that is installed where none is.
pub const LINKER: &str = "0.13.0";

const WASM: &str = "wasm32-unknown-unknown";
const BPF: &str = "bpfel-unknown-none";

/// A cargo and rustc with what they can build.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Compiler {
    pub cargo: PathBuf,
    pub rustc: PathBuf,
    /// Major and minor version.
    pub release: (u32, u32),
    /// Major version of its LLVM: a linker for its bitcode needs the same or a newer one.
    pub llvm: u32,
    /// A ready-made core library for bpfel-unknown-none.
    pub bpf: bool,
    /// The standard library's source.
    pub source: bool,
    /// The linker for wasm.
    pub lld: bool,
}

/// A bpf-linker.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Linker {
    pub path: PathBuf,
    pub version: (u32, u32),
    /// Major version of the LLVM it is linked with, when it says so.
    pub llvm: Option<u32>,
}

/// A compiler and a linker that build everything.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Toolchain {
    pub compiler: Compiler,
    pub linker: Linker,
}

/// A rule's stack: of the megabyte that is usual all but a few pages would be cleared for nothing before every evaluation. Its memory at
/// the start: as much as busy windows take, because growing costs the host a change of its mappings each time. And a panic is a trap:
/// nobody would see its message.
const RULE_FLAGS: [&str; 4] =
    ["-Clink-arg=-zstack-size=65536", "-Clink-arg=--initial-memory=196608", "-Zunstable-options", "-Cpanic=immediate-abort"];

impl Compiler {
    /// Asks the compiler what it is; `None` when it is not there.
    fn find(cargo: PathBuf, rustc: PathBuf) -> Option<Self> {
        let about = command::ask(Command::new(&rustc).arg("-vV").env_remove("LD_LIBRARY_PATH"))?;
        let sysroot = command::ask(Command::new(&rustc).args(["--print", "sysroot"]).env_remove("LD_LIBRARY_PATH"))?;
        let host = field(&about, "host: ")?;
        let rustlib = Path::new(sysroot.trim()).join("lib/rustlib");
        let lld = [rustlib.join(host).join("bin/rust-lld"), rustc.with_file_name("rust-lld")];
        Some(Self {
            cargo,
            release: version(field(&about, "release: ")?)?,
            llvm: version(field(&about, "LLVM version: ")?)?.0,
            bpf: rustlib.join(BPF).join("lib").is_dir(),
            source: rustlib.join("src/rust/library/Cargo.lock").is_file(),
            lld: lld.iter().any(|path| path.is_file()),
            rustc,
        })
    }

    /// Can it build rules?
    pub fn builds_rules(&self) -> bool {
        self.release >= OLDEST && self.lld && self.source
    }

    /// Can it build kernel programs, given a linker?
    pub fn builds_kernel_programs(&self) -> bool {
        self.release >= OLDEST && (self.bpf || self.source)
    }

    /// cargo with this compiler, building for `target` into `directory`, unstable flags allowed.
    fn cargo(&self, target: &str, ready: bool, library: &str, directory: &Path) -> Command {
        let mut cargo = Command::new(&self.cargo);
        // `cargo run` points LD_LIBRARY_PATH at its own compiler's libraries; this may be another compiler.
        cargo.env_remove("LD_LIBRARY_PATH").env_remove("RUSTFLAGS").env("RUSTC", &self.rustc).env("RUSTC_BOOTSTRAP", "1");
        cargo.args(["build", "--target", target, "--target-dir"]).arg(directory);
        if !ready {
            cargo.arg(format!("-Zbuild-std={library}"));
        }
        cargo
    }

    /// cargo, set to build rules, with the library's source: the ready-made one was compiled for speed, and with words for panics that
    /// nobody reads.
    pub fn rules_cargo(&self) -> Result<Command> {
        let mut cargo = self.cargo(WASM, false, "core,alloc", &paths::cross_target("rules")?);
        cargo.args(["--profile", "rule", "--lib"]).env("CARGO_ENCODED_RUSTFLAGS", RULE_FLAGS.join("\x1f"));
        Ok(cargo)
    }
}

impl Linker {
    /// Asks the linker what it is; `None` when it is not there.
    fn find(path: PathBuf) -> Option<Self> {
        let about = command::ask(Command::new(&path).arg("--version"))?;
        let version = version(field(&about, "bpf-linker ")?)?;
        let llvm = linked_llvm(&fs::read(&path).ok()?);
        Some(Self { path, version, llvm })
    }

    /// Does it read the bitcode that `compiler` writes?
    pub fn reads(&self, compiler: &Compiler) -> bool {
        self.version >= (0, 13) && self.llvm.is_none_or(|llvm| llvm >= compiler.llvm)
    }
}

impl Toolchain {
    /// cargo, set to build kernel programs.
    pub fn kernel_cargo(&self) -> Result<Command> {
        let mut cargo = self.compiler.cargo(BPF, self.compiler.bpf, "core", &paths::cross_target("ebpf")?);
        let flags = [format!("-Clinker={}", self.linker.path.display()), "-Cdebuginfo=2".into(), "-Clink-arg=--btf".into()];
        cargo.env("CARGO_ENCODED_RUSTFLAGS", flags.join("\x1f")).args(["--profile", "ebpf", "--bins"]);
        Ok(cargo)
    }
}

/// The compilers that are there, the one that runs this cargo first.
pub fn compilers() -> Vec<Compiler> {
    let mut found = Vec::new();
    if let Some(cargo) = env::var_os("CARGO").map(PathBuf::from) {
        // rustup's proxy honours RUSTUP_TOOLCHAIN; outside rustup the compiler lies beside its cargo.
        let rustc = env::var_os("RUSTC").map(PathBuf::from).unwrap_or_else(|| cargo.with_file_name("rustc"));
        found.extend(Compiler::find(cargo, rustc));
    }
    if found.iter().all(|compiler| compiler.rustc != Path::new("/usr/bin/rustc")) {
        found.extend(Compiler::find("/usr/bin/cargo".into(), "/usr/bin/rustc".into()));
    }
    found
}

/// The linkers that are there, the one installed by `cargo xtask setup` first.
pub fn linkers() -> Result<Vec<Linker>> {
    let installed = linker_root()?.join("bin");
    let path = env::var_os("PATH").unwrap_or_default();
    let directories = [installed].into_iter().chain(env::split_paths(&path));
    Ok(directories.map(|directory| directory.join("bpf-linker")).filter(|path| path.is_file()).filter_map(Linker::find).collect())
}

/// Where `cargo xtask setup` installs bpf-linker.
pub fn linker_root() -> Result<PathBuf> {
    Ok(paths::cache()?.join(format!("bpf-linker-{LINKER}")))
}

/// The first compiler that builds everything, with a linker that fits it.
pub fn choose(compilers: &[Compiler], linkers: &[Linker]) -> Option<Toolchain> {
    compilers.iter().filter(|compiler| compiler.builds_rules() && compiler.builds_kernel_programs()).find_map(|compiler| {
        let linker = linkers.iter().find(|linker| linker.reads(compiler))?;
        Some(Toolchain { compiler: compiler.clone(), linker: linker.clone() })
    })
}

/// The toolchain that builds kernel programs and rules.
pub fn find() -> Result<Toolchain> {
    choose(&compilers(), &linkers()?).context("no toolchain for kernel programs and rules: run `cargo xtask setup`")
}

/// The rest of the first line that starts with `name`.
fn field<'a>(text: &'a str, name: &str) -> Option<&'a str> {
    text.lines().find_map(|line| line.strip_prefix(name)).map(str::trim)
}

/// Major and minor of a version such as `1.96.0-nightly` or `22.1.8`.
pub fn version(text: &str) -> Option<(u32, u32)> {
    let mut parts = text.split(|character: char| !character.is_ascii_digit());
    Some((parts.next()?.parse().ok()?, parts.next()?.parse().ok()?))
}

/// The LLVM that a program is linked with, from the name of the shared library it asks for.
fn linked_llvm(program: &[u8]) -> Option<u32> {
    [&b"libLLVM.so."[..], b"libLLVM-"].iter().find_map(|name| {
        let start = program.windows(name.len()).position(|window| window == *name)? + name.len();
        let digits: Vec<u8> = program[start..].iter().copied().take_while(u8::is_ascii_digit).collect();
        str::from_utf8(&digits).ok()?.parse().ok()
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn compiler(llvm: u32) -> Compiler {
        let (cargo, rustc) = ("cargo".into(), "rustc".into());
        Compiler { cargo, rustc, release: (1, 96), llvm, bpf: true, source: true, lld: true }
    }

    fn linker(llvm: Option<u32>) -> Linker {
        Linker { path: "bpf-linker".into(), version: (0, 13), llvm }
    }

    #[test]
    fn versions_are_read_as_compilers_write_them() {
        assert_eq!(version("1.97.0-nightly"), Some((1, 97)));
        assert_eq!(version("22.1.8"), Some((22, 1)));
        assert_eq!(version("unknown"), None);
        assert_eq!(field("binary: rustc\nrelease: 1.96.0\nLLVM version: 22.1.8\n", "release: "), Some("1.96.0"));
    }

    #[test]
    fn a_linkers_llvm_is_read_from_the_library_it_needs() {
        assert_eq!(linked_llvm(b"\0libc.so.6\0libLLVM.so.22.1\0"), Some(22));
        assert_eq!(linked_llvm(b"\0libLLVM-19.so.1\0"), Some(19));
        assert_eq!(linked_llvm(b"\0libc.so.6\0"), None);
    }

    #[test]
    fn the_first_complete_compiler_is_chosen() {
        let bare = Compiler { bpf: false, source: false, ..compiler(22) };
        let chosen = choose(&[bare.clone(), compiler(22)], &[linker(Some(22))]);
        assert_eq!(chosen.map(|toolchain| toolchain.compiler), Some(compiler(22)));
        assert_eq!(choose(&[bare], &[linker(Some(22))]), None);
        assert_eq!(choose(&[compiler(22)], &[]), None);
    }

    #[test]
    fn a_linker_with_an_older_llvm_does_not_fit() {
        assert_eq!(choose(&[compiler(23)], &[linker(Some(22))]), None);
        assert!(choose(&[compiler(23)], &[linker(Some(22)), linker(Some(23))]).is_some());
        assert!(choose(&[compiler(23)], &[linker(None)]).is_some(), "a static one is upstream's, with the newest LLVM");
    }

    #[test]
    fn an_old_compiler_builds_nothing() {
        let old = Compiler { release: (1, 85), ..compiler(19) };
        assert!(!old.builds_rules() && !old.builds_kernel_programs());
    }
}
