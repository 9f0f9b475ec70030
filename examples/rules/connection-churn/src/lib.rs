//! A control group begins many connections that do not last: each costs a handshake, a port for a minute, and kernel time.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use kerno_rules_sdk::{Signal, prelude::*};

/// The rule.
pub struct ConnectionChurn;

export!(ConnectionChurn);

impl Rule for ConnectionChurn {
    fn describe() -> Description {
        Description::new("connection-churn", "Connections do not last", env!("CARGO_PKG_VERSION"))
            .needs("tcp")
            .parameter("rate", Unit::Count, 100.0, "connections a second that a control group may begin or accept")
            .parameter("segments", Unit::Count, 20.0, "segments sent a connection below which one was hardly worth it")
    }

    fn evaluate(signals: &Signals) -> Result<Verdict, String> {
        let (rate, segments) = (signals.parameter("rate"), signals.parameter("segments"));
        let window = signals.window_seconds();
        let mut findings = Vec::new();
        let groups = signals.tcp_connecting(1, 10);
        for group in &groups {
            let Some(all) = &group.traffic.connections else { continue };
            let begun = all.connected + all.accepted + all.refused + all.timed_out + all.abandoned + all.failed;
            let (pace, each) = (begun as f64 / window, group.traffic.sent as f64 / begun as f64);
            // Connections that stay, or that carry much, are what connections are for.
            if pace <= rate || each >= segments || all.closed < begun / 2 {
                continue;
            }
            let name = group.cgroup.as_ref().map_or_else(|| "an unknown process".to_owned(), Cgroup::display_name);
            let entity = group.cgroup.as_ref().map_or_else(|| Entity::node(&signals.machine()), Entity::of_cgroup);
            let title = format!("{name} has {} new connections a second, {} segments each", number(pace), number(each));
            let signal = Signal::new("connections a second", pace, rate, Unit::Count);
            findings.push(
                Finding::new(Severity::Warning, title, entity, signal)
                    .cause(format!("{name} makes a connection for each request instead of keeping some."))
                    .impact(
                        "Each costs a round trip before anything is sent, and its port for a minute after it ends.".to_owned(),
                    )
                    .evidence("connections begun here", (begun - all.accepted) as f64, Unit::Count)
                    .evidence("connections accepted", all.accepted as f64, Unit::Count)
                    .evidence("connections that ended", all.closed as f64, Unit::Count)
                    .fix(Urgency::Now, "see how many ports wait for their minute to end", "ss -tan state time-wait | wc -l")
                    .fix(Urgency::Later, "see between whom", "ss -tan | awk '{print $5}' | sort | uniq -c | sort -rn | head"),
            );
        }
        if !findings.is_empty() {
            return Ok(Verdict::Fired(findings));
        }
        let most =
            groups.first().and_then(|group| group.traffic.connections.as_ref()).map_or(0, |all| all.connected + all.accepted);
        Ok(Verdict::Quiet(format!("at most {} connections a second, threshold {}", number(most as f64 / window), number(rate))))
    }
}
