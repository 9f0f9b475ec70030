//! Which growth is a leak: it lasts to the end of the window, net of what is closed, and is no start and no pool being filled.

use kerno_rules_sdk::prelude::*;

/// Processes that are looked at, those that gained most.
const LIMIT: u32 = 64;
/// Parts of the time in which growth is told.
const PARTS: usize = 5;

pub(crate) struct Leak {
    pub process: FdProcess,
    /// Descriptors a second.
    pub rate: f64,
    /// It has as many as it may have, and therefore gains no more.
    pub is_at_limit: bool,
    /// Until it has, or the host has, seconds; none when it has.
    pub eta: Option<f64>,
    /// The host's table is full before the process's own.
    pub host_first: bool,
}

/// Processes that gained enough to be looked at. A table that processes share is the older one's; kerno's is nobody's.
pub(crate) fn growing(signals: &Signals) -> Vec<FdProcess> {
    // Half: a process may gain nothing in one part, and need not have been there from the start.
    let least = signals.parameter("growth_warning") * signals.parameter("min_watched") * signals.window_seconds() / 2.0;
    let mut processes = signals.fd_processes((least as u64).max(1), LIMIT);
    processes.retain(|process| !process.own && process.shared_with.is_none());
    processes
}

/// Those nearest to their limit first.
pub(crate) fn find(signals: &Signals, growing: &[FdProcess]) -> Vec<Leak> {
    let mut leaks: Vec<Leak> =
        growing.iter().filter(|process| is_judged(signals, process)).filter_map(|process| leak(signals, process)).collect();
    let eta = |leak: &Leak| if leak.is_at_limit { 0.0 } else { leak.eta.unwrap_or(f64::MAX) };
    worst_first(&mut leaks, |a, b| eta(a) < eta(b));
    leaks
}

/// It was there long enough, and was counted often enough.
pub(crate) fn is_judged(signals: &Signals, process: &FdProcess) -> bool {
    !is_too_short(process) && process.watched >= signals.parameter("min_watched") * signals.window_seconds()
}

/// It was counted too seldom to tell in which parts it grew.
pub(crate) fn is_too_short(process: &FdProcess) -> bool {
    process.gained.len() < PARTS
}

pub(crate) fn parts_with_gain(process: &FdProcess) -> usize {
    process.gained.iter().filter(|gain| **gain > 0).count()
}

/// Net gain a second over the time it was watched.
pub(crate) fn net(process: &FdProcess) -> f64 {
    (process.last as f64 - process.first as f64) / process.watched.max(f64::MIN_POSITIVE)
}

fn leak(signals: &Signals, process: &FdProcess) -> Option<Leak> {
    let limit = signals.parameter("growth_warning");
    let is_at_limit = process.limit.is_some_and(|limit| process.last >= limit);
    let rate = if is_at_limit { rate_before_the_limit(process)? } else { sustained(signals, process)? };
    if rate <= limit {
        return None;
    }
    if is_at_limit {
        return Some(Leak { process: process.clone(), rate, is_at_limit, eta: None, host_first: false });
    }
    let own = process.limit.map(|limit| limit.saturating_sub(process.last) as f64 / rate);
    let host = signals.open_files().map(|files| files.max.saturating_sub(files.open) as f64 / rate);
    let host_first = matches!((own, host), (Some(own), Some(host)) if host < own);
    Some(Leak { process: process.clone(), rate, is_at_limit, eta: if host_first { host } else { own }, host_first })
}

/// The fitted rate of a growth that goes on.
fn sustained(signals: &Signals, process: &FdProcess) -> Option<f64> {
    let growth = process.growth.as_ref().filter(|growth| growth.low > 0.0)?;
    let (net_gain, last) = (process.last as f64 - process.first as f64, *process.gained.last()?);
    let lasts = parts_with_gain(process) >= signals.parameter("min_growing_parts") as usize
        // What tails off is a pool that is nearly full.
        && last as f64 * 2.0 * PARTS as f64 >= net_gain;
    // A median hides what is given back at once now and then.
    lasts.then(|| growth.per_second.min(net(process)))
}

/// What it gained a second until it had no more to gain, if it grew in all parts but one until then.
fn rate_before_the_limit(process: &FdProcess) -> Option<f64> {
    let until = process.gained.iter().rposition(|gain| *gain > 0)? + 1;
    let gained: i64 = process.gained.iter().take(until).fold(0, |sum, gain| sum.saturating_add(*gain));
    let time = process.watched * until as f64 / process.gained.len() as f64;
    (parts_with_gain(process) + 1 >= until).then(|| gained as f64 / time.max(f64::MIN_POSITIVE))
}
