//! The process that judges: shut in, and no harm to anybody when it ends.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where it stopped")]
#![expect(clippy::print_stdout, reason = "one test reads what another one prints")]

use std::collections::BTreeMap;
use std::io;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::atomic::{AtomicU32, Ordering};
use std::thread;
use std::time::Duration;

use kerno::artifacts::BUILT_IN_RULES;
use kerno::engine::{self, Candidate, Limits, Runtime, Settings};
use kerno::findings::RuleStatus;
use kerno::judge::{self, Judge};
use rustix::process::{Pid, Resource, Rlimit, Signal, kill_process, prlimit};
use wasmtime::{Config, Engine, Linker, Module, Store};

#[path = "hostile/components.rs"]
mod components;
#[path = "../benches/judge/families.rs"]
mod families;
#[path = "../benches/judge/host.rs"]
mod host;

/// Says that this run of the test's program is the one that is shut in.
const SHUT_IN: &str = "KERNO_TEST_SHUT_IN";

type Attempt = fn() -> libc::c_long;

/// What somebody who got out of a rule's sandbox may try, by name; what comes of it is the kernel's error, 0 for none.
const ATTEMPTS: [(&str, Attempt); 16] = [
    // SAFETY of all: each is a call of the system with numbers and pointers to constants; none touches this program's memory.
    ("open", || call(libc::SYS_openat, [libc::AT_FDCWD as i64, c"/etc/passwd".as_ptr() as i64, 0, 0])),
    ("create", || call(libc::SYS_openat, [libc::AT_FDCWD as i64, c"/tmp/kerno-escaped".as_ptr() as i64, 0o101, 0o600])),
    ("own memory", || call(libc::SYS_openat, [libc::AT_FDCWD as i64, c"/proc/self/mem".as_ptr() as i64, 2, 0])),
    ("list", || call(libc::SYS_openat, [libc::AT_FDCWD as i64, c"/".as_ptr() as i64, 0o200_000, 0])),
    ("stat", || call(libc::SYS_readlinkat, [libc::AT_FDCWD as i64, c"/proc/self/exe".as_ptr() as i64, 0, 0])),
    ("memory file", || call(libc::SYS_memfd_create, [c"escaped".as_ptr() as i64, 0, 0, 0])),
    ("socket", || call(libc::SYS_socket, [1, 1, 0, 0])),
    ("connect", || call(libc::SYS_connect, [-1, 0, 0, 0])),
    ("bpf", || call(libc::SYS_bpf, [0, 0, 0, 0])),
    ("perf event", || call(libc::SYS_perf_event_open, [0, 0, 0, 0])),
    ("ptrace", || call(libc::SYS_ptrace, [16, 1, 0, 0])),
    ("other memory", || call(libc::SYS_process_vm_readv, [1, 0, 0, 0])),
    ("fork", || match call(libc::SYS_clone, [17, 0, 0, 0]) {
        // The child of a fork that worked has no business here.
        // SAFETY: it ends the child alone.
        0 if std::process::id() != OWN.load(Ordering::Relaxed) => unsafe { libc::_exit(0) },
        result => result,
    }),
    ("exec", || call(libc::SYS_execve, [c"/nothing".as_ptr() as i64, 0, 0, 0])),
    ("kill", || call(libc::SYS_kill, [1, 0, 0, 0])),
    ("raise limits", || call(libc::SYS_prlimit64, [0, 7, LIMIT.as_ptr() as i64, 0])),
];

static OWN: AtomicU32 = AtomicU32::new(0);
static LIMIT: [u64; 2] = [u64::MAX, u64::MAX];

/// The kernel's error of a call; what it gave when it worked.
fn call(number: libc::c_long, [a, b, c, d]: [i64; 4]) -> libc::c_long {
    // SAFETY: see `ATTEMPTS`.
    let result = unsafe { libc::syscall(number, a, b, c, d, 0, 0) };
    if result < 0 { -libc::c_long::from(io::Error::last_os_error().raw_os_error().unwrap_or(0)) } else { 0 }
}

