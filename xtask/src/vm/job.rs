//! Runs one job in a fresh guest and collects what came of it.

use std::fs;
use std::path::Path;
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result};

use super::console;
use super::payload::Payload;
use super::qemu::{Files, Guest, SCRIPT_SIZE};
use super::snapshot::{Snapshot, zeros};

/// A job: its script runs under busybox `sh` with the payload's programs in PATH.
pub struct Job<'a> {
    /// Names the job's files; no slashes.
    pub name: &'a str,
    /// What it brings.
    pub payload: &'a Payload,
    /// Shell commands.
    pub script: &'a str,
    /// In guest time: what hangs asleep reaches it at once.
    pub guest_limit: Duration,
    /// In the host's time: what spins reaches this one.
    pub host_limit: Duration,
}

/// What came of a job.
pub struct Outcome {
    /// What the script printed.
    pub output: String,
    /// Why the job cannot count as done: a crash, a hang, a complaint of the kernel, a script that failed.
    pub problem: Option<String>,
    /// The kernel's console.
    pub console: String,
    /// On the host's clock.
    pub took: Duration,
}

/// Runs a job from the saved guest. An error is the host's failure, not the guest's.
pub fn run(snapshot: &Snapshot, directory: &Path, job: &Job) -> Result<Outcome> {
    let base = directory.join(format!("{}-{}", job.name, snapshot.kernel.release));
    let files = Files {
        initramfs: snapshot.initramfs.clone(),
        payload: job.payload.disk.clone(),
        script: base.with_added_extension("script"),
        console: base.with_added_extension("console"),
        results: base.with_added_extension("results"),
    };
    let script =
        format!("#!/bin/sh\n# limit: {}\n# payload: {}\n{}\n", job.guest_limit.as_secs(), job.payload.blocks, job.script);
    anyhow::ensure!((script.len() as u64) < SCRIPT_SIZE, "the script of {} does not fit on its disk", job.name);
    fs::write(&files.script, script).with_context(|| format!("cannot write {}", files.script.display()))?;
    let disk = fs::File::options().write(true).open(&files.script).context("cannot open the disk of a script")?;
    disk.set_len(SCRIPT_SIZE).context("cannot extend the disk of a script")?;
    zeros(&files.results, 0)?;

    let started = Instant::now();
    let mut guest = Guest::start(&snapshot.kernel, &files, Some(&snapshot.state))?;
    guest.resume()?;
    let mut ended = false;
    while !ended && started.elapsed() < job.host_limit {
        thread::sleep(Duration::from_millis(50));
        ended = guest.ended()?;
    }
    drop(guest);
    let console = console::read(&files.console);
    let raw = console::read(&files.results);
    let (output, status) = split_status(&raw);
    let problem = if let Some(complaint) = console::complaint(&console) {
        Some(format!("the kernel complains: {complaint}"))
    } else if !ended {
        Some(format!("the guest hangs: not done after {} s of the host's time", job.host_limit.as_secs()))
    } else {
        match status {
            Some(0) => None,
            Some(137) => Some(format!("the job hangs: killed after {} s of guest time", job.guest_limit.as_secs())),
            Some(status) => Some(format!("the job failed with status {status}")),
            None => Some("the guest ended before its job did".to_owned()),
        }
    };
    Ok(Outcome { output: output.to_owned(), problem, console, took: started.elapsed() })
}

/// The script's output and its exit status, which the guest's init writes as the last line.
fn split_status(raw: &str) -> (&str, Option<i32>) {
    match raw.rsplit_once("kerno-guest: exit ") {
        Some((output, status)) => (output, status.trim().parse().ok()),
        None => (raw, None),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_last_line_is_the_status() {
        assert_eq!(split_status("a\nkerno-guest: exit 0\nb\nkerno-guest: exit 3\n"), ("a\nkerno-guest: exit 0\nb\n", Some(3)));
        assert_eq!(split_status("cut off"), ("cut off", None));
    }
}
