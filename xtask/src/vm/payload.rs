//! What jobs bring into a guest: programs and their libraries, as a tar archive on a disk.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::process::Command;

use anyhow::{Context, Result, ensure};

use super::initramfs::{relative, shared_libraries};
use super::qemu::PAYLOAD_SIZE;
use crate::command;

/// A disk with a tar archive.
pub struct Payload {
    pub disk: PathBuf,
    /// Blocks of 64 KiB that the archive takes.
    pub blocks: u64,
}

/// Writes the disk into `directory`. Each program is found as `/job/<name>` in the guest.
pub fn write(directory: &Path, programs: &[(String, PathBuf)]) -> Result<Payload> {
    let root = directory.join("payload");
    fs::create_dir_all(root.join("job")).with_context(|| format!("cannot make {}", root.display()))?;
    for (name, program) in programs {
        let target = root.join("job").join(name);
        fs::copy(program, &target).with_context(|| format!("cannot copy {}", program.display()))?;
        // Debug information is most of a program; a script has none to strip.
        let _ = command::ask(Command::new("strip").arg(&target));
        for library in shared_libraries(program)? {
            let target = root.join(relative(&library));
            fs::create_dir_all(target.parent().context("a library has a directory")?).context("cannot make a directory")?;
            fs::copy(&library, &target).with_context(|| format!("cannot copy {}", library.display()))?;
        }
    }
    let disk = directory.join("payload.tar");
    command::run(
        Command::new("tar").args(["--create", "--owner=0", "--group=0", "--file"]).arg(&disk).arg("-C").arg(&root).arg("."),
    )?;
    let size = fs::metadata(&disk).context("tar wrote nothing")?.len();
    ensure!(size < PAYLOAD_SIZE, "the programs of a job take {} MiB, more than its disk", size >> 20);
    let file = File::options().write(true).open(&disk).with_context(|| format!("cannot open {}", disk.display()))?;
    file.set_len(PAYLOAD_SIZE).context("cannot extend the disk of a job")?;
    Ok(Payload { disk, blocks: size.div_ceil(64 << 10) })
}
