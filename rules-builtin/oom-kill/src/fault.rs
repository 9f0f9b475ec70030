//! Kills of one control group are one fault; those of groups that are not known, or too many to tell, are another.

use kerno_rules_sdk::prelude::*;

/// Control groups that have a finding of their own at most.
const GROUPS: usize = 10;
/// Groups and shortages that are asked for.
const ASKED: u32 = 64;
/// Victims that are named at most.
const VICTIMS: u32 = 3;

/// What was killed in one place.
pub(crate) struct Fault {
    /// `None`: anywhere else on the host.
    pub cgroup: Option<Cgroup>,
    pub kills: u64,
    /// Why, the commonest first, and how many for it.
    pub shortages: Vec<(Shortage, Option<Cgroup>, u64)>,
    /// The largest of those that are known.
    pub victims: Vec<Victim>,
}

/// Most kills first.
pub(crate) fn find(signals: &Signals, kills: u64) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    for GroupKills { cgroup, shortage, limited, kills } in signals.oom_groups(ASKED) {
        let Some(cgroup) = cgroup else { continue };
        let known = faults.iter_mut().find(|fault| fault.cgroup.as_ref().is_some_and(|known| known.is(&cgroup)));
        if let Some(fault) = known {
            fault.kills += kills;
            fault.shortages.push((shortage, limited, kills));
        } else {
            faults.push(Fault { cgroup: Some(cgroup), kills, shortages: vec![(shortage, limited, kills)], victims: Vec::new() });
        }
    }
    worst_first(&mut faults, |a, b| a.kills > b.kills);
    faults.truncate(GROUPS);
    for fault in &mut faults {
        let id = fault.cgroup.as_ref().map(|cgroup| cgroup.id);
        fault.victims = signals.victims(id, VICTIMS);
    }
    let elsewhere = kills.saturating_sub(faults.iter().map(|fault| fault.kills).sum());
    if elsewhere > 0 {
        let mut victims = signals.victims(None, ASKED);
        victims.retain(|victim| {
            let is_of = |fault: &Fault| matches!((&fault.cgroup, &victim.cgroup), (Some(a), Some(b)) if a.is(b));
            !faults.iter().any(is_of)
        });
        let mut shortages = Vec::new();
        if let Some(victim) = victims.first() {
            // Of how many the same is true is not known: of this one at least.
            shortages.push((victim.shortage, victim.limited.clone(), 1));
        }
        victims.truncate(VICTIMS as usize);
        faults.push(Fault { cgroup: None, kills: elsewhere, shortages, victims });
    }
    faults
}
