//! `syscall-error-rate`: calls fail, with errors that are no part of normal work.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod fault;
mod finding;
mod meaning;
mod table;

use kerno_rules_sdk::prelude::*;

/// Findings at most; the worst.
const FINDINGS: usize = 10;

/// The rule.
pub struct SyscallErrorRate;

export!(SyscallErrorRate);

impl Rule for SyscallErrorRate {
    fn describe() -> Description {
        Description::new("syscall-error-rate", "System calls fail", env!("CARGO_PKG_VERSION"))
            .severity(Severity::Warning)
            .needs("syscall")
            .parameter("share_warning", Unit::Ratio, 0.01, "share of a call's returns with an unexpected error that is a warning")
            .parameter("share_critical", Unit::Ratio, 0.10, "the same that is critical")
            .parameter("min_calls", Unit::Count, 100.0, "returns of a call that are needed to judge the share")
            .parameter(
                "few_are_many",
                Unit::Count,
                5.0,
                "failures of a call with ENOSPC, EIO, EROFS, EMFILE and the like that are a warning whatever their share",
            )
            .parameter(
                "probes_per_second",
                Unit::Count,
                5.0,
                "failures a second of a call in a control group, with EPERM, EACCES, ECONNREFUSED and the like, that may be probes",
            )
            .max_lost()
    }

    fn evaluate(signals: &Signals) -> Result<Verdict, String> {
        let (Some(family), Some(counts)) = (signals.family("syscall"), signals.call_counts()) else {
            return Ok(Verdict::NotEvaluated("syscall was not measured".to_owned()));
        };
        let Some(returned) = counts.returned.filter(|_| family.coverage != Coverage::Fallback) else {
            let why = family.reason.as_deref().unwrap_or("the eBPF collector is not running");
            return Ok(Verdict::NotEvaluated(format!("errors of calls are counted with eBPF only: {why}")));
        };
        if let Err(reason) = signals.percentiles_of("syscall", signals.parameter("max_lost")) {
            return Ok(Verdict::NotEvaluated(reason));
        }
        let (mut faults, most) = fault::find(signals);
        if faults.is_empty() {
            return Ok(family.quiet(why_quiet(signals, most, returned)));
        }
        faults.truncate(FINDINGS);
        Ok(Verdict::Fired(faults.iter().map(|fault| finding::of(signals, &family, fault)).collect()))
    }
}

fn why_quiet(signals: &Signals, most: Option<FailingCall>, returned: u64) -> String {
    let needed = signals.parameter("min_calls");
    let (calls, threshold) = (counted(returned, "call"), percent(signals.parameter("share_warning")));
    match most {
        Some(most) => {
            let error = most.errors.first().map_or("", |error| error.name.as_str());
            let share = percent(most.failed as f64 / most.calls.max(1) as f64);
            format!(
                "{calls}; most failures that are not normal: {} of {} {}, {share}, mostly {error}; threshold {threshold}",
                count(most.failed),
                count(most.calls),
                most.name
            )
        }
        None if (returned as f64) < needed => format!("{calls}, {} of one call needed", number(needed)),
        None => format!("{calls}, none failed but as part of normal work; threshold {threshold}"),
    }
}
