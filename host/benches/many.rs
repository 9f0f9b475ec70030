//! The built-in rules and a hundred of a user's own: time of a judgement in the process that judges, memory of both processes, and how
//! long a changed file takes until it is in force. `cargo xtask bench rules` builds the user's rule and runs it.
#![expect(clippy::print_stdout, reason = "a measurement is told on standard output")]
#![expect(clippy::unwrap_used, reason = "what cannot be measured ends the measurement")]

#[path = "judge/families.rs"]
mod families;
#[path = "judge/host.rs"]
mod host;

use std::collections::BTreeMap;
use std::fmt;
use std::fs;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::Arc;
use std::thread;
use std::time::{Duration, Instant};

use kerno::artifacts::BUILT_IN_RULES;
use kerno::bundle::Policy;
use kerno::engine::{Candidate, Limits, Quantity, Runtime, Settings};
use kerno::findings::RuleStatus;
use kerno::reload::{Live, Rules};
use kerno_signals::Snapshot;

/// Of a user's own.
const CUSTOM: usize = 100;
const WARM_UP: usize = 20;
const RUNS: usize = 500;
const RELOADS: usize = 20;
/// The id that the rule has, and what follows it in each copy.
const ID: &[u8] = b"top-of-family-000";

fn main() {
    let Some(rule) = std::env::var_os("KERNO_BENCH_RULE") else {
        return println!("not measured: `cargo xtask bench rules` builds the rule that this makes copies of, and runs it");
    };
    let component = fs::read(rule).unwrap();
    let snapshot = postcard::to_allocvec(&host::host(1_000, 1_000)).unwrap();
    println!(
        "a host of 1,000 control groups at fault, {} KiB; {RUNS} times each, sent and decoded each time",
        snapshot.len() >> 10
    );
    let one = Judging { built_in: false, custom: 1, ..Judging::default() };
    let nothing = measure("one that asks for nothing", &snapshot, &one, &component);
    let built_in = measure("built-in", &snapshot, &Judging::default(), &component);
    let empty =
        measure("built-in + 100 that ask for nothing", &snapshot, &Judging { custom: CUSTOM, ..Judging::default() }, &component);
    let top = Judging { custom: CUSTOM, records: 20.0, ..Judging::default() };
    let top = measure("built-in + 100, top 20 each, 10 fire", &snapshot, &top, &component);
    let whole = Judging { custom: CUSTOM, records: 1_000.0, ..Judging::default() };
    let whole = measure("built-in + 100, all 1,000 records each", &snapshot, &whole, &component);
    let beyond = |times: &Times, less: &Times| times.0.map(|time| time.saturating_sub(less.0[1]));
    println!("judging alone, without sending and decoding (p50 of one that asks for nothing taken off):");
    for (name, times) in [("built-in", &built_in), ("top 20", &top), ("all records", &whole)] {
        println!("  {name:<12} {}", Times(beyond(times, &nothing)));
    }
    println!("  top 20, in this process by itself: {}", alone(&snapshot, &component));
    let overhead = beyond(&empty, &built_in)[1] / CUSTOM as u32;
    println!("of a rule that asks for nothing {overhead:.1?} (target: at most 25 us)");
    reloads(&component);
    memory(&component);
}

#[derive(Clone, Copy)]
struct Judging {
    built_in: bool,
    custom: usize,
    records: f64,
}

impl Default for Judging {
    fn default() -> Self {
        Self { built_in: true, custom: 0, records: 0.0 }
    }
}

fn id(number: usize) -> String {
    format!("top-of-family-{number:03}")
}

/// A copy of the rule with an id of its own.
fn copy(component: &[u8], number: usize) -> Vec<u8> {
    let mut copy = component.to_vec();
    let at: Vec<usize> = (0..copy.len() - ID.len()).filter(|at| &copy[*at..at + ID.len()] == ID).collect();
    assert!(!at.is_empty(), "the rule has another id");
    at.into_iter().for_each(|at| copy[at..at + ID.len()].copy_from_slice(id(number).as_bytes()));
    copy
}

fn fill(directory: &Path, component: &[u8], number: usize) {
    for number in 0..number {
        fs::write(directory.join(format!("{}.wasm", id(number))), copy(component, number)).unwrap();
    }
}

