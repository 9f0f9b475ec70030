//! One control group holds most of the CPUs, and others wait for them: who it is, and who suffers.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

use kerno_rules_sdk::{Signal, prelude::*};

/// The rule.
pub struct NoisyNeighbour;

export!(NoisyNeighbour);

impl Rule for NoisyNeighbour {
    fn describe() -> Description {
        Description::new("noisy-neighbour", "A control group makes the others wait for a CPU", env!("CARGO_PKG_VERSION"))
            .needs("sched")
            .needs("cpu")
            .parameter("share", Unit::Ratio, 0.5, "share of the host's CPU time that makes a group noisy")
            .parameter("delay", Unit::Seconds, 0.005, "run-queue delay p99 of the others that is too long")
    }

    fn evaluate(signals: &Signals) -> Result<Verdict, String> {
        let (share, delay) = (signals.parameter("share"), signals.parameter("delay"));
        let Some(host) = signals.host_cpu() else {
            return Ok(Verdict::NotEvaluated("cpu was not measured".to_owned()));
        };
        if let Err(reason) = signals.percentiles_of("sched", 0.05) {
            return Ok(Verdict::NotEvaluated(reason));
        }
        let all = host.duration * f64::from(host.cpus);
        let used = |group: &CgroupCpu| group.usage.unwrap_or(0.0) / all;
        let busy = signals.busiest(None, 20);
        // A slice holds what its services use: the last one below the others is who does it.
        let noisy = busy
            .iter()
            .filter(|group| !group.own && used(group) >= share)
            .reduce(|above, group| if group.cgroup.is_below(&above.cgroup) { group } else { above });
        let Some(noisy) = noisy else {
            let most = busy.first().map_or(0.0, used);
            return Ok(Verdict::Quiet(format!("no group uses {} of the CPUs, the busiest {}", percent(share), percent(most))));
        };
        let is_other = |group: &Cgroup| !group.is(&noisy.cgroup) && !group.is_below(&noisy.cgroup);
        let suffer: Vec<CgroupDelay> =
            signals.cgroups(100, delay, 20).into_iter().filter(|group| is_other(&group.cgroup)).collect();
        let (name, percent) = (noisy.cgroup.display_name(), percent(used(noisy)));
        let Some(worst) = suffer.first() else {
            return Ok(Verdict::Quiet(format!("{name} uses {percent} of the CPUs, and no other group waits {}", seconds(delay))));
        };
        let (who, p99) = (worst.cgroup.display_name(), worst.delay.p99.unwrap_or(worst.delay.mean));
        let title = format!("{name} makes {who} wait {} for a CPU", seconds(p99));
        let signal = Signal::new("run-queue delay p99 of the others", p99, delay, Unit::Seconds);
        let mut finding = Finding::new(Severity::Warning, title, Entity::of_cgroup(&noisy.cgroup), signal)
            .cause(format!("{name} used {percent} of the time of {}.", counted(u64::from(host.cpus), "CPU")))
            .impact(format!("{} answer late by as much.", counted(suffer.len() as u64, "other group")))
            .evidence(&format!("CPU time of {name}"), noisy.usage.unwrap_or(0.0), Unit::Seconds);
        for group in suffer.iter().take(3) {
            let p99 = group.delay.p99.unwrap_or(group.delay.mean);
            finding = finding.evidence(&format!("run-queue delay p99 of {}", group.cgroup.display_name()), p99, Unit::Seconds);
        }
        let command = match (&noisy.cgroup.unit, &noisy.cgroup.container) {
            (Some(unit), None) => format!("systemctl set-property --runtime {} CPUWeight=20", shell_quote(unit)),
            _ => format!("systemd-cgls {}", shell_quote(noisy.cgroup.path.as_deref().unwrap_or("/"))),
        };
        let what = if command.starts_with("systemctl") { "let the others go first" } else { "see what runs in it" };
        Ok(Verdict::Fired(vec![finding.fix(Urgency::Now, what, &command)]))
    }
}
