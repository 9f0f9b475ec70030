//! A check of this host: looks at it, starts every collector for a moment, and puts together what came of both.

use std::time::Duration;

use super::{AgentError, rights};
use crate::check::{Check, Seen};
use crate::collector::{self, Collectors};
use crate::platform::Root;

/// Looks after the start: a canary needs two to be missed twice, and one before them.
const TICKS: u32 = 3;

/// Time between them.
const TICK: Duration = Duration::from_millis(100);

/// Checks this host. `ebpf` says whether kernel programs may be used.
///
/// # Errors
/// When this host cannot be described at all.
pub fn check(ebpf: bool, node_name: Option<&str>, cluster: Option<String>) -> Result<Check, AgentError> {
    let seen = Seen::read(Root::default(), node_name, cluster)?;
    let mut collectors = Collectors::start(&collector::Options { ebpf, ..collector::Options::default() });
    rights::measuring(false);
    for _ in 0..TICKS {
        collectors.tick();
        std::thread::sleep(TICK);
    }
    let attempts = collectors.attempts();
    Ok(Check::new(&seen, &attempts, collectors.finish().reports))
}