/// Runs a guest whose host function is the way out.
fn escape(attempt: usize) -> i64 {
    // A thread that was still starting would be shut in half-way.
    let engine = Engine::new(Config::new().parallel_compilation(false)).unwrap();
    let guest = r#"(module (import "host" "escape" (func $escape (param i32) (result i64)))
        (func (export "run") (param i32) (result i64) (call $escape (local.get 0))))"#;
    let module = Module::new(&engine, wat::parse_str(guest).unwrap()).unwrap();
    let mut linker = Linker::new(&engine);
    linker.func_wrap("host", "escape", |attempt: u32| ATTEMPTS[attempt as usize].1()).unwrap();
    let mut store = Store::new(&engine, ());
    let instance = linker.instantiate(&mut store, &module).unwrap();
    let run = instance.get_typed_func::<u32, i64>(&mut store, "run").unwrap();
    run.call(&mut store, u32::try_from(attempt).unwrap()).unwrap()
}

/// Runs by itself only when it is started by the next test: there is no way back out of the walls.
#[test]
fn shut_in() {
    if std::env::var_os(SHUT_IN).is_none() {
        return;
    }
    OWN.store(std::process::id(), Ordering::Relaxed);
    judge::enclose(&Limits::default()).unwrap();
    judge::seal(&Limits::default()).unwrap();
    for (index, (name, _)) in ATTEMPTS.iter().enumerate() {
        println!("escape {name}: {}", escape(index));
    }
}

#[test]
fn whoever_escapes_from_a_rule_finds_an_empty_room() {
    assert_eq!(escape(0), 0, "outside of the walls a file can be read");
    assert_eq!(escape(7), -i64::from(libc::EBADF), "and the kernel looks at what is to be connected");
    let output = Command::new(std::env::current_exe().unwrap())
        .args(["--exact", "shut_in", "--nocapture", "--test-threads", "1"])
        .env(SHUT_IN, "1")
        .output()
        .unwrap();
    let text = format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    for (name, _) in ATTEMPTS {
        assert!(text.contains(&format!("escape {name}: -{}\n", libc::EPERM)), "{name}: {text}");
    }
}

fn kerno() -> Judge {
    Judge::start_as(PathBuf::from(env!("CARGO_BIN_EXE_kerno")), Limits::default()).unwrap()
}

fn built_in() -> Vec<Candidate> {
    BUILT_IN_RULES.iter().map(|(id, component)| Candidate::built_in(id, *component)).collect()
}

#[test]
fn it_says_what_rules_say_in_this_process_and_holds_no_right() {
    let snapshot = postcard::to_allocvec(&host::host(30, 1_000)).unwrap();
    let here = Runtime::new(&Limits::default()).unwrap().load(BUILT_IN_RULES, &[]).unwrap();
    let mut judge = kerno();
    judge.load(built_in(), Settings::default(), BTreeMap::new()).unwrap();
    assert_eq!(judge.described(), here.described());
    assert_eq!(judge.judge(&snapshot).unwrap(), here.judge(&snapshot).unwrap());
    let tasks = std::fs::read_dir(format!("/proc/{}/task", judge.process_id().unwrap())).unwrap();
    let statuses: Vec<String> = tasks.map(|task| std::fs::read_to_string(task.unwrap().path().join("status")).unwrap()).collect();
    assert_eq!(statuses.len(), 2, "one judges, one keeps its time");
    for line in ["CapPrm:\t0000000000000000", "CapEff:\t0000000000000000", "NoNewPrivs:\t1", "Seccomp:\t2"] {
        assert!(statuses.iter().all(|status| status.contains(line)), "{line}: {statuses:?}");
    }
    assert!(judge.judge(b"no snapshot").is_err());
    assert!(judge.judge(&snapshot).unwrap().iter().any(|report| report.status == RuleStatus::Fired), "and it goes on");
}

#[test]
fn when_it_ends_another_one_judges() {
    let snapshot = postcard::to_allocvec(&host::host(30, 1_000)).unwrap();
    let mut judge = kerno();
    judge.load(built_in(), Settings::default(), BTreeMap::new()).unwrap();
    let before = judge.judge(&snapshot).unwrap();
    let first = process(&judge);
    kill_process(first, Signal::KILL).unwrap();
    assert_eq!(judge.judge(&snapshot).unwrap(), before, "nobody is blamed");
    assert_ne!(process(&judge), first);
}

