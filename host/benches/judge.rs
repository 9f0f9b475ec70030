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

const WARM_UP: usize = 200;
const RUNS: usize = 2_000;

fn main() -> ExitCode {
    if BUILT_IN_RULES.iter().any(|(_, component)| component.is_none()) {
        println!("not measured: no rules were built in; run `cargo xtask build` first");
        return ExitCode::FAILURE;
    }
    let runtime = Runtime::new(&Limits::default()).ok();
    let Some(rules) = runtime.and_then(|runtime| runtime.load(BUILT_IN_RULES, &[]).ok()) else {
        println!("not measured: the rules do not load");
        return ExitCode::FAILURE;
    };
    // Healthy, where every distribution is looked at and nothing is found; and at fault, where the culprits are looked for too.
    for groups in [100, 1_000] {
        for (name, factor) in [("healthy", 1), ("faulty", 1_000)] {
            if measure(&rules, &format!("{groups} groups, {name}"), &host::host(groups, factor)).is_none() {
                println!("not measured: the snapshot cannot be judged");
                return ExitCode::FAILURE;
            }
        }
    }
    ExitCode::SUCCESS
}

fn measure(rules: &RuleSet, name: &str, snapshot: &Snapshot) -> Option<()> {
    let bytes = postcard::to_stdvec(snapshot).ok()?;
    let (mut judging, mut decoding) = (Vec::with_capacity(RUNS), Vec::with_capacity(RUNS));
    let mut outcome: Vec<RuleReport> = Vec::new();
    for run in 0..WARM_UP + RUNS {
        let begun = Instant::now();
        let reports = rules.judge(&bytes).ok()?;
        let judged = begun.elapsed();
        let begun = Instant::now();
        drop(black_box(Snapshot::from_postcard(&bytes)));
        if run >= WARM_UP {
            judging.push(judged);
            decoding.push(begun.elapsed());
        }
        outcome = reports;
    }
    let [p50, p99, max] = quantiles(&mut judging);
    let [decoding, ..] = quantiles(&mut decoding);
    let statuses: Vec<_> = outcome.iter().map(|rule| format!("{} {:?}", rule.id, rule.status)).collect();
    println!(
        "{name}: p50 {p50:.1?}, p99 {p99:.1?}, max {max:.1?} of {RUNS}, of which decoding {} KiB: p50 {decoding:.1?}",
        bytes.len() >> 10
    );
    println!("  {}", statuses.join(", "));
    Some(())
}

fn quantiles(times: &mut [Duration]) -> [Duration; 3] {
    times.sort_unstable();
    [0.5, 0.99, 1.0].map(|q| times[((q * times.len() as f64).ceil() as usize).clamp(1, times.len()) - 1])
}
