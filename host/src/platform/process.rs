//! Processes and threads: names, CPU time, scheduling policy, and whether one is still inside a system call.

use std::collections::HashMap;

use super::{Error, Root, escape::escaped, patience};

/// What `/proc/<pid>/stat` tells of a process or thread.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Stat {
    /// Command name, at most 15 bytes.
    pub comm: String,
    /// State: `R`, `S`, `D`, `Z` …
    pub state: char,
    /// It is a thread of the kernel's own.
    pub of_kernel: bool,
    /// Time on a CPU, user and system, in clock ticks; of a process: all its threads, ended ones too.
    pub cpu_ticks: u64,
    /// Nice value, −20 to 19.
    pub nice: i32,
    /// Start, clock ticks after boot: with the pid it names one process for ever.
    pub start_ticks: u64,
    /// Scheduling policy: 0 normal, 1 FIFO, 2 round-robin, 3 batch, 5 idle, 6 deadline, 7 sched_ext.
    pub policy: u32,
}

impl Stat {
    /// It asked to wait: a normal (or sched_ext) task with nice ≥ 10, `SCHED_BATCH` or `SCHED_IDLE`. Real-time tasks have no nice value.
    #[must_use]
    pub fn is_background(&self) -> bool {
        matches!((self.policy, self.nice), (3 | 5, _) | (0 | 7, 10..))
    }
}

/// CPU time of one process.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CpuTime {
    /// Command name.
    pub comm: String,
    /// Start, clock ticks after boot.
    pub start_ticks: u64,
    /// CPU time, nanoseconds, in steps of a clock tick (10 ms).
    pub cpu_ns: u64,
}

/// Where a thread is, from `/proc/<pid>/task/<tid>/syscall`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Position {
    /// On a CPU or runnable: the kernel does not tell more.
    Running,
    /// Blocked outside a system call (page fault, kernel thread).
    Blocked,
    /// Blocked in the system call of this number.
    InSyscall(i64),
}

/// Command name of a process.
pub fn comm(root: &Root, pid: u32) -> Result<String, Error> {
    Ok(root.read(format!("/proc/{pid}/comm"))?.trim_end_matches('\n').to_owned())
}

/// Command line of a process, its words set apart by spaces; empty for kernel threads and zombies. Control characters are escaped; of
/// a longer one than is told, the beginning and an ellipsis.
pub fn command_line(root: &Root, pid: u32) -> Result<String, Error> {
    let path = root.path(format!("/proc/{pid}/cmdline"));
    // It may be megabytes long, and waits for the process's memory map.
    match patience::read(path.clone(), MOST_OF_COMMAND_LINE + 1) {
        Ok(bytes) => Ok(words(bytes)),
        Err(source) => Err(Error::Read { path, source }),
    }
}

/// Bytes of a command line that are told.
const MOST_OF_COMMAND_LINE: u64 = 1_024;

fn words(mut bytes: Vec<u8>) -> String {
    let is_cut = bytes.len() as u64 > MOST_OF_COMMAND_LINE;
    if is_cut {
        bytes.pop();
    }
    // A program that writes over its arguments may leave any number of NULs at the end.
    while !is_cut && bytes.last() == Some(&0) {
        bytes.pop();
    }
    bytes.iter_mut().filter(|byte| **byte == 0).for_each(|byte| *byte = b' ');
    let text = escaped(&bytes);
    if is_cut { text + "…" } else { text }
}

/// Whether the process is there (a zombie is).
#[must_use]
pub fn exists(root: &Root, pid: u32) -> bool {
    root.exists(format!("/proc/{pid}/stat"))
}

/// All process ids, none when `/proc` cannot be listed.
#[must_use]
pub fn pids(root: &Root) -> Vec<u32> {
    numbers(root, "/proc")
}

/// The id that was given last, to a process or a thread.
pub fn newest(root: &Root) -> Result<u32, Error> {
    root.parse("/proc/loadavg", "an id at the end", |text| text.split_whitespace().next_back()?.parse().ok())
}

/// How many threads there are, the kernel's own included.
pub fn threads(root: &Root) -> Result<u64, Error> {
    let count = |text: &str| text.split_whitespace().nth(3)?.split_once('/')?.1.parse().ok();
    root.parse("/proc/loadavg", "a number of threads after a slash", count)
}

/// Clock ticks since boot.
pub fn ticks_since_boot(root: &Root) -> Result<u64, Error> {
    let ticks = |text: &str| {
        let seconds: f64 = text.split_whitespace().next()?.parse().ok()?;
        Some((seconds * rustix::param::clock_ticks_per_second() as f64) as u64)
    };
    root.parse("/proc/uptime", "a number of seconds", ticks)
}

/// Thread ids of a process, none when it is gone.
#[must_use]
pub fn tids(root: &Root, pid: u32) -> Vec<u32> {
    numbers(root, &format!("/proc/{pid}/task"))
}