#[test]
fn a_rule_during_which_it_ends_is_blamed_alone() {
    let snapshot = postcard::to_allocvec(&host::host(30, 1_000)).unwrap();
    let directory = tempfile::tempdir().unwrap();
    for name in ["healthy", "loops", "second"] {
        std::fs::write(directory.path().join(format!("{name}.wasm")), components::rule(name)).unwrap();
    }
    // So long that it is sure to be running.
    let limits = Limits { deadline: Duration::from_secs(60), ..Limits::default() };
    let mut judge = Judge::start_as(PathBuf::from(env!("CARGO_BIN_EXE_kerno")), limits.clone()).unwrap();
    let candidates = engine::candidates(&[directory.path().to_owned()], &limits).unwrap();
    judge.load(candidates, Settings::default(), BTreeMap::new()).unwrap();
    let own = PathBuf::from("/proc").join(std::fs::read_link("/proc/thread-self").unwrap());
    let killer = thread::spawn(move || {
        // The second one, too, that is started in its place: once alone might be anybody's fault.
        for _ in 0..2 {
            let busy = loop {
                // No other rule takes so much time.
                if let Some(busy) = children(&own).into_iter().find(|process| ticks(*process) >= 50) {
                    break busy;
                }
                thread::sleep(Duration::from_millis(20));
            };
            kill_process(busy, Signal::KILL).unwrap();
            while ticks(busy) >= 50 {
                thread::sleep(Duration::from_millis(5));
            }
        }
    });
    let reports = judge.judge(&snapshot).unwrap();
    killer.join().unwrap();
    let [first, ended, last] = &reports[..] else { panic!("{reports:#?}") };
    assert_eq!((first.status, ended.status, last.status), (RuleStatus::Fired, RuleStatus::Failed, RuleStatus::Fired));
    let reason = ended.reason.as_deref().unwrap();
    assert!(reason.starts_with("the process that judges ended (signal: 9") && reason.contains("while it ran"), "{reason}");
}

#[test]
fn a_rule_that_was_compiled_when_it_ended_once_is_compiled_again() {
    let directory = tempfile::tempdir().unwrap();
    for name in ["healthy", "second"] {
        std::fs::write(directory.path().join(format!("{name}.wasm")), components::rule(name)).unwrap();
    }
    let mut judge = kerno();
    let first = process(&judge);
    // Less memory than it has already: the next that it asks for is its last. That it ended once blames nobody.
    let least = Rlimit { current: Some(4096), maximum: Some(4096) };
    prlimit(Some(first), Resource::Data, least).unwrap();
    let candidates = engine::candidates(&[directory.path().to_owned()], &Limits::default()).unwrap();
    judge.load(candidates, Settings::default(), BTreeMap::new()).unwrap();
    assert!(judge.described().iter().all(|rule| rule.about.is_some() && rule.path.is_some()), "{:#?}", judge.described());
    assert_ne!(process(&judge), first);
    let reports = judge.judge(&postcard::to_allocvec(&host::host(30, 1_000)).unwrap()).unwrap();
    assert_eq!(reports.iter().map(|report| report.status).collect::<Vec<_>>(), [RuleStatus::Fired, RuleStatus::Fired]);
}

/// Processes that a thread of this one has started.
fn children(thread: &Path) -> Vec<Pid> {
    let children = std::fs::read_to_string(thread.join("children")).unwrap();
    children.split_whitespace().filter_map(|pid| Pid::from_raw(pid.parse().unwrap())).collect()
}

/// CPU time of a process, hundredths of a second; 0 of one that is gone.
fn ticks(process: Pid) -> u64 {
    let Ok(stat) = std::fs::read_to_string(format!("/proc/{}/stat", process.as_raw_nonzero())) else { return 0 };
    stat.rsplit(')').next().unwrap().split_whitespace().nth(11).unwrap().parse().unwrap()
}

fn process(judge: &Judge) -> Pid {
    Pid::from_raw(i32::try_from(judge.process_id().unwrap()).unwrap()).unwrap()
}
