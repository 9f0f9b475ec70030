//! Windows as no kernel would tell them: no rule traps on one, a component says what its source says, and every report can be read.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stopped")]

use std::fs;
use std::panic::{AssertUnwindSafe, catch_unwind};
use std::path::Path;

use kerno::artifacts::BUILT_IN_RULES;
use kerno::engine::{Limits, Runtime};
use kerno::findings::{RuleReport, RuleStatus};
use kerno::report::{self, Report, Style};
use kerno_rules_sdk::Verdict;
use kerno_rules_sdk::testing::{Outcome, Window};
use kerno_signals::Snapshot;
use serde_json::Value;

/// Windows that are judged.
const WINDOWS: u64 = 300;
/// Changes to each at most.
const CHANGES: u64 = 24;

type Judge = fn(&Window) -> Outcome;

const RULES: [(&str, Judge); 12] = [
    ("cpu-throttling", Window::judge::<kerno_rule_cpu_throttling::CpuThrottling>),
    ("disk-io-bottleneck", Window::judge::<kerno_rule_disk_io_bottleneck::DiskIoBottleneck>),
    ("fd-leak", Window::judge::<kerno_rule_fd_leak::FdLeak>),
    ("memory-pressure", Window::judge::<kerno_rule_memory_pressure::MemoryPressure>),
    ("network-latency", Window::judge::<kerno_rule_network_latency::NetworkLatency>),
    ("oom-imminent", Window::judge::<kerno_rule_oom_imminent::OomImminent>),
    ("oom-kill", Window::judge::<kerno_rule_oom_kill::OomKill>),
    ("scheduler-contention", Window::judge::<kerno_rule_scheduler_contention::SchedulerContention>),
    ("syscall-error-rate", Window::judge::<kerno_rule_syscall_error_rate::SyscallErrorRate>),
    ("syscall-latency", Window::judge::<kerno_rule_syscall_latency::SyscallLatency>),
    ("tcp-retransmit-storm", Window::judge::<kerno_rule_tcp_retransmit_storm::TcpRetransmitStorm>),
    ("tcp-rtt-degradation", Window::judge::<kerno_rule_tcp_rtt_degradation::TcpRttDegradation>),
];

#[test]
fn no_window_traps_a_rule_and_every_report_can_be_read() {
    let built = BUILT_IN_RULES;
    assert!(built.iter().map(|(id, _)| *id).eq(RULES.map(|(id, _)| id)));
    let components = Runtime::new(&Limits::default()).unwrap().load(built, &[]).unwrap();
    let recorded = recorded();
    let (mut fired, mut changed) = (0, 0);
    for number in 0..WINDOWS {
        let (name, original) = &recorded[number as usize % recorded.len()];
        let of = format!("{name}, window {number}");
        let (snapshot, changes) = changed_by(&mut Dice(number), original);
        changed += changes;
        let native = catch_unwind(AssertUnwindSafe(|| {
            let window = Window::of(snapshot.clone());
            RULES.map(|(_, judge)| judge(&window).0)
        }))
        .unwrap_or_else(|_| panic!("{of}: a rule panics"));
        let reports = components.judge(&postcard::to_stdvec(&snapshot).unwrap()).unwrap();
        for (native, component) in native.iter().zip(&reports) {
            // Without components there is nothing to compare; another test demands them.
            if built.iter().any(|(id, bytes)| *id == component.id && bytes.is_some()) {
                assert_eq!(status(native), component.status, "{of}: {} {:?} {native:?}", component.id, component.reason);
            }
        }
        fired += reports.iter().filter(|report| report.status == RuleStatus::Fired).count();
        readable(&snapshot, reports, &of);
    }
    assert!(changed > WINDOWS * 2, "only {changed} changes were possible");
    assert!(fired > 50 || built.iter().any(|(_, bytes)| bytes.is_none()), "only {fired} rules fired");
}

