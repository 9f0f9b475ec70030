//! A fault in words, numbers and commands.

use kerno_rules_sdk::{Signal, confidence, prelude::*};

use crate::LIMIT;
use crate::breach::{Breach, Measure, Subject};
use crate::fault::{Fault, serves};

pub(crate) fn of(signals: &Signals, family: &FamilyInfo, fault: &Fault) -> Finding {
    let worst = fault.worst();
    let device = fault.device();
    let mounted = fault.file_system().map(|system| &system.file_system);
    let place = place(device, mounted);
    let (value, samples) = (seconds(worst.value), worst.latency().count);
    let measured = match worst.measure {
        Measure::P99 => format!("p99 {value} of {}", count(samples)),
        Measure::Largest => format!("longest {value} of {}", count(samples)),
        Measure::InFlight => format!("one has not returned for {value}"),
    };
    let title = format!("Slow {} on {place}: {measured}", worst.what());
    let signal = Signal::new(&worst.signal_name(), worst.value, worst.threshold, Unit::Seconds);
    let callers = callers(signals, device, mounted);
    let sure = if worst.measure == Measure::InFlight { samples.max(100) } else { samples };
    let mut finding = Finding::new(worst.severity, title, entity(device, mounted), signal)
        .confidence(confidence(sure, family.coverage))
        .cause(cause(fault, &place))
        .impact(impact(&place, &callers, worst, signals.window_seconds()));
    for breach in &fault.breaches {
        finding = numbers(finding, breach);
    }
    for caller in &callers {
        finding = finding.evidence(
            &format!("time {} (pid {}) waited in fsync", caller.comm, caller.pid),
            waited(caller),
            Unit::Seconds,
        );
    }
    if family.lost > 0 {
        finding = finding.evidence("events lost", family.lost as f64, Unit::Count);
    }
    with_fixes(finding, device, mounted, &callers)
}

/// `/data (dm-0)`, `vda (/)`, `nfs:/export`.
fn place(device: Option<&Device>, mounted: Option<&FileSystem>) -> String {
    let name = device.map(|device| device.name.as_str()).or(mounted.and_then(|system| system.device.as_deref()));
    let mount = mounted
        .and_then(|system| system.mount.as_deref())
        .or(device.and_then(|device| device.mounts.first()).map(String::as_str));
    match (mount, name.or(mounted.and_then(|system| system.source.as_deref()))) {
        (Some(mount), Some(name)) => format!("{mount} ({name})"),
        (Some(only), None) | (None, Some(only)) => only.to_owned(),
        (None, None) => mounted.map_or_else(String::new, |system| format!("file system {}:{}", system.major, system.minor)),
    }
}

fn entity(device: Option<&Device>, mounted: Option<&FileSystem>) -> Entity {
    let mut entity = Entity::new(if device.is_some() { EntityKind::Device } else { EntityKind::Mount });
    if let Some(name) = device.map(|device| &device.name).or(mounted.and_then(|system| system.device.as_ref())) {
        entity = entity.name("device", name);
    }
    let mount = mounted.and_then(|system| system.mount.as_ref()).or(device.and_then(|device| device.mounts.first()));
    if let Some(mount) = mount {
        entity = entity.name("mount", mount);
    }
    if let Some(source) = mounted.and_then(|system| system.source.as_ref()) {
        entity = entity.name("source", source);
    }
    match mounted {
        Some(system) if entity.names.is_empty() => entity.name("device", &format!("{}:{}", system.major, system.minor)),
        _ => entity,
    }
}

fn cause(fault: &Fault, place: &str) -> String {
    let Some(device) = fault.device() else {
        let below = match fault.file_system().map(|system| &system.file_system) {
            Some(FileSystem { device: Some(device), .. }) if device.starts_with("dm-") || device.starts_with("md") => {
                format!(
                    "No disk below crossed its own threshold: look at {device} itself, I/O limits and the journal first, then at the disks."
                )
            }
            Some(FileSystem { device: Some(device), .. }) => {
                format!(
                    "Reads and writes of {device} crossed no threshold of their own: look at its flushes, the journal and I/O limits."
                )
            }
            _ => "No block device is known below it: a network or FUSE server answers the sync.".to_owned(),
        };
        return format!("Data written to {place} takes long to become durable. {below}");
    };
    let fault =
        "from issue to the driver to completion, so the device or what is behind it is slow or overloaded, not the application";
    format!("{} takes long to complete requests, counted {fault}.", device.name)
}

fn impact(place: &str, callers: &[CallerSync], worst: &Breach, window: f64) -> String {
    match callers.first() {
        Some(caller) => format!(
            "Whoever commits or saves to {place} waits for it; {} (pid {}) waited {} in fsync in a window of {}.",
            caller.comm,
            caller.pid,
            seconds(waited(caller)),
            seconds(window)
        ),
        None => format!("Whoever needs a {} of {place} waits up to {}.", worst.what(), seconds(worst.value)),
    }
}