fn settings(judging: &Judging) -> Settings {
    let number = |value| Quantity { value, unit: None };
    let mut parameters = BTreeMap::new();
    for custom in 0..judging.custom {
        let mut set = BTreeMap::from([("records".to_owned(), number(judging.records))]);
        if custom % 10 == 0 {
            set.insert("delay".to_owned(), number(0.0));
        }
        parameters.insert(id(custom), set);
    }
    Settings { parameters, ..Settings::default() }
}

/// What the process that judges does, without sending and decoding.
fn alone(snapshot: &[u8], component: &[u8]) -> Times {
    let judging = Judging { custom: CUSTOM, records: 20.0, ..Judging::default() };
    let runtime = Runtime::new(&Limits::default()).unwrap();
    runtime.start_threads().unwrap();
    let mut rules = runtime.without_rules(settings(&judging), BTreeMap::new());
    for (id, component) in BUILT_IN_RULES {
        rules.add(Candidate::built_in(id, *component));
    }
    for number in 0..CUSTOM {
        let candidate = Candidate::in_memory(PathBuf::from(format!("{}.wasm", id(number))), copy(component, number));
        let code = rules.compile(candidate.clone());
        rules.add(candidate.compiled(code));
    }
    let snapshot = Arc::new(Snapshot::from_postcard(snapshot).unwrap());
    let all = BUILT_IN_RULES.len() + CUSTOM;
    let judge = || {
        let (begun, mut fired) = (Instant::now(), 0);
        let each = rules.judge_each(0..all, &snapshot, |report, _| {
            fired += usize::from(report.status == RuleStatus::Fired);
            if report.status == RuleStatus::Failed { Err(report.reason) } else { Ok(()) }
        });
        assert!(each.is_ok() && fired > CUSTOM / 10, "{each:?}");
        begun.elapsed()
    };
    Times::of((0..WARM_UP + RUNS).map(|_| judge()).skip(WARM_UP).collect())
}

fn live(directory: &Path, judging: &Judging) -> Live {
    let built_in = BUILT_IN_RULES.iter().filter(|_| judging.built_in);
    let rules = Rules {
        program: PathBuf::from(env!("CARGO_BIN_EXE_kerno")),
        built_in: built_in.map(|(id, component)| Candidate::built_in(id, *component)).collect(),
        directories: vec![directory.to_owned()],
        settings: settings(judging),
        limits: Limits::default(),
        policy: Policy::default(),
    };
    Live::start(rules, || {}).unwrap()
}

fn measure(name: &str, snapshot: &[u8], judging: &Judging, component: &[u8]) -> Times {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path(), component, judging.custom);
    let begun = Instant::now();
    let mut live = live(directory.path(), judging);
    let ready = begun.elapsed();
    let mut times = Vec::with_capacity(RUNS);
    let mut fired = 0;
    for run in 0..WARM_UP + RUNS {
        let begun = Instant::now();
        let judgement = live.judge(snapshot).unwrap();
        if run >= WARM_UP {
            times.push(begun.elapsed());
        }
        fired = judgement.reports.iter().filter(|report| report.status == RuleStatus::Fired && !report.built_in()).count();
        assert!(judgement.reports.iter().all(|report| report.status != RuleStatus::Failed), "{:#?}", judgement.reports);
    }
    let times = Times::of(times);
    println!("{name:<40} {times}; ready after {ready:.0?}, {fired} of the user's fired");
    times
}

/// How long a changed file takes: one that was there before, one that was not, and a large one.
fn reloads(component: &[u8]) {
    let directory = tempfile::tempdir().unwrap();
    let elsewhere = directory.path();
    fill(directory.path(), component, CUSTOM);
    let mut live = live(directory.path(), &Judging { custom: CUSTOM, records: 20.0, ..Judging::default() });
    live.judge(&postcard::to_allocvec(&host::host(1_000, 1_000)).unwrap()).unwrap();
    let place = directory.path().join(format!("{}.wasm", id(7)));
    let mut reload = |bytes: &[u8]| {
        let beside = directory.path().join("new");
        fs::write(&beside, bytes).unwrap();
        let before = live.generation();
        let begun = Instant::now();
        fs::rename(&beside, &place).unwrap();
        while live.generation() == before {
            assert!(begun.elapsed() < Duration::from_secs(60), "it is not in force after a minute");
            thread::sleep(Duration::from_micros(500));
        }
        begun.elapsed()
    };
    println!("a file of the 112 rules is swapped, {RELOADS} times each, until its generation is in force:");
    // Code is kept for as long as somebody has the file.
    fs::write(elsewhere.join("y.wasm"), copy(component, 7)).unwrap();
    fs::write(elsewhere.join("z.wasm"), large(1, 0)).unwrap();
    let known: Vec<Duration> =
        (0..RELOADS).map(|number| reload(&[large(1, 0), copy(component, 7)][number % 2])).skip(2).collect();
    println!("  with cached code            {} (target: 150 ms)", Times::of(known));
    let anew = (0..RELOADS).map(|number| reload(&large(1, number + 1))).collect();
    println!("  compiled anew, {:>4} KiB     {}", large(1, 0).len() >> 10, Times::of(anew));
    let anew = (0..RELOADS).map(|number| reload(&large(256 << 10, number + 1))).collect();
    println!("  compiled anew, {:>4} KiB     {} (target: 500 ms)", large(256 << 10, 0).len() >> 10, Times::of(anew));
}

