//! Ramps of a known rate against limits of a known size, beside a guest that stands still.

use std::time::{Duration, Instant};

use kerno::agent::{self, Interrupt, Judging, Options, Predict};
use kerno::platform::clock::SystemClock;
use kerno::predict::{LimitKind, Prediction};
use kerno::report::{Outlook, OutlookVerdict, Style, pretty_outlook};
use kerno_signals::Snapshot;

use crate::{
    guest::{Grower, Load, memory_cgroup, write},
    memory::MIB,
    process::{Process, open_null},
};

const INTERVAL: Duration = Duration::from_secs(4);

/// Five snapshots of this guest, and what they say.
fn outlook() -> (Outlook, Instant) {
    let asked = Predict {
        snapshots: 5,
        interval: INTERVAL,
        options: Options {
            duration: INTERVAL * 5,
            ebpf: true,
            judging: Judging::default(),
            node_name: None,
            cluster: None,
            recording: true,
        },
    };
    let interrupt = Interrupt::listen(|| std::process::exit(130)).unwrap();
    let mut last = Instant::now();
    let mut taken = 0;
    let mut note = |moment: agent::Moment<'_>| {
        if let agent::Moment::Measured(Snapshot { .. }) = moment {
            (last, taken) = (Instant::now(), taken + 1);
        }
    };
    let outlook = agent::predict(&asked, &SystemClock, &interrupt, &mut note).unwrap().unwrap();
    assert_eq!(taken, 5);
    println!("{}", pretty_outlook(&outlook, &Style::file(false)));
    (outlook, last)
}

fn of(outlook: &Outlook, kind: LimitKind) -> &Prediction {
    let found = outlook.predictions.iter().find(|one| one.limit.kind == kind);
    found.unwrap_or_else(|| panic!("no {kind:?} in {outlook:#?}"))
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn predict_ramps_are_told_to_their_limits_within_a_fifth_of_the_truth() {
    // Beside them: a group that was filled once, one that is filled and emptied, and processes that sleep.
    let (leak, full, teeth) = (memory_cgroup("leak"), memory_cgroup("full"), memory_cgroup("teeth"));
    write(leak.join("memory.max"), "536870912");
    write(full.join("memory.max"), "268435456");
    write(teeth.join("memory.max"), "268435456");
    let _full = Grower::touching(&full, 64 * MIB);
    let _teeth = Load::start(
        "while :; do dd if=/dev/zero of=/dev/shm/tooth bs=1M count=8 2> /dev/null; sleep 1; dd if=/dev/zero of=/dev/shm/tooth2 bs=1M count=8 2> /dev/null; sleep 1; rm /dev/shm/tooth*; done",
        Some(&teeth),
    );
    let _sleepers: Vec<_> = (0..4).map(|_| Process::start(|| {})).collect();
    let begun = Instant::now();
    let _leak = Grower::start(&leak, MIB, 250);
    // The first three are those of the start.
    let limit = 4_096;
    let descriptors = Process::start(move || {
        let size = libc::rlimit { rlim_cur: limit, rlim_max: limit };
        // SAFETY: the limit lives until the call returns.
        assert_eq!(unsafe { libc::setrlimit(libc::RLIMIT_NOFILE, &raw const size) }, 0);
        let begin = Instant::now();
        for number in 1..=3_500_u32 {
            std::thread::sleep((begin + Duration::from_millis(40) * number).saturating_duration_since(Instant::now()));
            std::mem::forget(open_null());
        }
    });
    let (outlook, last) = outlook();
    let seconds = last.duration_since(begun).as_secs_f64();

    let memory = of(&outlook, LimitKind::MemoryMax);
    assert_eq!(memory.limit.name, "memory.max of /leak");
    // 512 MiB at 4 MiB a second.
    let truth = 128.0 - seconds;
    println!(
        "measured: memory at its limit in {:.1} s, in truth in {truth:.1} s, confidence {}",
        memory.eta_seconds, memory.confidence
    );
    assert!((memory.eta_seconds / truth - 1.0).abs() < 0.2 && memory.confidence > 0.9, "{memory:#?}");
    assert!(memory.eta_earliest_seconds <= truth * 1.1 && memory.eta_latest_seconds >= truth * 0.9, "{memory:#?}");

    let told = of(&outlook, LimitKind::Descriptors);
    assert_eq!(told.entity.names["pid"], descriptors.pid().to_string());
    // 25 a second.
    let truth = (f64::from(u32::try_from(limit).unwrap()) - told.signal.value) / 25.0;
    println!(
        "measured: descriptors at their limit in {:.1} s, in truth in {truth:.1} s, confidence {}",
        told.eta_seconds, told.confidence
    );
    assert!((told.eta_seconds / truth - 1.0).abs() < 0.2 && told.confidence > 0.9, "{told:#?}");

    // The host's memory grows as the group's does; nothing else may be told.
    let others: Vec<_> = outlook
        .predictions
        .iter()
        .filter(|one| !matches!(one.limit.name.as_str(), "memory.max of /leak" | "memory of the host"))
        .collect();
    assert!(others.len() == 1 && others[0].id == told.id, "{others:#?}");
    assert!(outlook.collectors.iter().all(|collector| collector.name == "tcp" || collector.reason.is_none()), "{outlook:#?}");
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn predict_is_silent_where_nothing_grows() {
    let (outlook, _) = outlook();
    assert_eq!(outlook.predictions, [], "{outlook:#?}");
    assert_ne!(outlook.verdict, OutlookVerdict::Predictions);
    let looked: Vec<_> = outlook.evaluated.iter().filter(|one| one.series > 0).map(|one| one.signal).collect();
    assert!(looked.contains(&"open descriptors") && looked.contains(&"memory in use"), "{looked:?}");
}
