//! The initramfs that guests boot: busybox, an init script, modules, and the tools that jobs call.

use std::collections::BTreeSet;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result};

use super::cpio::Archive;
use super::kernel::Kernel;
use super::modules;
use crate::command;

const INIT: &str = include_str!("../../guest/init.sh");

/// Tools with their places in the guest. busybox is not among them: it is named where it is needed.
const TOOLS: &[(&str, bool)] = &[
    ("dmsetup", true),
    ("mkfs.ext4", true),
    ("ip", true),
    ("tc", true),
    ("bpftool", true),
    ("runqlat", true),
    ("biolatency", true),
    ("syscount", true),
    ("stress-ng", false),
    ("fio", false),
];

/// Builds the archive of a kernel's guests.
pub fn build(kernel: &Kernel) -> Result<Vec<u8>> {
    let busybox = fs::read("/bin/busybox").context("cannot read /bin/busybox; install busybox-static")?;
    let mut files: Vec<(String, Vec<u8>)> = vec![("init".into(), INIT.into()), ("bin/busybox".into(), busybox)];
    let mut libraries = BTreeSet::new();
    for (tool, required) in TOOLS {
        let Some(path) = which(tool) else {
            anyhow::ensure!(!required, "{tool} is not installed, and guests need it; run `cargo xtask setup`");
            continue;
        };
        libraries.extend(shared_libraries(&path)?);
        let content = fs::read(&path).with_context(|| format!("cannot read {}", path.display()))?;
        files.push((format!("usr/sbin/{tool}"), content));
    }
    for library in libraries {
        let content = fs::read(&library).with_context(|| format!("cannot read {}", library.display()))?;
        files.push((relative(&library), content));
    }
    let modules = modules::collect(kernel)?;
    files.push((format!("lib/modules/{}/modules.dep", kernel.release), modules.dependencies.into_bytes()));
    files.extend(modules.files);
    archive(&files)
}

fn archive(files: &[(String, Vec<u8>)]) -> Result<Vec<u8>> {
    let mut directories = BTreeSet::from(["dev".to_owned()]);
    for (path, _) in files {
        let parents = Path::new(path).ancestors().skip(1).filter(|parent| !parent.as_os_str().is_empty());
        directories.extend(parents.map(|parent| parent.display().to_string()));
    }
    let mut archive = Archive::new(Vec::new());
    for directory in directories {
        archive.directory(&directory)?;
    }
    archive.character_device("dev/console", 5, 1)?;
    for (path, content) in files {
        archive.file(path, content)?;
    }
    Ok(archive.finish()?)
}

/// A program's place, by PATH and the directories of system tools that users' PATHs often lack.
pub fn which(program: &str) -> Option<PathBuf> {
    let path = std::env::var("PATH").unwrap_or_default();
    let directories = path.split(':').chain(["/usr/sbin", "/sbin", "/usr/bin", "/bin"]);
    directories.map(|directory| Path::new(directory).join(program)).find(|candidate| candidate.is_file())
}

/// The shared libraries of a program, its loader included, under the paths by which it asks for them. None for a static one.
pub fn shared_libraries(program: &Path) -> Result<Vec<PathBuf>> {
    // ldd fails on a static program; a missing library is found when the guest runs it.
    let text = command::ask(Command::new("ldd").arg(program)).unwrap_or_default();
    Ok(text.split_whitespace().filter(|word| word.starts_with('/')).map(PathBuf::from).collect())
}

/// A path of this machine as a path below the guest's root.
pub fn relative(path: &Path) -> String {
    path.display().to_string().trim_start_matches('/').to_owned()
}
