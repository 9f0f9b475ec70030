//! `syscall-latency`: calls take long, sleep by design and waiting for a CPU aside, or do not return.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod breach;
mod fault;
mod finding;
mod words;

use kerno_rules_sdk::prelude::*;

/// The rule.
pub struct SyscallLatency;

export!(SyscallLatency);

impl Rule for SyscallLatency {
    fn describe() -> Description {
        Description::new("syscall-latency", "System calls take long", env!("CARGO_PKG_VERSION"))
            .severity(Severity::Warning)
            .needs("syscall")
            .parameter("p99_warning", Unit::Seconds, 0.100, "p99 of a call's judged time that is a warning")
            .parameter(
                "p99_critical",
                Unit::Seconds,
                0.500,
                "p99 of a call's judged time that is critical, and what one call in flight must exceed",
            )
            .parameter("min_calls", Unit::Count, 20.0, "calls that are needed to judge their p99")
            .parameter("max_lost", Unit::Ratio, 0.05, "share of lost events above which only calls that hang are judged")
    }

    fn evaluate(signals: &Signals) -> Result<Verdict, String> {
        let Some(family) = signals.family("syscall") else {
            return Ok(Verdict::NotEvaluated("syscall was not measured".to_owned()));
        };
        let timed = timed(signals, &family);
        let faults = fault::find(signals, timed.is_ok());
        if !faults.is_empty() {
            return Ok(Verdict::Fired(faults.iter().map(|fault| finding::of(signals, &family, fault)).collect()));
        }
        Ok(match timed {
            Ok(returned) => family.quiet(why_quiet(signals, returned)),
            Err(reason) => Verdict::NotEvaluated(reason),
        })
    }
}

/// How many calls returned and were timed; else why none can be judged.
fn timed(signals: &Signals, family: &FamilyInfo) -> Result<u64, String> {
    let returned = signals.call_counts().and_then(|counts| counts.returned).filter(|_| family.coverage != Coverage::Fallback);
    let Some(returned) = returned else {
        let why = family.reason.as_deref().unwrap_or("the eBPF collector is not running");
        let critical = seconds(signals.parameter("p99_critical"));
        return Err(format!("without eBPF only calls that hang are seen, and none did for {critical}: {why}"));
    };
    signals.percentiles_of("syscall", signals.parameter("max_lost")).map(|_| returned)
}

fn why_quiet(signals: &Signals, returned: u64) -> String {
    let needed = signals.parameter("min_calls");
    let threshold = seconds(signals.parameter("p99_warning"));
    let Some(worst) = signals.call_times(false, needed as u64, 0.0, 1).into_iter().next() else {
        return format!("{}, {} of one call needed", counted(returned, "call"), number(needed));
    };
    let called = if worst.judged.count < 100 { "longest" } else { "p99" };
    let value = seconds(worst.judged.p99.unwrap_or(worst.judged.mean));
    format!(
        "{} {called} {value} of {}, threshold {threshold}; {}",
        worst.name,
        count(worst.judged.count),
        counted(returned, "call")
    )
}