/// A process.
pub fn stat(root: &Root, pid: u32) -> Result<Stat, Error> {
    root.parse(format!("/proc/{pid}/stat"), "at least 41 fields", parse_stat)
}

/// One thread.
pub fn thread_stat(root: &Root, pid: u32, tid: u32) -> Result<Stat, Error> {
    root.parse(format!("/proc/{pid}/task/{tid}/stat"), "at least 41 fields", parse_stat)
}

/// CPU time of every process now; one that ends while reading is left out.
#[must_use]
pub fn cpu_times(root: &Root) -> HashMap<u32, CpuTime> {
    let one = |pid| {
        let Stat { comm, start_ticks, cpu_ticks, .. } = stat(root, pid).ok()?;
        Some((pid, CpuTime { comm, start_ticks, cpu_ns: ticks_ns(cpu_ticks) }))
    };
    pids(root).into_iter().filter_map(one).collect()
}

/// CPU time that processes used since `start`, nanoseconds, with their names, most first; those that used none are left out. A
/// process born since then, also under an old pid, counts whole.
#[must_use]
pub fn cpu_used(start: &HashMap<u32, CpuTime>, end: HashMap<u32, CpuTime>) -> Vec<(u32, String, u64)> {
    let used = |pid: &u32, now: &CpuTime| match start.get(pid) {
        Some(before) if before.start_ticks == now.start_ticks => now.cpu_ns.saturating_sub(before.cpu_ns),
        _ => now.cpu_ns,
    };
    let mut all: Vec<_> = end.into_iter().map(|(pid, now)| (pid, used(&pid, &now), now.comm)).collect();
    all.retain(|(_, used, _)| *used > 0);
    all.sort_by_key(|(pid, used, _)| (std::cmp::Reverse(*used), *pid));
    all.into_iter().map(|(pid, used, comm)| (pid, comm, used)).collect()
}

/// Where a thread is. Needs `CAP_SYS_PTRACE` for other users' threads.
pub fn position(root: &Root, pid: u32, tid: u32) -> Result<Position, Error> {
    root.parse(format!("/proc/{pid}/task/{tid}/syscall"), "`running` or a number", parse_position)
}

/// Why most processes of the host cannot be seen in `/proc`; `None` when they can.
#[must_use]
pub fn hidden(root: &Root) -> Option<&'static str> {
    if is_in_namespace(root) {
        return Some("only the processes of kerno's own pid namespace are visible");
    }
    (!root.exists("/proc/1/task/1/stat")).then_some("/proc hides other users' processes (hidepid)")
}

/// Whether kerno's pid namespace is not the host's: the kernel knows processes by other numbers than it does.
#[must_use]
pub fn is_in_namespace(root: &Root) -> bool {
    /// The kernel's fixed number of the first pid namespace.
    const FIRST_NAMESPACE: &str = "pid:[4026531836]";
    let namespace = std::fs::read_link(root.path("/proc/self/ns/pid")).ok();
    namespace.is_some_and(|namespace| namespace.as_os_str() != FIRST_NAMESPACE)
}

/// Nanoseconds of so many clock ticks.
#[must_use]
pub fn ticks_ns(ticks: u64) -> u64 {
    ticks.saturating_mul(1_000_000_000 / rustix::param::clock_ticks_per_second().max(1))
}

fn numbers(root: &Root, directory: &str) -> Vec<u32> {
    root.names(directory).iter().filter_map(|name| name.parse().ok()).collect()
}

/// `pid (comm) state ppid …`: the name may hold spaces and parentheses, so fields are counted from the last `)`.
fn parse_stat(text: &str) -> Option<Stat> {
    const PF_KTHREAD: u64 = 0x0020_0000;
    let (open, close) = (text.find('(')?, text.rfind(')')?);
    let comm = text.get(open + 1..close)?.to_owned();
    let rest: Vec<&str> = text.get(close + 1..)?.split_whitespace().collect();
    // Numbers are those of proc(5), which counts pid as 1 and comm as 2.
    let field = |number: usize| rest.get(number - 3).copied();
    Some(Stat {
        comm,
        state: field(3)?.chars().next()?,
        of_kernel: field(9)?.parse::<u64>().ok()? & PF_KTHREAD != 0,
        cpu_ticks: field(14)?.parse::<u64>().ok()?.saturating_add(field(15)?.parse().ok()?),
        nice: field(19)?.parse().ok()?,
        start_ticks: field(22)?.parse().ok()?,
        policy: field(41)?.parse().ok()?,
    })
}

