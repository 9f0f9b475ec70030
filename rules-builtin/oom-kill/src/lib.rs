//! `oom-kill`: the kernel killed processes for lack of memory.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod fault;
mod finding;

use kerno_rules_sdk::prelude::*;

/// The rule.
pub struct OomKill;

export!(OomKill);

impl Rule for OomKill {
    fn describe() -> Description {
        Description::new("oom-kill", "Processes are killed for lack of memory", env!("CARGO_PKG_VERSION"))
            .severity(Severity::Critical)
            .needs("oom")
            .parameter("min_kills", Unit::Count, 1.0, "kills in the window from which on they are a finding")
    }

    fn evaluate(signals: &Signals) -> Result<Verdict, String> {
        let (Some(family), Some(kills)) = (signals.family("oom"), signals.oom_kills()) else {
            return Ok(Verdict::NotEvaluated("oom was not measured".to_owned()));
        };
        let needed = signals.parameter("min_kills");
        if kills == 0 || (kills as f64) < needed {
            let counted = if kills == 0 {
                "no kill".to_owned()
            } else {
                format!("kills: {}, {} needed", count(kills), count(needed as u64))
            };
            return Ok(family.quiet(counted));
        }
        let faults = fault::find(signals, kills);
        Ok(Verdict::Fired(faults.iter().map(|fault| finding::of(signals, &family, fault)).collect()))
    }
}
