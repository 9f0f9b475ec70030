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
        let Some(systems) = signals.file_systems(0, LIMIT) else {
            let why = family.reason.as_deref().unwrap_or("the collector saw block requests only");
            return Ok(Verdict::NotEvaluated(format!("fsync was not measured: {why}")));
        };
        Ok(Verdict::Quiet(why_quiet(signals, &systems)))
    }
}

fn why_quiet(signals: &Signals, systems: &[FileSystemSync]) -> String {
    let needed = signals.parameter("min_samples") as u64;
    let judged: Vec<_> = systems.iter().filter(|system| system.latency.count >= needed).collect();
    let mut parts = vec![match judged.first() {
        Some(worst) => part("fsync", &worst.latency, Breach::FSYNC, signals),
        None => format!(
            "{}, {needed} of one file system needed",
            counted(systems.iter().map(|system| system.latency.count).sum(), "fsync")
        ),
    }];
    for (name, operation, parameter) in [("write", Operation::Write, Breach::WRITE), ("read", Operation::Read, Breach::READ)] {
        let devices = signals.devices(Some(operation), 0, LIMIT);
        parts.push(match devices.iter().find(|device| device.latency.count >= needed) {
            Some(worst) => part(name, &worst.latency, parameter, signals),
            None => format!(
                "{}, {needed} of one device needed",
                counted(devices.iter().map(|device| device.latency.count).sum(), name)
            ),
        });
    }
    parts.join("; ")
}

fn part(name: &str, latency: &Latency, parameter: &str, signals: &Signals) -> String {
    let called = if latency.count < 100 { "longest" } else { "p99" };
    let value = seconds(latency.p99.unwrap_or(latency.mean));
    format!("{name} {called} {value} of {}, threshold {}", count(latency.count), seconds(signals.parameter(parameter)))
}
