//! `fd-leak`: a process gains descriptors all the time and never gives them back.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod finding;
mod leak;
mod route;

use kerno_rules_sdk::prelude::*;

/// Findings at most; those nearest to their limit.
const FINDINGS: usize = 10;

/// The rule.
pub struct FdLeak;

export!(FdLeak);

impl Rule for FdLeak {
    fn describe() -> Description {
        Description::new("fd-leak", "A process leaks file descriptors", env!("CARGO_PKG_VERSION"))
            .severity(Severity::Warning)
            .needs("fd")
            .parameter(
                "growth_warning",
                Unit::Count,
                10.0,
                "descriptors that a process gains a second, net of what it closes, that are a warning",
            )
            .parameter("min_growing_parts", Unit::Count, 4.0, "parts, of five, of the window in which it must gain some")
            .parameter("min_watched", Unit::Ratio, 0.5, "share of the window that it must have been there to be judged")
    }

    fn evaluate(signals: &Signals) -> Result<Verdict, String> {
        let (Some(family), Some(totals)) = (signals.family("fd"), signals.fd_totals()) else {
            return Ok(Verdict::NotEvaluated("fd was not measured".to_owned()));
        };
        let growing = leak::growing(signals);
        let mut leaks = leak::find(signals, &growing);
        if !leaks.is_empty() {
            leaks.truncate(FINDINGS);
            return Ok(Verdict::Fired(leaks.iter().map(|leak| finding::of(signals, &family, leak)).collect()));
        }
        let told = why_quiet(signals, &totals, &growing);
        let limit = signals.parameter("growth_warning");
        let unclear = growing.iter().find(|process| leak::is_too_short(process) && leak::net(process) > limit);
        Ok(match unclear {
            Some(process) => Verdict::NotEvaluated(format!(
                "descriptors were counted too seldom ({}) to tell a leak from a start: {} (pid {}) gained {}; measure for longer",
                counted(totals.readings.into(), "time"),
                process.comm,
                process.pid,
                count(process.last - process.first.min(process.last))
            )),
            None if totals.unseen > 0 => {
                let why = family.reason.as_deref().unwrap_or("kerno lacks the rights");
                let number = counted(totals.unseen, "process");
                Verdict::NotEvaluated(format!("descriptors of at least {number} were not counted: {why}; of the others {told}"))
            }
            None => family.quiet(told),
        })
    }
}

fn why_quiet(signals: &Signals, totals: &FdTotals, growing: &[FdProcess]) -> String {
    let limit = number(signals.parameter("growth_warning"));
    match growing.iter().find(|process| leak::is_judged(signals, process)) {
        Some(most) => {
            let (comm, pid, parts) = (&most.comm, most.pid, leak::parts_with_gain(most));
            let gained = count(most.last - most.first.min(most.last));
            format!(
                "{comm} (pid {pid}) gained most, {gained} in {}, and grew in {parts} of {} parts; threshold {limit} a second",
                seconds(most.watched),
                most.gained.len()
            )
        }
        None => format!("none of {} gained {limit} a second", counted(totals.processes, "process")),
    }
}
