//! What this machine has: looked up once, so that the plan is a pure function of it.

use std::collections::BTreeSet;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::{env, fs};

use anyhow::Result;

use super::tools::{self, Tool};
use crate::clang::Clang;
use crate::command;
use crate::toolchain::{self, Compiler, Linker};

/// What was found. Nothing in here is a decision.
#[derive(Clone, Debug, Default)]
pub struct Facts {
    /// The compilers, the one that runs this cargo first.
    pub compilers: Vec<Compiler>,
    /// The linkers for kernel programs.
    pub linkers: Vec<Linker>,
    /// The first compiler is rustup's: components can be added to it.
    pub rustup: bool,
    /// A compiler for rules in C.
    pub clang: Option<Clang>,
    /// LLVM's development files, by major version.
    pub llvm: Vec<Llvm>,
    /// The release's code name, on Debian and what derives from it; `None` elsewhere.
    pub debian: Option<String>,
    /// The packages of ours that are installed, where dpkg can tell.
    pub packages: BTreeSet<String>,
    /// The programs of ours that are in the path.
    pub programs: BTreeSet<String>,
    /// QEMU's major and minor version.
    pub qemu: Option<(u32, u32)>,
    /// Packages can be installed by this user.
    pub root: bool,
}

/// One LLVM with its development files.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Llvm {
    pub prefix: PathBuf,
    pub major: u32,
}

impl Facts {
    /// Looks at this machine. Needs neither root nor network.
    pub fn gather() -> Result<Self> {
        let compilers = toolchain::compilers();
        let path = search_path();
        let has = |program: &&str| path.iter().any(|directory| directory.join(program).is_file());
        let wanted = tools::GUESTS.iter().flat_map(|tool| tool.programs);
        let version = command::ask(Command::new("qemu-system-x86_64").arg("--version"));
        Ok(Self {
            linkers: toolchain::linkers()?,
            clang: Clang::find(),
            rustup: env::var_os("RUSTUP_TOOLCHAIN").is_some() && has(&"rustup"),
            llvm: llvm(&path),
            debian: if has(&"apt-get") {
                fs::read_to_string("/etc/os-release").ok().and_then(|text| code_name(&text))
            } else {
                None
            },
            packages: packages(),
            programs: wanted.copied().filter(has).map(String::from).collect(),
            qemu: version.as_deref().and_then(|text| toolchain::version(text.strip_prefix("QEMU emulator version ")?)),
            root: command::ask(Command::new("id").arg("-u")).is_some_and(|id| id.trim() == "0"),
            compilers,
        })
    }

    /// Is the tool there? A package's word counts first; a machine without dpkg is asked for the programs.
    pub fn has(&self, tool: &Tool) -> bool {
        let present = self.packages.contains(tool.package)
            || self.debian.is_none() && tool.programs.iter().all(|program| self.programs.contains(*program));
        present && (tool.package != tools::QEMU || self.qemu.is_some_and(|version| version >= tools::OLDEST_QEMU))
    }
}

/// The directories programs are looked for in; system tools lie in `sbin`, which users' paths leave out.
fn search_path() -> Vec<PathBuf> {
    let mut path: Vec<_> = env::split_paths(&env::var_os("PATH").unwrap_or_default()).collect();
    path.extend(["/usr/local/sbin", "/usr/sbin", "/sbin"].map(PathBuf::from));
    path
}

/// Every LLVM with an `llvm-config`: under Debian's versioned prefixes, and the plain one of other distributions.
fn llvm(path: &[PathBuf]) -> Vec<Llvm> {
    let versioned = (21..=23).map(|major| PathBuf::from(format!("/usr/lib/llvm-{major}/bin/llvm-config")));
    let plain = path.iter().map(|directory| directory.join("llvm-config"));
    let mut found: Vec<Llvm> = Vec::new();
    for config in versioned.chain(plain).filter(|config| config.is_file()) {
        let say = |what| command::ask(Command::new(&config).arg(what)).map(|text| text.trim().to_owned());
        let Some((prefix, (major, _))) = say("--prefix").zip(say("--version").as_deref().and_then(toolchain::version)) else {
            continue;
        };
        let llvm = Llvm { prefix: Path::new(&prefix).to_path_buf(), major };
        if !found.contains(&llvm) {
            found.push(llvm);
        }
    }
    found
}

/// Which of the packages that set-up knows are installed.
fn packages() -> BTreeSet<String> {
    let names = tools::TOOLCHAIN.iter().chain(&tools::LLVM).copied().chain(tools::GUESTS.iter().map(|tool| tool.package));
    let query = ["-W", "-f", "${Package} ${db:Status-Status}\n"];
    // dpkg-query fails when it knows one of the names not at all, and still prints the others.
    let output = Command::new("dpkg-query").args(query).args(names).output();
    output.map(|output| installed(&String::from_utf8_lossy(&output.stdout))).unwrap_or_default()
}

/// The names on lines `name installed`.
fn installed(text: &str) -> BTreeSet<String> {
    text.lines().filter_map(|line| line.strip_suffix(" installed")).map(String::from).collect()
}

/// The release's code name, when the machine is Debian or says that it is like it.
fn code_name(os_release: &str) -> Option<String> {
    let value = |key: &str| {
        os_release.lines().find_map(|line| line.strip_prefix(key)?.strip_prefix('=')).map(|value| value.trim_matches('"'))
    };
    let family = [value("ID"), value("ID_LIKE")].into_iter().flatten().any(|ids| ids.split(' ').any(|id| id == "debian"));
    if family { value("VERSION_CODENAME").map(String::from) } else { None }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_installed_packages_count() {
        let found = installed("zstd installed\nfio not-installed\nkmod config-files\n");
        assert_eq!(found.into_iter().collect::<Vec<_>>(), ["zstd"]);
    }

    #[test]
    fn the_code_name_is_debians_or_a_derivatives() {
        assert_eq!(code_name("ID=debian\nVERSION_CODENAME=bookworm\n").as_deref(), Some("bookworm"));
        assert_eq!(code_name("ID=ubuntu\nID_LIKE=debian\nVERSION_CODENAME=noble\n").as_deref(), Some("noble"));
        assert_eq!(code_name("ID=fedora\nVERSION_CODENAME=\"\"\n"), None);
    }

    #[test]
    fn a_qemu_that_crashes_guests_is_not_there() {
        let Some(qemu) = tools::GUESTS.iter().find(|tool| tool.package == tools::QEMU) else { panic!("no QEMU in the table") };
        let packages = BTreeSet::from([tools::QEMU.to_owned()]);
        let facts =
            |version| Facts { packages: packages.clone(), qemu: version, debian: Some("bookworm".into()), ..Facts::default() };
        assert!(!facts(Some((7, 2))).has(qemu));
        assert!(!facts(None).has(qemu));
        assert!(facts(Some((10, 0))).has(qemu));
    }
}