/// A rule of so many bytes at least, nearly all of them code.
fn large(bytes: usize, number: usize) -> Vec<u8> {
    let read = |name: &str| {
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile").join(name).with_extension("wat")).unwrap()
    };
    let mut functions = String::new();
    // A function like this one has some sixty bytes.
    for function in 0..bytes / 60 + 1 {
        functions += &format!(
            "(func (param i32 i32) (result i32) (local i32)
               (local.set 2 (i32.add (i32.mul (local.get 0) (i32.const {})) (i32.xor (local.get 1) (i32.const {number}))))
               (if (i32.lt_u (local.get 2) (i32.const {function})) (then (local.set 2 (i32.rotl (local.get 2) (i32.const 7)))))
               (if (i32.eqz (local.get 0)) (then (i32.store (i32.const 60) (local.get 2))))
               (i32.sub (local.get 2) (i32.load (i32.const 64))))\n",
            function * 7919
        );
    }
    let rule = read("rules/healthy").replace("(func (export \"describe\")", &format!("{functions}(func (export \"describe\")"));
    wat::parse_str(read("rule").replace("(; rule ;)", &rule)).unwrap()
}

/// Resident memory of a kerno that goes on measuring with all those rules, and of the process that judges for it.
fn memory(component: &[u8]) {
    let directory = tempfile::tempdir().unwrap();
    fill(directory.path(), component, CUSTOM);
    let mut kerno = Command::new(env!("CARGO_BIN_EXE_kerno"))
        .args(["doctor", "--continuous", "-d", "1s", "--interval", "2s", "-q", "-o", "json", "--config", "/dev/null", "--rules"])
        .arg(directory.path())
        .env("KERNO_EBPF", "off")
        .env("RUNTIME_DIRECTORY", directory.path().join("run"))
        .stdout(Stdio::null())
        .spawn()
        .unwrap();
    thread::sleep(Duration::from_secs(8));
    let resident = |pid: u32| {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap_or_default();
        let of =
            |key: &str| status.lines().find_map(|line| line.strip_prefix(key)?.split_whitespace().next()?.parse::<u64>().ok());
        (of("VmRSS:").unwrap_or(0) >> 10, of("VmHWM:").unwrap_or(0) >> 10)
    };
    // Whichever thread started it.
    let threads = fs::read_dir(format!("/proc/{}/task", kerno.id())).unwrap();
    let children = threads.filter_map(|thread| fs::read_to_string(thread.ok()?.path().join("children")).ok());
    let judge = children.collect::<String>().split_whitespace().next_back().and_then(|pid| pid.parse().ok()).unwrap();
    let ((own, own_most), (judging, judging_most)) = (resident(kerno.id()), resident(judge));
    println!(
        "resident with 112 rules, without eBPF: {own} MiB (most {own_most}) and the process that judges {judging} MiB (most \
         {judging_most}): {} MiB (target: 80)",
        own + judging
    );
    kerno.kill().unwrap();
    kerno.wait().unwrap();
}

/// Shortest, median, p99 and longest.
struct Times([Duration; 4]);

impl Times {
    fn of(mut times: Vec<Duration>) -> Self {
        times.sort();
        let at = |share: f64| times[((times.len() as f64 * share).ceil() as usize).clamp(1, times.len()) - 1];
        Self([at(0.0), at(0.5), at(0.99), at(1.0)])
    }
}

impl fmt::Display for Times {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [min, p50, p99, max] = self.0;
        write!(formatter, "min {min:>8.2?}, p50 {p50:>8.2?}, p99 {p99:>8.2?}, max {max:>8.2?}")
    }
}