fn status(native: &Result<Verdict, String>) -> RuleStatus {
    match native {
        Ok(Verdict::Fired(_)) => RuleStatus::Fired,
        Ok(Verdict::Quiet(_)) => RuleStatus::Quiet,
        Ok(Verdict::NotEvaluated(_)) => RuleStatus::NotEvaluated,
        Err(_) => RuleStatus::Failed,
    }
}

/// Every form of the report can be written, moves no cursor, and has an end.
fn readable(snapshot: &Snapshot, rules: Vec<RuleReport>, of: &str) {
    let report = Report::new(snapshot, rules);
    let style = Style::terminal(80, false);
    for text in [report::pretty(&report, &style), report::pretty(&report, &style.plain()), report::json(&report).unwrap()] {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{of}: {text:?}");
        assert!(text.len() < 4 << 20, "{of}: {} bytes", text.len());
    }
}

/// Every recorded window of every rule.
fn recorded() -> Vec<(String, Value)> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules-builtin");
    let mut windows = Vec::new();
    for (id, _) in RULES {
        for entry in fs::read_dir(root.join(id).join("fixtures")).unwrap() {
            let path = entry.unwrap().path();
            let name = format!("{id}/{}", path.file_stem().unwrap().display());
            windows.push((name, serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap()));
        }
    }
    windows.sort_by(|a, b| a.0.cmp(&b.0));
    windows
}

/// The window with some of its values changed, as far as a snapshot can hold the new ones, and how many were.
fn changed_by(dice: &mut Dice, original: &Value) -> (Snapshot, u64) {
    let mut window = original.clone();
    let mut done = 0;
    for _ in 0..=dice.below(CHANGES) {
        let mut places = Vec::new();
        list(&window, &mut String::new(), &mut places);
        let place = &places[dice.below(places.len() as u64) as usize];
        let mut next = window.clone();
        let value = next.pointer_mut(place).unwrap();
        *value = other(dice, value);
        if serde_json::from_value::<Snapshot>(next.clone()).is_ok() {
            window = next;
            done += 1;
        }
    }
    (serde_json::from_value(window).unwrap(), done)
}

/// JSON pointers to everything inside.
fn list(value: &Value, place: &mut String, places: &mut Vec<String>) {
    let mut inside = |key: String, value: &Value| {
        let length = place.len();
        place.push('/');
        place.push_str(&key.replace('~', "~0").replace('/', "~1"));
        places.push(place.clone());
        list(value, place, places);
        place.truncate(length);
    };
    match value {
        Value::Array(all) => all.iter().enumerate().for_each(|(index, value)| inside(index.to_string(), value)),
        Value::Object(all) => all.iter().for_each(|(key, value)| inside(key.clone(), value)),
        _ => {}
    }
}

/// Something else of the same kind.
fn other(dice: &mut Dice, value: &Value) -> Value {
    match value {
        Value::Number(number) if number.is_f64() => dice.one_of(&[0.0, -1.0, 1e300, 1e-300, f64::MAX]).into(),
        Value::Number(_) => match dice.below(6) {
            0 => (-1).into(),
            number => [0, 1, u64::from(u32::MAX), i64::MAX as u64, u64::MAX][number as usize - 1].into(),
        },
        Value::String(_) => {
            let long = "long".repeat(2_560);
            dice.one_of(&["", "\u{1b}[31m\u{7}red\n", &long, "'; reboot #", "\u{202e}日本"]).into()
        }
        Value::Bool(value) => (!value).into(),
        Value::Array(all) if dice.below(2) == 0 => all.iter().cycle().take(all.len() * 200).take(2_000).cloned().collect(),
        Value::Array(_) => Value::Array(Vec::new()),
        Value::Object(_) | Value::Null => Value::Null,
    }
}

/// Numbers that are the same in every run (splitmix64).
struct Dice(u64);

impl Dice {
    fn below(&mut self, end: u64) -> u64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = (self.0 ^ (self.0 >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)) % end.max(1)
    }

    fn one_of<T: Copy>(&mut self, all: &[T]) -> T {
        all[self.below(all.len() as u64) as usize]
    }
}
