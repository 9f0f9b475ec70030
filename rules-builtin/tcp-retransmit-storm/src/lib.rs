//! `tcp-retransmit-storm`: too many TCP segments are lost and sent again.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod fault;
mod finding;
mod loss;

use kerno_rules_sdk::prelude::*;

use crate::loss::Seen;

/// The rule.
pub struct TcpRetransmitStorm;

export!(TcpRetransmitStorm);

impl Rule for TcpRetransmitStorm {
    fn describe() -> Description {
        Description::new("tcp-retransmit-storm", "TCP segments are lost and sent again", env!("CARGO_PKG_VERSION"))
            .severity(Severity::Critical)
            .needs("tcp")
            .parameter("retransmit_ratio", Unit::Ratio, 0.02, "retransmitted / sent segments above which it is critical")
            .parameter("min_segments", Unit::Count, 100.0, "segments that are needed to judge the host or a part of its traffic")
            .parameter(
                "client_share",
                Unit::Ratio,
                0.10,
                "share of all segments from which a single public client is judged by itself",
            )
            .parameter("max_lost", Unit::Ratio, 0.05, "share of lost events above which only the kernel's totals are judged")
    }

    fn evaluate(signals: &Signals) -> Result<Verdict, String> {
        let (Some(family), Some(total)) = (signals.family("tcp"), signals.tcp_segments()) else {
            return Ok(Verdict::NotEvaluated("tcp was not measured".to_owned()));
        };
        let seen = Seen::read(signals, family, total);
        let faults = fault::find(&seen);
        if !faults.is_empty() {
            return Ok(Verdict::Fired(faults.iter().map(|fault| finding::of(&seen, fault)).collect()));
        }
        let reason = seen.why_quiet();
        let family = &seen.family;
        if seen.is_lossy {
            let (lost, all) = (count(family.lost), counted(family.events.saturating_add(family.lost), "tcp event"));
            return Ok(Verdict::NotEvaluated(format!("incomplete (losses): {lost} of {all} lost; {reason}")));
        }
        // Where so few were sent again that nothing could cross the threshold, the kernel's totals are enough.
        if family.coverage == Coverage::Fallback && !seen.nothing_could_cross() {
            let why = family.reason.as_deref().unwrap_or("the eBPF collector is not running");
            return Ok(Verdict::NotEvaluated(format!(
                "{} gives totals, in which losses of one destination may hide: {why}; {reason}",
                family.source
            )));
        }
        Ok(family.quiet(reason))
    }
}
