//! A container was started, and took long: which one, and where the time went.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod stage;

use kerno_rules_sdk::{Signal, prelude::*};
use stage::Stage;

/// The rule.
pub struct SlowContainerStart;

export!(SlowContainerStart);

/// Starts that are told at most.
const MOST: usize = 10;
/// Starts that are looked at, the slowest.
const LOOKED_AT: u32 = 200;
/// Share of the groups made that may have found no room.
const MAX_LOST: f64 = 0.05;

impl Rule for SlowContainerStart {
    fn describe() -> Description {
        Description::new("slow-container-start", "A container takes long to start", env!("CARGO_PKG_VERSION"))
            .needs("start")
            .parameter("execute", Unit::Seconds, 2.0, "from the making of its control group until its program is executed")
            .parameter("listen", Unit::Seconds, 10.0, "from there until it listens")
            .parameter("answer", Unit::Seconds, 2.0, "from the first data that came to it until its first answer")
    }

    fn evaluate(signals: &Signals) -> Result<Verdict, String> {
        let Some(family) = signals.family("start") else {
            return Ok(Verdict::NotEvaluated("start was not measured".to_owned()));
        };
        if let Err(reason) = family.bears_losses("start", MAX_LOST) {
            return Ok(Verdict::NotEvaluated(reason));
        }
        let starts: Vec<GroupStart> = signals.starts(0.0, LOOKED_AT).into_iter().filter(is_workload).collect();
        let mut slow: Vec<(&GroupStart, Stage)> =
            starts.iter().filter_map(|start| Some((start, Stage::worst_of(start, signals)?))).collect();
        worst_first(&mut slow, |a, b| a.1.excess() > b.1.excess());
        if slow.is_empty() {
            return Ok(family.quiet(why_quiet(&starts)));
        }
        slow.truncate(MOST);
        Ok(Verdict::Fired(slow.iter().map(|(start, stage)| finding(start, stage).confidence(family.confidence(1))).collect()))
    }
}

/// A container, or a service. What people start by hand in a session ends when they like.
fn is_workload(start: &GroupStart) -> bool {
    let is_service = start.cgroup.unit.as_deref().is_some_and(|unit| unit.ends_with(".service"));
    start.cgroup.container.is_some() || start.own_mounts || is_service
}

fn finding(start: &GroupStart, stage: &Stage) -> Finding {
    let name = start.cgroup.display_name();
    let signal = Signal::new(stage.kind.signal(), stage.seconds, stage.threshold, Unit::Seconds);
    let mut finding = Finding::new(Severity::Warning, stage.title(&name), Entity::of_cgroup(&start.cgroup), signal)
        .cause(stage.cause(start))
        .impact(format!(
            "Restarts, deployments and scaling wait for {name} as long, and what it replaced serves alone meanwhile."
        ));
    for (key, value) in stage::evidence(start) {
        finding = finding.evidence(key, value, Unit::Seconds);
    }
    stage.fixes(finding, &start.cgroup)
}

/// The slowest of each kind, and who does not listen: that is no fault, but may be one to come.
fn why_quiet(starts: &[GroupStart]) -> String {
    if starts.is_empty() {
        return "no container was started".to_owned();
    }
    let started = counted(starts.len() as u64, "start");
    let mut reason = format!("{started} of containers and services, none past a threshold");
    let silent = |start: &&GroupStart| start.executed.is_some() && start.listened.is_none() && !start.ended;
    if let Some(start) = starts.iter().find(silent) {
        let after = seconds(start.age - start.executed.unwrap_or(0.0));
        reason += &format!("; {} does not listen yet after {after}, which a job need not", start.cgroup.display_name());
    }
    reason
}
