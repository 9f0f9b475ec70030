//! Whether this machine can run guests at all.

use std::fs;
use std::process::Command;

use super::initramfs::which;
use super::qemu;
use crate::command;
use crate::setup::tools;

/// Why guests cannot run, and what to do.
pub fn missing() -> Option<String> {
    if std::env::consts::ARCH != "x86_64" {
        return Some(format!(
            "guests are x86-64 machines and run x86-64 programs; this machine builds for {}",
            std::env::consts::ARCH
        ));
    }
    for tool in &tools::GUESTS {
        if let Some(program) = tool.programs.iter().find(|program| which(program).is_none()) {
            return Some(format!("{program} is not installed (package {}); run `cargo xtask setup`", tool.package));
        }
    }
    if !fs::read("/bin/busybox").is_ok_and(|bytes| is_static(&bytes)) {
        return Some("busybox is not a static program; install Debian's busybox-static".into());
    }
    let version = command::ask(Command::new(qemu::PROGRAM).arg("--version")).unwrap_or_default();
    match major(&version) {
        Some(major) if major >= tools::OLDEST_QEMU.0 => None,
        _ => Some(format!(
            "this QEMU (\"{}\") crashes guests at random; run `cargo xtask setup`",
            version.lines().next().unwrap_or_default()
        )),
    }
}

/// A static ELF program has no interpreter and so does not name the dynamic loader.
fn is_static(program: &[u8]) -> bool {
    !program.windows(7).take(8192).any(|bytes| bytes == b"/lib64/")
}

fn major(version: &str) -> Option<u32> {
    version.split("version ").nth(1)?.split('.').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_major_version_is_read() {
        assert_eq!(major("QEMU emulator version 10.0.2 (Debian 1:10.0.2+ds-2)\n"), Some(10));
        assert_eq!(major("QEMU emulator version 7.2.17"), Some(7));
        assert_eq!(major(""), None);
    }
}
