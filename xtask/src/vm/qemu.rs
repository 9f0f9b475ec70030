//! Starts QEMU and speaks its machine protocol (QMP) over its standard input and output.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, Write};
use std::path::{Path, PathBuf};
use std::process::{Child, ChildStdin, ChildStdout, Command, Stdio};
use std::thread;
use std::time::{Duration, Instant};

use anyhow::{Context, Result, bail};
use serde_json::{Value, json};

use super::kernel::Kernel;
use crate::command;

pub const PROGRAM: &str = "qemu-system-x86_64";

/// The disk of job files: always this large, as a saved machine remembers the size.
pub const PAYLOAD_SIZE: u64 = 512 << 20;
/// The disk of the job's script.
pub const SCRIPT_SIZE: u64 = 1 << 20;

/// Guest time counts instructions, so what the host does meanwhile changes nothing that a guest can measure.
const CLOCK: &[&str] = &["-accel", "tcg,thread=single", "-icount", "shift=1,sleep=off", "-rtc", "base=utc,clock=vm"];

const MACHINE: &[&str] = &[
    "-no-user-config",
    "-nodefaults",
    "-display",
    "none",
    "-no-reboot",
    "-machine",
    "q35",
    "-cpu",
    "max,erms=off,fsrm=off",
    "-smp",
    "2",
    "-m",
    "1024",
    "-append",
    "console=ttyS0 loglevel=5 psi=1 panic=-1 oops=panic init_on_alloc=0 clocksource=tsc tsc=reliable rdinit=/init",
];

/// Everything about a machine that a saved state depends on, but for kernel and initramfs.
pub fn identity() -> Result<String> {
    let version = command::ask(Command::new(PROGRAM).arg("--version")).context("QEMU does not start")?;
    Ok(format!("{version} {CLOCK:?} {MACHINE:?} {PAYLOAD_SIZE} {SCRIPT_SIZE}"))
}

/// The files of one guest.
pub struct Files {
    pub initramfs: PathBuf,
    pub payload: PathBuf,
    pub script: PathBuf,
    pub console: PathBuf,
    pub results: PathBuf,
}

/// A running guest. Dropped, it is killed.
pub struct Guest {
    child: Child,
    to: ChildStdin,
    from: BufReader<ChildStdout>,
}

impl Guest {
    /// Starts a guest: from its kernel, or stopped at the point where `state` was saved.
    pub fn start(kernel: &Kernel, files: &Files, state: Option<&Path>) -> Result<Self> {
        let mut command = Command::new(PROGRAM);
        command.args(MACHINE).args(CLOCK);
        command.arg("-kernel").arg(&kernel.image).arg("-initrd").arg(&files.initramfs);
        command.args(["-qmp", "stdio"]);
        command.arg("-chardev").arg(format!("file,id=console,path={}", option(&files.console)));
        command.args(["-serial", "chardev:console", "-device", "virtio-serial-pci"]);
        command.arg("-chardev").arg(format!("file,id=results,path={}", option(&files.results)));
        command.args(["-device", "virtserialport,chardev=results,name=results"]);
        for (name, file) in [("payload", &files.payload), ("script", &files.script)] {
            command.arg("-drive").arg(format!("if=none,id={name},format=raw,readonly=on,file={}", option(file)));
            command.arg("-device").arg(format!("virtio-blk-pci,drive={name}"));
        }
        if let Some(state) = state {
            command.arg("-incoming").arg(format!("file:{}", state.display()));
        }
        let log = files.console.with_extension("qemu");
        let errors = File::create(&log).with_context(|| format!("cannot write {}", log.display()))?;
        command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(errors);
        let mut child = command.spawn().with_context(|| format!("cannot start {PROGRAM}"))?;
        let (to, from) = (child.stdin.take().context("no standard input")?, child.stdout.take().context("no standard output")?);
        let mut guest = Self { child, to, from: BufReader::new(from) };
        let greeted = guest.answer("QMP").and_then(|_| guest.execute("qmp_capabilities", json!({})));
        greeted.with_context(|| format!("QEMU did not start: {}", fs::read_to_string(&log).unwrap_or_default().trim()))?;
        Ok(guest)
    }

    /// Runs one QMP command.
    pub fn execute(&mut self, name: &str, arguments: Value) -> Result<Value> {
        let mut line = serde_json::to_string(&json!({ "execute": name, "arguments": arguments }))?;
        line.push('\n');
        self.to.write_all(line.as_bytes()).with_context(|| format!("QEMU does not listen to `{name}`"))?;
        self.answer("return").with_context(|| format!("QMP command `{name}` failed"))
    }

    /// Stops the guest and writes its state to a file.
    pub fn save(&mut self, state: &Path) -> Result<()> {
        self.execute("stop", json!({}))?;
        self.execute("migrate", json!({ "uri": format!("file:{}", state.display()) }))?;
        self.until("query-migrate", |status| match status {
            "completed" => Ok(true),
            "failed" | "cancelled" => bail!("QEMU could not save the guest's state"),
            _ => Ok(false),
        })
    }

    /// Lets a guest that was started from a saved state run on.
    pub fn resume(&mut self) -> Result<()> {
        self.until("query-status", |status| Ok(status != "inmigrate"))?;
        self.execute("cont", json!({})).map(drop)
    }

    /// Whether QEMU ended.
    pub fn ended(&mut self) -> Result<bool> {
        Ok(self.child.try_wait().context("cannot ask after QEMU")?.is_some())
    }

    fn until(&mut self, query: &str, done: impl Fn(&str) -> Result<bool>) -> Result<()> {
        let started = Instant::now();
        loop {
            let answer = self.execute(query, json!({}))?;
            if done(answer["status"].as_str().unwrap_or_default())? {
                return Ok(());
            }
            if started.elapsed() > Duration::from_secs(120) {
                bail!("QEMU answered {query} with {answer} for two minutes");
            }
            thread::sleep(Duration::from_millis(20));
        }
    }

    /// The next answer that has this key; events in between are passed over.
    fn answer(&mut self, key: &str) -> Result<Value> {
        loop {
            let mut line = String::new();
            if self.from.read_line(&mut line).context("cannot read QEMU's answer")? == 0 {
                bail!("QEMU ended");
            }
            let mut message: Value = serde_json::from_str(&line).context("QEMU's answer is not JSON")?;
            if let Some(error) = message.get("error") {
                bail!("QEMU says: {error}");
            }
            if let Some(value) = message.get_mut(key) {
                return Ok(value.take());
            }
        }
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// A path inside one of QEMU's comma-separated options.
fn option(path: &Path) -> String {
    path.display().to_string().replace(',', ",,")
}
