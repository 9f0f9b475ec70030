//! Why a kernel program did not load: one sentence and one fix, from the loader's error and the host's facts.

use std::error::Error;
use std::io;

use crate::platform::kernel::{Facts, Lockdown, Tracing};

/// What went wrong, for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Explained {
    /// One sentence.
    pub reason: String,
    /// The one thing to do about it.
    pub fix: String,
}

const EPERM: i32 = 1;
const ENOENT: i32 = 2;
const E2BIG: i32 = 7;
const EAGAIN: i32 = 11;
const ENOMEM: i32 = 12;
const EACCES: i32 = 13;
const EINVAL: i32 = 22;
const ENFILE: i32 = 23;
const EMFILE: i32 = 24;
const ENOSYS: i32 = 38;
const EOPNOTSUPP: i32 = 95;
/// `ENOTSUPP`: the kernel's own, has no name in user space.
const ENOTSUPP: i32 = 524;

/// What gives the running program its capabilities.
pub(crate) fn grant() -> String {
    let program = std::env::current_exe().map_or_else(|_| "kerno".to_owned(), |path| path.display().to_string());
    format!(
        "run kerno as root, or grant it the capabilities: \
         setcap cap_bpf,cap_perfmon,cap_sys_ptrace,cap_dac_read_search+ep '{}'",
        program.replace('\'', "'\\''")
    )
}

