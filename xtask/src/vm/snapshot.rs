//! One boot per kernel: a settled guest, saved to a file that every job starts from.

use std::fs::{self, File};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use anyhow::{Context, Result, bail};

use super::kernel::{self, Kernel};
use super::qemu::{self, Files, Guest};
use super::{console, initramfs};
use crate::paths;

/// Boots take about twenty seconds; a busy host may need some times that.
const BOOT_LIMIT: Duration = Duration::from_secs(300);

/// A saved guest.
#[derive(Clone)]
pub struct Snapshot {
    pub kernel: Kernel,
    pub initramfs: PathBuf,
    pub state: PathBuf,
}

/// Finds the kernel's saved guest, or boots and saves one.
pub fn prepare(kernel: &Kernel) -> Result<Snapshot> {
    let guests = paths::cache()?.join("guests");
    fs::create_dir_all(&guests).with_context(|| format!("cannot make {}", guests.display()))?;
    let lock = File::create(guests.join(format!("{}.lock", kernel.release))).context("cannot make a lock file")?;
    lock.lock().context("cannot lock the guest cache")?;

    let initramfs = initramfs::build(kernel)?;
    let mut hasher = DefaultHasher::new();
    (&kernel.release, &kernel.version, qemu::identity()?, &initramfs).hash(&mut hasher);
    let name = format!("{}-{:016x}", kernel.release, hasher.finish());
    let directory = guests.join(&name);
    let snapshot =
        Snapshot { kernel: kernel.clone(), initramfs: directory.join("initramfs.cpio"), state: directory.join("state") };
    if snapshot.state.is_file() {
        // Tells other runs that it is in use.
        let _ = File::open(&directory).and_then(|file| file.set_modified(SystemTime::now()));
        return Ok(snapshot);
    }
    fs::create_dir_all(&directory).with_context(|| format!("cannot make {}", directory.display()))?;
    fs::write(&snapshot.initramfs, initramfs).with_context(|| format!("cannot write {}", snapshot.initramfs.display()))?;
    boot(&snapshot, &directory).with_context(|| format!("kernel {} does not boot", kernel.release))?;
    let older = kernel::forget_older(kernel)?;
    forget_others(&guests, kernel, &name, &older);
    Ok(snapshot)
}

fn boot(snapshot: &Snapshot, directory: &Path) -> Result<()> {
    let files = Files {
        initramfs: snapshot.initramfs.clone(),
        payload: directory.join("payload.zero"),
        script: directory.join("script.zero"),
        console: directory.join("console"),
        results: directory.join("results"),
    };
    zeros(&files.payload, qemu::PAYLOAD_SIZE)?;
    zeros(&files.script, qemu::SCRIPT_SIZE)?;
    let _ = fs::remove_file(&files.console);
    let started = Instant::now();
    let mut guest = Guest::start(&snapshot.kernel, &files, None)?;
    loop {
        let text = console::read(&files.console);
        let problem = if let Some(complaint) = console::complaint(&text) {
            complaint.to_owned()
        } else if guest.ended()? {
            "QEMU ended".to_owned()
        } else if started.elapsed() > BOOT_LIMIT {
            format!("not ready after {} s", BOOT_LIMIT.as_secs())
        } else if let Some(line) = text.lines().find(|line| line.contains("kerno-guest: ready")) {
            eprintln!("kernel {}: booted in {:.1} s ({})", snapshot.kernel.line, started.elapsed().as_secs_f64(), line.trim());
            break;
        } else {
            // The guest's idle clock runs away until it is stopped.
            thread::sleep(Duration::from_millis(20));
            continue;
        };
        bail!("{problem}; the console's end:\n{}", console::end(&text));
    }
    // Under another name first: a half-written state must not pass for a whole one.
    let partial = directory.join("state.partial");
    guest.save(&partial)?;
    fs::rename(&partial, &snapshot.state).context("cannot rename the saved state")
}

/// A sparse file of zeros.
pub fn zeros(path: &Path, size: u64) -> Result<()> {
    let file = File::create(path).with_context(|| format!("cannot write {}", path.display()))?;
    file.set_len(size).with_context(|| format!("cannot extend {}", path.display()))
}

/// Removes what takes half a gigabyte each: saved guests of the same kernel from other tools, and those of kernels that are gone.
fn forget_others(guests: &Path, kernel: &Kernel, keep: &str, gone: &[String]) {
    for entry in fs::read_dir(guests).into_iter().flatten().flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let unused =
            entry.metadata().and_then(|data| data.modified()).is_ok_and(|then| then.elapsed().is_ok_and(|age| age > HOUR));
        let is_directory = entry.file_type().is_ok_and(|kind| kind.is_dir());
        if is_directory && unused && is_superseded(&name, &kernel.release, keep, gone) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Whether a saved guest's name, `<release>-<16 hexadecimal digits>`, is of this kernel and not `keep`, or of one that is gone.
fn is_superseded(name: &str, release: &str, keep: &str, gone: &[String]) -> bool {
    let Some((of, key)) = name.rsplit_once('-') else { return false };
    let is_key = key.len() == 16 && key.bytes().all(|byte| byte.is_ascii_hexdigit());
    is_key && name != keep && (of == release || gone.iter().any(|gone| gone == of))
}

/// Another run may still be using a saved guest that was used since.
const HOUR: Duration = Duration::from_secs(3600);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_saved_guests_of_this_kernel_and_of_those_gone_are_superseded() {
        let (keep, gone) = ("6.1.0-48-amd64-00000000000000aa", ["6.1.0-47-amd64".to_owned()]);
        for (name, superseded) in [
            (keep, false),
            ("6.1.0-48-amd64-00000000000000ab", true),
            ("6.1.0-47-amd64-00000000000000ab", true),
            ("6.1.0-46-amd64-00000000000000ab", false),
            ("6.1.0-48-amd64-extra-00000000000000ab", false),
            ("6.1.0-48-amd64.lock", false),
            ("6.1.0-48-amd64-notes", false),
        ] {
            assert_eq!(is_superseded(name, "6.1.0-48-amd64", keep, &gone), superseded, "{name}");
        }
    }
}