fn parse_position(text: &str) -> Option<Position> {
    match text.split_whitespace().next()? {
        "running" => Some(Position::Running),
        "-1" => Some(Position::Blocked),
        number => number.parse().ok().map(Position::InSyscall),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(comm: &str, nice: i32, policy: u32) -> String {
        let before = "R 11726 11726 8410 0 -1 4194304 99 0 0 0 120 30 0 0 20";
        let zeros = "0 ".repeat(18);
        format!("11744 ({comm}) {before} {nice} 1 0 174672 {zeros}{policy} 0 0 0\n")
    }

    #[test]
    fn a_name_with_spaces_and_parentheses_moves_no_field() {
        for comm in ["cat", "a b", "x) R 1 (y", ""] {
            let stat = parse_stat(&line(comm, 5, 0)).unwrap();
            assert_eq!((stat.comm.as_str(), stat.state, stat.cpu_ticks), (comm, 'R', 150));
            assert_eq!((stat.nice, stat.start_ticks, stat.policy), (5, 174_672, 0));
            assert!(!stat.of_kernel);
        }
        assert_eq!(parse_stat("1 (short) R 1 2 3"), None);
        assert!(parse_stat(&line("kthreadd", 0, 0).replace("4194304", "2129984")).unwrap().of_kernel);
    }

    #[test]
    fn the_largest_numbers_stay_the_largest() {
        let max = u64::MAX.to_string();
        let text = line("x", 0, 0).replace("120 30", &format!("{max} {max}"));
        assert_eq!(parse_stat(&text).unwrap().cpu_ticks, u64::MAX);
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("proc/7")).unwrap();
        std::fs::write(directory.path().join("proc/7/stat"), text).unwrap();
        assert_eq!(cpu_times(&Root::new(directory.path()))[&7].cpu_ns, u64::MAX);
    }

    #[test]
    fn command_lines_are_one_line_of_bounded_length() {
        for (bytes, expected) in [
            (b"/usr/bin/db\0--data\0/var/lib/db\0".as_slice(), "/usr/bin/db --data /var/lib/db"),
            (b"nginx: worker process\0\0\0\0", "nginx: worker process"),
            (b"evil\x1b[2J\n\xff\0", "evil\\x1b[2J\\x0a\\xff"),
            (b"", ""),
        ] {
            assert_eq!(words(bytes.to_vec()), expected);
        }
        let directory = tempfile::tempdir().unwrap();
        std::fs::create_dir_all(directory.path().join("proc/7")).unwrap();
        std::fs::write(directory.path().join("proc/7/cmdline"), "a".repeat(1 << 20)).unwrap();
        let line = command_line(&Root::new(directory.path()), 7).unwrap();
        assert_eq!((line.chars().count(), line.ends_with("a…")), (1_025, true));
        assert!(command_line(&Root::default(), std::process::id()).unwrap().contains("kerno"));
        assert!(command_line(&Root::default(), u32::MAX).unwrap_err().is_not_found());
    }

    #[test]
    fn background_is_what_asked_to_wait() {
        let cases = [
            (0, 0, false),
            (9, 0, false),
            (10, 0, true),
            (19, 0, true),
            (0, 3, true),
            (0, 5, true),
            (19, 1, false),
            (10, 7, true),
        ];
        for (nice, policy, background) in cases {
            assert_eq!(parse_stat(&line("x", nice, policy)).unwrap().is_background(), background, "nice {nice} policy {policy}");
        }
    }

    #[test]
    fn positions_of_a_thread() {
        assert_eq!(parse_position("running\n"), Some(Position::Running));
        assert_eq!(parse_position("-1 0x7ffc 0x7f5e\n"), Some(Position::Blocked));
        assert_eq!(parse_position("74 0x3 0x0 0x0 0x0 0x0 0x0 0x7ffc 0x7f5e\n"), Some(Position::InSyscall(74)));
        assert_eq!(parse_position(""), None);
    }

    #[test]
    fn a_reused_pid_counts_from_nothing() {
        let time = |start_ticks, cpu_ns| CpuTime { comm: "x".to_owned(), start_ticks, cpu_ns };
        let start = HashMap::from([(1, time(5, 100)), (2, time(6, 100)), (3, time(7, 100))]);
        let end = HashMap::from([(1, time(5, 150)), (2, time(9, 90)), (3, time(7, 100)), (4, time(9, 60))]);
        let used: Vec<_> = cpu_used(&start, end).into_iter().map(|(pid, _, used)| (pid, used)).collect();
        assert_eq!(used, [(2, 90), (4, 60), (1, 50)]);
    }

    #[test]
    fn this_process_is_seen_working() {
        let root = Root::default();
        let pid = std::process::id();
        let start = cpu_times(&root);
        let until = std::time::Instant::now() + std::time::Duration::from_millis(60);
        while std::time::Instant::now() < until {
            std::hint::black_box(0);
        }
        assert!(cpu_used(&start, cpu_times(&root)).iter().any(|(found, _, _)| *found == pid));
        assert!(exists(&root, pid) && !exists(&root, u32::MAX));
        assert_eq!(comm(&root, pid).unwrap(), stat(&root, pid).unwrap().comm);
        assert!(tids(&root, pid).contains(&pid));
        assert!(comm(&root, u32::MAX).unwrap_err().is_not_found());
    }
}