/// The numbers behind one signal.
fn numbers(finding: Finding, breach: &Breach) -> Finding {
    let (latency, what) = (breach.latency(), breach.what());
    let (subject, errors, in_flight) = match &breach.subject {
        Subject::Syncs(system) => {
            let system_name =
                system.file_system.mount.as_deref().or(system.file_system.source.as_deref()).unwrap_or("a file system");
            (system_name, system.errors, system.in_flight)
        }
        Subject::Requests(device) => (device.device.name.as_str(), device.errors, device.in_flight),
    };
    let mut finding = finding.evidence(&format!("{what}s of {subject}"), latency.count as f64, Unit::Count);
    if latency.count > 0 {
        let high = if latency.count < 100 { "max" } else { "p99" };
        finding = finding
            .evidence(&format!("{what} p50 of {subject}"), latency.p50.unwrap_or(latency.mean), Unit::Seconds)
            .evidence(&format!("{what} {high} of {subject}"), latency.p99.unwrap_or(latency.mean), Unit::Seconds);
    }
    if let Subject::Requests(device) = &breach.subject {
        finding = finding.evidence(&format!("bytes of {what}s of {subject}"), device.bytes as f64, Unit::Bytes);
    }
    if in_flight > 0 {
        finding = finding.evidence(&format!("{what}s of {subject} in flight at the end"), in_flight as f64, Unit::Count);
    }
    if errors > 0 {
        finding = finding.evidence(&format!("{what}s of {subject} that failed"), errors as f64, Unit::Count);
    }
    finding
}

/// Who waits: callers of the slow file system, or of those that the slow device serves. Never kerno.
fn callers(signals: &Signals, device: Option<&Device>, mounted: Option<&FileSystem>) -> Vec<CallerSync> {
    let of = |system: &FileSystem| signals.callers(system.major, system.minor, 4);
    let mut callers = match (mounted, device) {
        (Some(system), _) => of(system),
        (None, Some(device)) => signals
            .file_systems(0, 0.0, LIMIT)
            .unwrap_or_default()
            .iter()
            .filter(|system| serves(device, &system.file_system))
            .flat_map(|system| of(&system.file_system))
            .collect(),
        (None, None) => Vec::new(),
    };
    callers.retain(|caller| !caller.own);
    callers.truncate(3);
    callers
}

fn waited(caller: &CallerSync) -> f64 {
    caller.latency.mean * caller.latency.count as f64 + caller.oldest_in_flight.unwrap_or(0.0)
}

fn with_fixes(mut finding: Finding, device: Option<&Device>, mounted: Option<&FileSystem>, callers: &[CallerSync]) -> Finding {
    let name = device.map(|device| device.name.as_str()).or(mounted.and_then(|system| system.device.as_deref()));
    let Some(name) = name else {
        if let Some(mount) = mounted.and_then(|system| system.mount.as_deref()) {
            finding = finding.fix(
                Urgency::Now,
                "see what is mounted there, and whether its server answers",
                &format!("findmnt -T {mount}; nfsstat -m"),
            );
        }
        return who_writes(finding, callers).fix(
            Urgency::WithinFiveMinutes,
            "look for messages of the file system",
            "dmesg -T | tail -50",
        );
    };
    finding = finding.fix(Urgency::Now, "see load, queue and latency of the device", &format!("iostat -x 1 3 {name}"));
    finding = who_writes(finding, callers);
    finding = finding.fix(Urgency::WithinFiveMinutes, "look for errors and resets", &format!("dmesg -T | grep -i {name}"));
    if name.starts_with("dm-") {
        return finding
            .fix(
                Urgency::WithinFiveMinutes,
                "see what the device does with its I/O",
                &format!("dmsetup table \"$(cat /sys/block/{name}/dm/name)\""),
            )
            .fix(Urgency::WithinFiveMinutes, "see the disks below it", &format!("lsblk -s /dev/{name}"));
    }
    if device.is_some() {
        finding =
            finding.fix(Urgency::WithinFiveMinutes, "see its I/O scheduler", &format!("cat /sys/block/{name}/queue/scheduler"));
    }
    finding.fix(Urgency::Later, "ask the drive for its health", &format!("smartctl -a /dev/{name}"))
}

fn who_writes(finding: Finding, callers: &[CallerSync]) -> Finding {
    match callers.first() {
        Some(caller) => finding.fix(
            Urgency::Now,
            &format!("see what {} reads and writes", caller.comm),
            &format!("pidstat -d -p {} 1 3", caller.pid),
        ),
        None => finding.fix(Urgency::Now, "see who reads and writes", "iotop -obn 3"),
    }
}
