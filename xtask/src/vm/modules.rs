//! The kernel modules that guests need, with those that they depend on, uncompressed.

use std::collections::BTreeMap;
use std::fs;
use std::path::Path;
use std::process::Command;

use anyhow::{Context, Result};

use super::kernel::Kernel;
use crate::command;

/// Loaded at boot, or by a scenario with `modprobe`. What a kernel has built in, or does not have, is passed over.
const WANTED: &[&str] = &[
    "act_mirred",
    "brd",
    "btrfs",
    "configfs",
    "crc32c_generic",
    "dm_crypt",
    "dm_delay",
    "dm_flakey",
    "dm_mod",
    "ext4",
    "fuse",
    "ifb",
    "inet_diag",
    "ip6table_filter",
    "iptable_filter",
    "loop",
    "null_blk",
    "overlay",
    "sch_fq",
    "sch_htb",
    "sch_netem",
    "sch_tbf",
    "scsi_debug",
    "sd_mod",
    "tcp_diag",
    "tun",
    "veth",
    "virtio_blk",
    "virtio_console",
    "virtio_pci",
    "xfs",
    "zram",
];

/// Module files by their path in the guest, and a `modules.dep` for them.
pub struct Modules {
    pub files: BTreeMap<String, Vec<u8>>,
    pub dependencies: String,
}

pub fn collect(kernel: &Kernel) -> Result<Modules> {
    let directory = kernel.root.join("lib/modules").join(&kernel.release);
    if !directory.join("modules.dep").is_file() {
        command::run(Command::new("depmod").arg("--basedir").arg(&kernel.root).arg(&kernel.release))?;
    }
    let text = fs::read_to_string(directory.join("modules.dep")).context("depmod wrote no modules.dep")?;
    let dependencies = parse(&text);
    let (mut files, mut lines) = (BTreeMap::new(), String::new());
    for (file, needs) in closure(&dependencies, WANTED) {
        lines.push_str(&format!("{}:", uncompressed(file)));
        for need in needs {
            lines.push_str(&format!(" {}", uncompressed(need)));
        }
        lines.push('\n');
        files.insert(format!("lib/modules/{}/{}", kernel.release, uncompressed(file)), read(&directory.join(file))?);
    }
    Ok(Modules { files, dependencies: lines })
}

/// `modules.dep`: a module's file, then the files of all modules it needs.
fn parse(text: &str) -> BTreeMap<&str, Vec<&str>> {
    text.lines().filter_map(|line| line.split_once(':')).map(|(file, needs)| (file, needs.split_whitespace().collect())).collect()
}

fn closure<'a>(dependencies: &BTreeMap<&'a str, Vec<&'a str>>, wanted: &[&str]) -> BTreeMap<&'a str, Vec<&'a str>> {
    let mut chosen = BTreeMap::new();
    let mut waiting: Vec<&str> = dependencies.keys().filter(|file| wanted.contains(&name(file).as_str())).copied().collect();
    while let Some(file) = waiting.pop() {
        let needs = dependencies.get(file).cloned().unwrap_or_default();
        waiting.extend(needs.iter().filter(|need| !chosen.contains_key(*need)));
        chosen.insert(file, needs);
    }
    chosen
}

/// `kernel/drivers/md/dm-delay.ko.xz` → `dm_delay`.
fn name(file: &str) -> String {
    let base = file.rsplit('/').next().unwrap_or(file);
    base.split(".ko").next().unwrap_or(base).replace('-', "_")
}

fn uncompressed(file: &str) -> &str {
    file.trim_end_matches(".xz").trim_end_matches(".zst")
}

fn read(file: &Path) -> Result<Vec<u8>> {
    let program = match file.extension().and_then(|extension| extension.to_str()) {
        Some("xz") => "xz",
        Some("zst") => "zstd",
        _ => return fs::read(file).with_context(|| format!("cannot read {}", file.display())),
    };
    let output = Command::new(program).args(["--decompress", "--stdout", "--quiet"]).arg(file).output();
    let output = output.with_context(|| format!("cannot start {program}"))?;
    anyhow::ensure!(output.status.success(), "{program} cannot decompress {}", file.display());
    Ok(output.stdout)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_module_brings_what_it_needs_and_nothing_else() {
        let text = "kernel/dm-mod.ko.xz:\nkernel/dm-delay.ko.xz: kernel/dm-mod.ko.xz\nkernel/other.ko:\n";
        let chosen = closure(&parse(text), &["dm_delay"]);
        assert_eq!(chosen.keys().copied().collect::<Vec<_>>(), ["kernel/dm-delay.ko.xz", "kernel/dm-mod.ko.xz"]);
        assert_eq!(uncompressed("kernel/dm-mod.ko.xz"), "kernel/dm-mod.ko");
        assert_eq!(name("kernel/drivers/md/dm-delay.ko.zst"), "dm_delay");
    }
}
