//! Time of one judgement by all built-in rules and by each, and of decoding what they judge, on hosts of two sizes:
//! `cargo bench --bench judge`; with `-- RULE…` those rules alone. Work that never differs, of about the same length, is timed in
//! turns with the judgements of all: what its p99 is beyond its median is this machine's.
#![expect(clippy::print_stdout, reason = "a measurement is told on standard output")]

#[path = "judge/families.rs"]
mod families;
#[path = "judge/host.rs"]
mod host;

use std::collections::BTreeMap;
use std::fmt;
use std::hint::black_box;
use std::process::ExitCode;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kerno::artifacts::BUILT_IN_RULES;
use kerno::engine::{Limits, RuleSet, Runtime};
use kerno::findings::RuleReport;
use kerno_signals::Snapshot;

const WARM_UP: usize = 100;
const RUNS: usize = 1_000;

fn main() -> ExitCode {
    // Cargo adds a flag of its own.
    let named: Vec<String> = std::env::args().skip(1).filter(|argument| !argument.starts_with('-')).collect();
    let rules: Vec<_> =
        BUILT_IN_RULES.iter().copied().filter(|(id, _)| named.is_empty() || named.iter().any(|name| name == id)).collect();
    if rules.is_empty() || BUILT_IN_RULES.iter().any(|(_, component)| component.is_none()) {
        println!("not measured: these rules were not built in; run `cargo xtask build` first, and see `kerno rules list`");
        return ExitCode::FAILURE;
    }
    // Healthy, where every distribution is looked at and nothing is found; and at fault, where the culprits are looked for too.
    for groups in [100, 1_000] {
        for (name, factor) in [("healthy", 1), ("faulty", 1_000)] {
            if measure(&format!("{groups} groups, {name}"), &rules, &host::host(groups, factor)).is_none() {
                println!("not measured: the rules do not load, or the snapshot cannot be judged");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn measure(name: &str, rules: &[(&str, Option<&[u8]>)], snapshot: &Snapshot) -> Option<()> {
    let bytes = postcard::to_stdvec(snapshot).ok()?;
    let decoding = time(|| Snapshot::from_postcard(&bytes).ok())?;
    let snapshot = Arc::new(Snapshot::from_postcard(&bytes).ok()?);
    let all = load(rules)?;
    let control = Control::as_long_as(|| drop(black_box(all.judge_decoded(&snapshot))));
    let [all, control] = times([&mut || drop(black_box(all.judge_decoded(&snapshot))), &mut || control.run()]);
    println!("{name}, {RUNS} times each: all rules {all}");
    println!("  in turns with work that never differs {control}");
    println!("  decoding {:>5} KiB       {decoding}", bytes.len() >> 10);
    for rule in rules {
        let (time, reports) = judge(&load(std::slice::from_ref(rule))?, &snapshot)?;
        println!("  {:<24} {time} {:?}", rule.0, reports.first()?.status);
    }
    Some(())
}

fn load(rules: &[(&str, Option<&[u8]>)]) -> Option<RuleSet> {
    Runtime::new(&Limits::default()).ok()?.load(rules, &[]).ok()
}

/// Times of one judgement, and the last.
fn judge(rules: &RuleSet, snapshot: &Arc<Snapshot>) -> Option<(Times, Vec<RuleReport>)> {
    let judge = || rules.judge_decoded(snapshot);
    Some((time(|| Some(judge()))?, judge()))
}

/// Shortest, median, p99 and longest.
struct Times([Duration; 4]);

impl fmt::Display for Times {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let [min, p50, p99, max] = self.0;
        write!(f, "min {min:>8.2?}, p50 {p50:>8.2?}, p99 {p99:>8.2?}, max {max:>8.2?}")
    }
}

/// Times of something that can fail. What it makes is dropped in its time.
fn time<T>(mut run: impl FnMut() -> Option<T>) -> Option<Times> {
    let mut failed = false;
    let [times] = times([&mut || failed |= black_box(run()).is_none()]);
    (!failed).then_some(times)
}

/// Times of several things, run in turns.
fn times<const N: usize>(mut runs: [&mut dyn FnMut(); N]) -> [Times; N] {
    let mut times = [const { Vec::new() }; N];
    for number in 0..WARM_UP + RUNS {
        for (run, times) in runs.iter_mut().zip(&mut times) {
            let begun = Instant::now();
            run();
            if number >= WARM_UP {
                times.push(begun.elapsed());
            }
        }
    }
    times.map(|mut times| {
        times.sort_unstable();
        let at = |q: f64| times[((q * times.len() as f64).ceil() as usize).clamp(1, times.len()) - 1];
        Times([0.0, 0.5, 0.99, 1.0].map(at))
    })
}

/// Work that is the same each time, of the kind that judging is: text is written, put in order and thrown away.
struct Control {
    lines: u32,
}

impl Control {
    /// Takes about as long as something else.
    fn as_long_as(other: impl Fn()) -> Self {
        let mut control = Self { lines: 1_000 };
        let shortest = |run: &dyn Fn()| {
            let times = (0..WARM_UP).map(|_| {
                let begun = Instant::now();
                run();
                begun.elapsed()
            });
            times.min().unwrap_or_default().as_nanos()
        };
        let lines = u128::from(control.lines) * shortest(&other) / shortest(&|| control.run()).max(1);
        control.lines = u32::try_from(lines).unwrap_or(u32::MAX).max(1);
        control
    }

    fn run(&self) {
        // Spread over all numbers, so that no two runs of lines are neighbours.
        let line = |number: u32| (format!("/group/{:08x}.slice", number.wrapping_mul(0x9e37_79b9)), number);
        drop(black_box((0..self.lines).map(line).collect::<BTreeMap<String, u32>>()));
    }
}