/// Explains why the programs of a collector did not load or attach. The verifier's whole log goes to the debug level.
#[must_use]
pub fn explain(error: &(dyn Error + 'static), facts: &Facts) -> Explained {
    let failure = Failure::of(error);
    if let Some(log) = &failure.verifier_log {
        tracing::debug!(%log, "the verifier's log");
    }
    tracing::debug!(error = %failure.text, %facts, "kernel programs did not load");
    let (reason, fix) = limit_met(&failure, facts)
        .or_else(|| host_forbids(&failure, facts))
        .or_else(|| kernel_lacks(&failure, facts))
        .or_else(|| verifier_refused(&failure, facts))
        .unwrap_or_else(|| (failure.text, "report it, with what `kerno` prints at log level debug".to_owned()));
    Explained { reason, fix }
}

/// Why the kernel's types cannot be had, and what to do about it.
pub(crate) fn no_types(facts: &Facts) -> (&'static str, &'static str) {
    if facts.sysfs {
        (
            "the kernel does not describe its types (no /sys/kernel/btf/vmlinux: built without CONFIG_DEBUG_INFO_BTF)",
            "boot a kernel built with CONFIG_DEBUG_INFO_BTF=y, as distributions ship it since 2020",
        )
    } else {
        ("/sys is not mounted, where the kernel describes its types", "mount it where kerno runs: `mount -t sysfs sysfs /sys`")
    }
}

/// The collector's object was not embedded when kerno was built.
#[must_use]
pub fn not_built_in(collector: &str) -> Explained {
    Explained {
        reason: format!("the {collector} collector's kernel program is not built into this kerno"),
        fix: "build kerno with `cargo xtask build`, or install a released package".to_owned(),
    }
}

/// What the chain of errors tells.
struct Failure {
    /// Messages of the chain, without repetitions and without the verifier's log.
    text: String,
    code: Option<i32>,
    verifier_log: Option<String>,
}

impl Failure {
    fn of(error: &(dyn Error + 'static)) -> Self {
        let chain = || std::iter::successors(Some(error), |error: &&(dyn Error + 'static)| Error::source(*error));
        let code = chain().filter_map(|error| error.downcast_ref::<io::Error>()).find_map(io::Error::raw_os_error);
        let (mut text, mut verifier_log) = (String::new(), None);
        for message in chain().map(ToString::to_string) {
            // The loader puts the log behind these words.
            let (message, log) = message.split_once("Verifier output: ").unwrap_or((&message, ""));
            let message = message.trim().trim_end_matches('.');
            if !log.trim().is_empty() {
                verifier_log = verifier_log.or(Some(log.to_owned()));
            }
            if !message.is_empty() && !text.contains(message) {
                text = if text.is_empty() { message.to_owned() } else { format!("{text}: {message}") };
            }
        }
        Self { text, code, verifier_log }
    }

    fn is(&self, codes: &[i32]) -> bool {
        self.code.is_some_and(|code| codes.contains(&code))
    }

    fn mentions(&self, words: &[&str]) -> bool {
        let text = self.text.to_lowercase();
        words.iter().any(|word| text.contains(word))
    }
}

type Words = Option<(String, String)>;

fn words(reason: impl Into<String>, fix: impl Into<String>) -> Words {
    Some((reason.into(), fix.into()))
}

/// Limits that have nothing to do with BPF. They come first: the facts cannot be read either where no file can be opened.
fn limit_met(failure: &Failure, facts: &Facts) -> Words {
    let what = &failure.text;
    match failure.code? {
        EMFILE => {
            let limit = facts.open_files.map_or_else(|| "not set".to_owned(), |limit| limit.to_string());
            words(
                format!("kerno has as many files open as it may (RLIMIT_NOFILE is {limit})"),
                "raise the limit: `ulimit -n 65536`, or LimitNOFILE=65536 in the unit",
            )
        }
        ENFILE => words(
            "the system has as many files open as it may (fs.file-max)",
            "raise it: `sysctl fs.file-max=…`; the first number in /proc/sys/fs/file-nr is how many are open",
        ),
        EAGAIN if failure.mentions(&["mmap", "perf_event"]) => words(
            format!("kerno has as much memory locked as it may (RLIMIT_MEMLOCK, kernel.perf_event_mlock_kb): {what}"),
            "raise the limit: `ulimit -l unlimited`, or LimitMEMLOCK=infinity in the unit",
        ),
        // The verifier stops for a signal; no limit is met.
        EAGAIN if failure.mentions(&["bpf_prog_load"]) => {
            words(format!("a signal interrupted the kernel's look at a program: {what}"), "run kerno again")
        }
        EAGAIN => words(
            format!("kerno has as many threads as it may (RLIMIT_NPROC of its user, or pids.max of its control group): {what}"),
            "raise the limit: `ulimit -u unlimited`, or TasksMax=infinity in the unit",
        ),
        _ => None,
    }
}

/// Privileges: what this process may not do although the kernel could.
fn host_forbids(failure: &Failure, facts: &Facts) -> Words {
    if facts.lockdown == Lockdown::Confidentiality && (failure.is(&[EPERM, EACCES, EINVAL]) || failure.verifier_log.is_some()) {
        return words(
            "the kernel is locked down (mode confidentiality), which forbids BPF programs to read kernel memory",
            "boot with lockdown=integrity (on many machines Secure Boot sets the mode), or accept what /proc tells",
        );
    }
    if failure.is(&[EPERM, EACCES]) && failure.mentions(&["perf_event_open"]) {
        let value = facts.perf_event_paranoid.map_or_else(|| "not readable".to_owned(), |value| value.to_string());
        return words(
            format!("perf events are refused (kernel.perf_event_paranoid is {value})"),
            "sysctl kernel.perf_event_paranoid=2: above it some distributions want CAP_SYS_ADMIN for them",
        );
    }
    // EACCES comes from the verifier: only what it forbids to those without CAP_PERFMON is a matter of privilege.
    let missing = missing(facts);
    let refused = failure.is(&[EPERM]) || (failure.is(&[EACCES]) && !missing.is_empty());
    if !refused {
        return None;
    }
    if facts.user_namespace {
        return words(
            "kerno runs in a user namespace of its own, whose capabilities mean nothing to BPF",
            "run kerno in the host's user namespace (a container: without user namespace remapping or rootless mode)",
        );
    }
    if !missing.is_empty() {
        return words(format!("kerno lacks {} to load kernel programs", missing.join(" and ")), grant());
    }
    if let Some(limit) = facts.locked_memory.filter(|_| facts.older_than(5, 11)) {
        return words(
            format!(
                "the limit of locked memory ({} KiB) is too small for kernel programs (Linux {})",
                limit >> 10,
                facts.release
            ),
            "raise the limit: `ulimit -l unlimited`, or LimitMEMLOCK=infinity in the unit",
        );
    }
    if facts.seccomp {
        return words(
            "a seccomp filter (of the container runtime or the unit) forbids bpf() although the capabilities are there",
            "allow bpf and perf_event_open in the filter, e.g. with seccompProfile type Unconfined for this container",
        );
    }
    words(
        "the kernel refuses a program although the capabilities are there, as a security module (SELinux, AppArmor, BPF LSM) would",
        "look for a denial in the kernel's log (`dmesg`, `ausearch -m avc`); KERNO_LOG=debug names the program",
    )
}

fn missing(facts: &Facts) -> Vec<&'static str> {
    facts.capabilities.map(|held| held.missing_for_tracing()).unwrap_or_default()
}

/// Features: what this kernel cannot do whoever asks.
fn kernel_lacks(failure: &Failure, facts: &Facts) -> Words {
    if failure.is(&[ENOSYS]) {
        return words(
            "the kernel has no bpf() system call (built without CONFIG_BPF_SYSCALL, or hidden by a sandbox)",
            "boot a kernel built with CONFIG_BPF_SYSCALL=y, as distributions ship it",
        );
    }
    if facts.older_than(5, 8) {
        return words(
            format!("the kernel is too old for kerno's programs (Linux {}, 5.8 needed)", facts.release),
            "upgrade the kernel to 5.8 or later",
        );
    }
    if !facts.btf {
        let (why, fix) = no_types(facts);
        return words(why, fix);
    }
    if facts.tracing == Tracing::Absent {
        return words(
            "the kernel was built without support for tracing programs (CONFIG_BPF_EVENTS)",
            "boot a kernel built with CONFIG_BPF_EVENTS=y, as distributions ship it",
        );
    }
    let absent = failure.is(&[ENOENT]) && failure.mentions(&["tracefs", "tracing", "tracepoint"]);
    // aya looks for its mount itself, and has no code for it.
    if (absent || failure.mentions(&["tracefs not found"])) && !facts.tracefs {
        return words(
            "tracefs is not mounted, which programs on tracepoints need",
            "mount it: `mount -t tracefs tracefs /sys/kernel/tracing`",
        );
    }
    if failure.is(&[ENOMEM]) {
        return words(
            "the kernel has no memory for the maps of kernel programs (or the memory limit of kerno's control group is too small)",
            "raise the memory limit of kerno's control group (64 MiB are enough)",
        );
    }
    if failure.is(&[ENOTSUPP, EOPNOTSUPP]) {
        return words(
            format!("the kernel cannot attach this kind of program on this architecture ({})", failure.text),
            "use a newer kernel, and keep the BPF JIT on: `sysctl net.core.bpf_jit_enable=1`",
        );
    }
    if failure.is(&[E2BIG]) && failure.verifier_log.is_none() {
        return words(
            format!("the kernel does not know a part of the request that this kerno makes ({})", failure.text),
            "upgrade the kernel, or use a kerno released for it",
        );
    }
    None
}

/// The verifier said no: a fault of kerno's on this kernel.
fn verifier_refused(failure: &Failure, facts: &Facts) -> Words {
    let log = failure.verifier_log.as_deref()?;
    let verdict = verdict(log).unwrap_or("without a reason");
    let release = if facts.release.is_empty() { "unknown" } else { &facts.release };
    words(
        format!("the kernel's verifier refused a program on Linux {release}: {verdict}"),
        "report it with the verifier's log, which kerno prints at log level debug",
    )
}

/// The line of the log that says why: the last one that is neither statistics nor an instruction nor a register dump.
fn verdict(log: &str) -> Option<&str> {
    const NOISE: [&str; 8] =
        ["processed ", "verification time", "stack depth", "max_states", "mark_precise", "from ", "func#", "Validating "];
    let is_step = |line: &str| {
        let digits = line.trim_start_matches(|character: char| character.is_ascii_digit());
        digits.len() < line.len() && digits.starts_with(':')
    };
    let meaningful =
        |line: &&str| !line.is_empty() && !line.starts_with(';') && !is_step(line) && !NOISE.iter().any(|n| line.starts_with(n));
    log.lines().map(str::trim).rfind(meaningful)
}

#[cfg(test)]
mod tests;
