//! Time of one judgement by all built-in rules, snapshot bytes in and findings out, on hosts of two sizes:
//! `cargo bench --bench judge`.
#![expect(clippy::print_stdout, reason = "a measurement is told on standard output")]

#[path = "judge/families.rs"]
mod families;
#[path = "judge/host.rs"]
mod host;

use std::hint::black_box;
use std::process::ExitCode;
use std::time::{Duration, Instant};

use kerno::artifacts::BUILT_IN_RULES;
use kerno::engine::{Limits, RuleSet, Runtime};
use kerno::findings::RuleReport;
use kerno_signals::Snapshot;

const WARM_UP: usize = 100;
const RUNS: usize = 1_000;

fn main() -> ExitCode {
    if BUILT_IN_RULES.iter().any(|(_, component)| component.is_none()) {
        println!("not measured: no rules were built in; run `cargo xtask build` first");
        return ExitCode::FAILURE;
    }
    // Healthy, where every distribution is looked at and nothing is found; and at fault, where the culprits are looked for too.
    for groups in [100, 1_000] {
        for (name, factor) in [("healthy", 1), ("faulty", 1_000)] {
            if measure(&format!("{groups} groups, {name}"), &host::host(groups, factor)).is_none() {
                println!("not measured: the rules do not load, or the snapshot cannot be judged");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn measure(name: &str, snapshot: &Snapshot) -> Option<()> {
    let bytes = postcard::to_stdvec(snapshot).ok()?;
    let [decoding, ..] = time(|| Snapshot::from_postcard(&bytes))?;
    let (all, _) = load(BUILT_IN_RULES).and_then(|rules| judge(&rules, &bytes))?;
    let [p50, p99, max] = all;
    println!(
        "{name}: p50 {p50:.2?}, p99 {p99:.2?}, max {max:.2?} of {RUNS}; decoding {} KiB: p50 {decoding:.2?}",
        bytes.len() >> 10
    );
    for rule in BUILT_IN_RULES {
        let ([p50, p99, _], reports) = load(std::slice::from_ref(rule)).and_then(|rules| judge(&rules, &bytes))?;
        let status = reports.first()?.status;
        println!(
            "  {:<24} p50 {:>9.2?}, p99 {:>9.2?} {status:?}",
            rule.0,
            p50.saturating_sub(decoding),
            p99.saturating_sub(decoding)
        );
    }
    Some(())
}

fn load(rules: &[(&str, Option<&[u8]>)]) -> Option<RuleSet> {
    Runtime::new(&Limits::default()).ok()?.load(rules, &[]).ok()
}

/// Times of one judgement, and the last.
fn judge(rules: &RuleSet, snapshot: &[u8]) -> Option<([Duration; 3], Vec<RuleReport>)> {
    Some((time(|| rules.judge(snapshot))?, rules.judge(snapshot).ok()?))
}

/// Median, p99 and longest time of something that can fail.
fn time<T, E>(mut run: impl FnMut() -> Result<T, E>) -> Option<[Duration; 3]> {
    let mut times = Vec::with_capacity(RUNS);
    for number in 0..WARM_UP + RUNS {
        let begun = Instant::now();
        let outcome = black_box(run().ok()?);
        if number >= WARM_UP {
            times.push(begun.elapsed());
        }
        drop(outcome);
    }
    times.sort_unstable();
    Some([0.5, 0.99, 1.0].map(|q| times[((q * times.len() as f64).ceil() as usize).clamp(1, times.len()) - 1]))
}
