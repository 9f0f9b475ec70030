//! `disk-io-bottleneck`: syncs or block requests take too long.
#![cfg_attr(target_arch = "wasm32", no_std)]

extern crate alloc;

mod breach;
mod fault;
mod finding;

use kerno_rules_sdk::prelude::*;

use crate::breach::Breach;

/// Devices or file systems that are looked at; worst first.
const LIMIT: u32 = 32;
/// Records of one question that mostly has its answer in the first.
const FEW: u32 = 4;

/// The rule.
pub struct DiskIoBottleneck;

export!(DiskIoBottleneck);

impl Rule for DiskIoBottleneck {
    fn describe() -> Description {
        Description::new("disk-io-bottleneck", "Storage is slow", env!("CARGO_PKG_VERSION"))
            .severity(Severity::Warning)
            .needs("block")
            .parameter("fsync_p99_warning", Unit::Seconds, 0.050, "fsync p99 of a file system that is a warning")
            .parameter("fsync_p99_critical", Unit::Seconds, 0.200, "fsync p99 of a file system that is critical")
            .parameter("write_p99_critical", Unit::Seconds, 0.200, "block write p99 of a device that is critical")
            .parameter("read_p99_warning", Unit::Seconds, 0.200, "block read p99 of a device that is a warning")
            .parameter("read_p99_critical", Unit::Seconds, 0.500, "block read p99 of a device that is critical")
            .parameter(
                "min_samples",
                Unit::Count,
                20.0,
                "syncs of a file system or requests of a device that are needed to judge it",
            )
            .max_lost()
    }

    fn evaluate(signals: &Signals) -> Result<Verdict, String> {
        let family = match signals.percentiles_of("block", signals.parameter("max_lost")) {
            Ok(family) => family,
            Err(reason) => return Ok(Verdict::NotEvaluated(reason)),
        };
        let breaches = breach::all(signals);
        if !breaches.is_empty() {
            let faults = fault::group(breaches);
            return Ok(Verdict::Fired(faults.iter().map(|fault| finding::of(signals, &family, fault)).collect()));
        }
        // What was not measured may be what is slow.
        let syncs = |least, limit| {
            let systems = signals.file_systems(least, 0.0, limit)?;
            Some(systems.into_iter().map(|system| system.latency).collect())
        };
        let Some(fsync) = quiet(signals, "fsync", "file system", Breach::FSYNC, syncs) else {
            let why = family.reason.as_deref().unwrap_or("the collector saw block requests only");
            return Ok(Verdict::NotEvaluated(format!("fsync was not measured: {why}")));
        };
        let mut parts = vec![fsync];
        for (name, operation, parameter) in [("write", Operation::Write, Breach::WRITE), ("read", Operation::Read, Breach::READ)]
        {
            let requests = |least, limit| {
                let devices = signals.devices(Some(operation), least, 0.0, limit);
                Some(devices.into_iter().map(|device| device.latency).collect())
            };
            parts.extend(quiet(signals, name, "device", parameter, requests));
        }
        Ok(Verdict::Quiet(parts.join("; ")))
    }
}

/// What of one signal is nearest to its threshold, or how many there were of too few; `None` when it was not measured. `worst` gives
/// the worst with at least so many samples, or something in flight.
fn quiet(
    signals: &Signals,
    name: &str,
    place: &str,
    parameter: &str,
    worst: impl Fn(u64, u32) -> Option<Vec<Latency>>,
) -> Option<String> {
    let needed = signals.parameter("min_samples") as u64;
    // What is in flight on a few may stand before them.
    let judged = worst(needed, FEW)?.into_iter().find(|latency| latency.count >= needed);
    let judged = match judged {
        None => worst(needed, LIMIT)?.into_iter().find(|latency| latency.count >= needed),
        some => some,
    };
    let Some(latency) = judged else {
        let all = worst(0, LIMIT)?.iter().map(|latency| latency.count).sum();
        return Some(format!("{}, {needed} of one {place} needed", counted(all, name)));
    };
    let called = if latency.count < 100 { "longest" } else { "p99" };
    let value = seconds(latency.p99.unwrap_or(latency.mean));
    Some(format!("{name} {called} {value} of {}, threshold {}", count(latency.count), seconds(signals.parameter(parameter))))
}
