//! Starts kerno as it runs in service: as nobody in particular, with the capabilities it is given and no others.

use std::{
    fs, io,
    os::unix::process::CommandExt,
    process::{Child, Command, Stdio},
};

use kerno::platform::capabilities::Capability;
use serde_json::Value;

/// What distributions set by default; the strictest of them.
pub fn distribution_defaults() {
    for (name, value) in
        [("kernel/perf_event_paranoid", "3"), ("kernel/unprivileged_bpf_disabled", "2"), ("kernel/dmesg_restrict", "1")]
    {
        fs::write(format!("/proc/sys/{name}"), value).unwrap_or_else(|error| panic!("{name}: {error}"));
    }
}

/// A kerno to start: nobody's, with these capabilities and this limit of locked memory.
pub struct Launch<'a> {
    pub capabilities: &'a [Capability],
    /// `None`: as it comes.
    pub locked_memory: Option<u64>,
}

impl Launch<'_> {
    /// With the five capabilities, and the limit that a unit would set.
    pub fn least() -> Self {
        Self { capabilities: &Capability::LEAST, locked_memory: Some(libc::RLIM_INFINITY) }
    }

    /// Runs it to its end and reads the JSON that it prints.
    pub fn json(&self, arguments: &[&str]) -> Value {
        let output = self.command(arguments).output().unwrap();
        let (text, errors) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {} {text} {errors}", output.status))
    }

    /// Starts it in the background.
    pub fn start(&self, arguments: &[&str]) -> Child {
        self.command(arguments).stdout(Stdio::piped()).stderr(Stdio::null()).spawn().unwrap()
    }

    /// The command that is started.
    pub fn command(&self, arguments: &[&str]) -> Command {
        let binary = std::env::var("KERNO_BIN").unwrap();
        let mask = self.capabilities.iter().fold(0, |mask, capability| mask | 1 << *capability as u64);
        let limit = self.locked_memory;
        let mut command = Command::new(binary);
        command.args(arguments);
        // SAFETY: between fork and exec only system calls are made.
        unsafe { command.pre_exec(move || become_nobody(mask, limit)) };
        command
    }
}

const NOBODY: u32 = 65534;

/// Everything but the capabilities of `mask` is dropped, from the bounding set too; exec passes them on as ambient ones.
fn become_nobody(mask: u64, locked_memory: Option<u64>) -> io::Result<()> {
    let told = |result: libc::c_long| if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) };
    if let Some(limit) = locked_memory {
        let limit = libc::rlimit { rlim_cur: limit, rlim_max: limit };
        // SAFETY: the limit lives until the call returns.
        told(unsafe { libc::setrlimit(libc::RLIMIT_MEMLOCK, &raw const limit) }.into())?;
    }
    // Kernels end with different capabilities: the first that one does not know ends the list.
    let known = (0..64).take_while(|capability| {
        // SAFETY: calls with numbers.
        unsafe { libc::prctl(libc::PR_CAPBSET_READ, *capability, 0, 0, 0) >= 0 }
    });
    for capability in known.filter(|capability| mask & (1 << capability) == 0) {
        // SAFETY: as above.
        told(unsafe { libc::prctl(libc::PR_CAPBSET_DROP, capability, 0, 0, 0) }.into())?;
    }
    let half = |shift: u32| [(mask >> shift) as u32; 3];
    let (header, halves) = ([0x2008_0522_u32, 0], [half(0), half(32)]);
    // SAFETY: numbers, and places that are valid for what version 3 of capset reads: a header and two halves.
    unsafe {
        told(libc::prctl(libc::PR_SET_KEEPCAPS, 1, 0, 0, 0).into())?;
        told(libc::setgroups(0, std::ptr::null()).into())?;
        told(libc::setresgid(NOBODY, NOBODY, NOBODY).into())?;
        told(libc::setresuid(NOBODY, NOBODY, NOBODY).into())?;
        told(libc::syscall(libc::SYS_capset, header.as_ptr(), halves.as_ptr()))?;
    }
    for capability in (0..64).filter(|capability| mask & (1 << capability) != 0) {
        // SAFETY: a call with numbers.
        told(unsafe { libc::prctl(libc::PR_CAP_AMBIENT, libc::PR_CAP_AMBIENT_RAISE, capability, 0, 0) }.into())?;
    }
    Ok(())
}

/// What each thread of a process may do: its permitted capabilities.
pub fn capabilities_of(process: u32) -> Vec<u64> {
    let threads = fs::read_dir(format!("/proc/{process}/task")).unwrap();
    let permitted = |status: String| {
        let line = status.lines().find_map(|line| line.strip_prefix("CapPrm:")).unwrap();
        u64::from_str_radix(line.trim(), 16).unwrap()
    };
    threads.map(|thread| permitted(fs::read_to_string(thread.unwrap().path().join("status")).unwrap())).collect()
}

/// A collector's entry in a report.
pub fn collector<'a>(report: &'a Value, name: &str) -> &'a Value {
    let all = report["collectors"].as_array().unwrap_or_else(|| panic!("no collectors: {report}"));
    all.iter().find(|collector| collector["name"] == name).unwrap_or_else(|| panic!("no {name}: {report}"))
}
