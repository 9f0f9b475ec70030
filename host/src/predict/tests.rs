//! Snapshots that hold a leak, a full group, a slow disk, and those that only look so.

use kerno_signals::{
    Cgroup, CgroupMemory, CollectorReport, CollectorStatus, Environment, Families, Fd, FdProcess, FileTable, Histogram, Host,
    HostMemory, Latency, LimitKind as Kind, Memory, MemoryLimit, NamespaceTotals, NetworkNamespace, Sched, Tcp, Window,
};

use super::*;

const SECOND: u64 = 1_000_000_000;
const MIB: u64 = 1 << 20;

/// Five snapshots, 15 s apart, of a window that begins once.
fn snapshots(families: impl Fn(u64) -> Families) -> Vec<Snapshot> {
    (1..=5).map(|number| snapshot(0, number * 15, families(number))).collect()
}

fn snapshot(start: u64, seconds: u64, families: Families) -> Snapshot {
    let report = |name: &str| CollectorReport {
        name: name.to_owned(),
        status: CollectorStatus::Running,
        coverage: Some(Coverage::Full),
        source: "eBPF".to_owned(),
        reason: None,
        fix: None,
        events: 1_000,
        lost: 0,
        blind_ratio: 0.0,
    };
    Snapshot {
        host: Host {
            name: "node-7".to_owned(),
            kernel: "6.12".to_owned(),
            arch: "x86_64".to_owned(),
            cpus: 8,
            memory_bytes: 1 << 34,
            environment: Environment::BareMetal,
            cluster: None,
            steal_ratio: None,
            cpu_pressure_ratio: None,
        },
        window: Window { start_unix_ns: start * SECOND, duration_ns: seconds * SECOND, interrupted: false },
        collectors: ["sched", "block", "tcp", "fd", "memory"].map(report).into(),
        families,
        processes: vec![],
    }
}

fn process(pid: u32, open: u64, limit: Option<u64>) -> FdProcess {
    FdProcess {
        pid,
        comm: "server".to_owned(),
        cgroup: None,
        start_ns: 7,
        watched_ns: 1,
        first: 0,
        last: open,
        peak: open,
        limit,
        hard_limit: None,
        trend: None,
        gained: vec![],
        shared_with: None,
        own: false,
    }
}

fn fd(processes: Vec<FdProcess>) -> Families {
    Families {
        fd: Some(Fd { processes, system: Some(FileTable { open: 900, max: u64::MAX >> 1 }), ..Fd::default() }),
        ..Families::default()
    }
}

fn group(path: &str, used: u64, limit: Option<(u64, &str)>) -> CgroupMemory {
    CgroupMemory {
        cgroup: Cgroup { id: 1, path: Some(path.to_owned()), ..Cgroup::default() },
        working_set_bytes: used,
        limit: limit.map(|(bytes, path)| MemoryLimit { bytes, kind: Kind::Max, path: path.to_owned() }),
        ..CgroupMemory::default()
    }
}

fn memory(cgroups: Vec<CgroupMemory>) -> Families {
    let host = HostMemory { total_bytes: 1 << 34, working_set_bytes: 1 << 30, ..HostMemory::default() };
    Families { memory: Some(Memory { host, cgroups, ..Memory::default() }), ..Families::default() }
}

fn thresholds() -> Thresholds {
    Thresholds::new(|_, name| {
        Some(match name {
            "p99_warning" => 0.005,
            "min_waits" | "min_segments" => 100.0,
            "min_samples" => 20.0,
            "max_lost" => 0.05,
            "retransmit_ratio" => 0.02,
            _ => 0.05,
        })
    })
}

fn told(snapshots: &[Snapshot]) -> Vec<Prediction> {
    predict(snapshots, &thresholds()).predictions
}

#[test]
fn the_soonest_comes_first_with_its_own_limit() {
    let snapshots = snapshots(|number| {
        let pod = group("/pod", (100 + 30 * number) * MIB, Some((1_024 * MIB, "/pod")));
        let app = group("/pod/app", (90 + 30 * number) * MIB, Some((1_024 * MIB, "/pod")));
        Families {
            memory: memory(vec![pod, app]).memory,
            ..fd(vec![process(4, 100 + 150 * number, Some(1_024)), process(5, 100 + 150 * number, None)])
        }
    });
    let told = told(&snapshots);
    let brief: Vec<_> = told.iter().map(|one| (one.limit.kind, one.limit.name.as_str(), one.eta_seconds.round())).collect();
    assert_eq!(
        brief,
        [
            // 1,024 less 850, at 10 a second.
            (LimitKind::Descriptors, "RLIMIT_NOFILE of server (pid 4)", 17.0),
            // 1,024 MiB less 250, at 2 a second. The group below fills the same limit.
            (LimitKind::MemoryMax, "memory.max of /pod", 387.0),
        ]
    );
    let leak = &told[0];
    assert!(leak.confidence > 0.98 && leak.readings.len() == 5, "{leak:?}");
    assert_eq!((leak.readings[0], leak.signal.threshold), (Reading { seconds: 15.0, value: 250.0 }, 1_024.0));
    assert!(leak.eta_earliest_seconds <= leak.eta_seconds && leak.eta_seconds <= leak.eta_latest_seconds);
    assert_eq!(predict(&snapshots, &thresholds()), predict(&snapshots, &thresholds()));
}

#[test]
fn what_stands_still_steps_or_has_no_limit_is_silent() {
    let forecast = predict(
        &snapshots(|number| Families {
            memory: memory(vec![
                group("/cache", if number < 3 { 100 } else { 900 } * MIB, Some((1_024 * MIB, "/cache"))),
                group("/gc", (100 + 300 * (number % 3)) * MIB, Some((1_024 * MIB, "/gc"))),
                group("/free", 100 * number * MIB, None),
            ])
            .memory,
            ..fd(vec![process(4, 100, Some(1_024)), process(5, 150 * number, None)])
        }),
        &thresholds(),
    );
    assert_eq!(forecast.predictions, []);
    let series: Vec<_> = forecast.evaluated.iter().map(|one| (one.signal, one.series, one.distant)).collect();
    assert!(series.contains(&("open descriptors", 1, 0)) && series.contains(&("memory", 2, 0)), "{series:?}");
}

#[test]
fn what_takes_too_long_or_levels_off_is_only_counted() {
    let slow = |number: u64| 40.0 * 0.6_f64.powi(number as i32);
    let snapshots = snapshots(|number| {
        memory(vec![
            group("/slow", 100 * MIB + number * MIB, Some((1_024 * MIB, "/slow"))),
            group("/levels", ((200.0 - slow(number)) * MIB as f64) as u64, Some((300 * MIB, "/levels"))),
        ])
    });
    let forecast = predict(&snapshots, &thresholds());
    assert_eq!(forecast.reach_seconds, 3_600.0);
    assert_eq!(forecast.predictions, []);
    let groups = forecast.evaluated.iter().find(|one| one.signal == "memory").unwrap();
    assert!(groups.distant >= 1, "{groups:?}");
}

#[test]
fn among_many_that_move_chance_is_asked_more() {
    // Increments of 12, 20, 12, 20 MiB alone are sure enough; beside two hundred groups that move they are what one of them may do.
    let used = [0, 12, 32, 44, 64];
    let ramp = |number: u64| group("/ramp", (100 + used[number as usize - 1]) * MIB, Some((1_024 * MIB, "/ramp")));
    assert_eq!(told(&snapshots(|number| memory(vec![ramp(number)]))).len(), 1);
    let moving = |number: u64| {
        let one = |index: u64| {
            let path = format!("/other{index}");
            group(&path, (100 + 9 * ((index + number) % 2)) * MIB, Some((1_024 * MIB, &path)))
        };
        memory((0..200).map(one).chain([ramp(number)]).collect())
    };
    assert_eq!(told(&snapshots(moving)).len(), 0);
}

fn delays(latency: impl Fn(u64) -> Latency) -> Vec<Snapshot> {
    // What was counted since the start: each snapshot holds the ones before it too.
    let mut sum = Latency::default();
    let mut all = Vec::new();
    for number in 1..=5 {
        sum.add(&latency(number));
        let sched = Sched { host: sum.clone(), ..Sched::default() };
        all.push(snapshot(0, number * 15, Families { sched: Some(sched), ..Families::default() }));
    }
    all
}

#[test]
fn a_percentile_is_that_of_each_interval_and_its_limit_the_rules_threshold() {
    let rising = delays(|number| Latency::from_samples((0..500).map(|_| number * 700_000)));
    let told = told(&rising);
    let [delay] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((delay.limit.kind, delay.limit.name.as_str()), (LimitKind::Threshold, "p99_warning of rule scheduler-contention"));
    // 3.5 ms at the end, 0.7 ms more each 15 s, 5 ms is too much.
    assert!((delay.eta_seconds - 32.0).abs() < 8.0, "{delay:?}");
    assert!((delay.signal.value - 0.0035).abs() < 0.0002, "{delay:?}");
}

#[test]
fn intervals_with_few_samples_tell_nothing() {
    let forecast = predict(&delays(|number| Latency::from_samples((0..99).map(|_| number * 700_000))), &thresholds());
    assert_eq!(forecast.predictions, []);
}

#[test]
fn recordings_of_windows_of_their_own_are_taken_as_they_are() {
    let rising: Vec<_> = (1..=5)
        .map(|number| {
            let host = Latency::from_samples((0..500).map(|_| number * 700_000));
            let sched = Some(Sched { host, ..Sched::default() });
            snapshot(number * 15, 15, Families { sched, ..Families::default() })
        })
        .collect();
    assert_eq!(told(&rising).len(), 1);
}

#[test]
fn lost_segments_are_compared_by_the_interval() {
    let totals = |number: u64| NamespaceTotals {
        out_segments: 10_000 * number,
        // 20, 40, 60 … in each interval.
        retransmitted: (1..=number).map(|interval| 20 * interval).sum(),
        ..NamespaceTotals::default()
    };
    let told = told(&snapshots(|number| {
        let namespace = NetworkNamespace {
            number: 1,
            own: true,
            process: None,
            cgroup: None,
            totals: Some(totals(number)),
            sent: 0,
            retransmitted: 0,
        };
        Families { tcp: Some(Tcp { namespaces: vec![namespace], ..Tcp::default() }), ..Families::default() }
    }));
    assert!(told.is_empty(), "increments of a fifth of what can be told apart are none: {told:?}");
}

#[test]
fn what_was_not_measured_is_told_and_never_called_quiet() {
    let mut blind = snapshots(|_| Families::default());
    blind[2].collectors[3].blind_ratio = 0.5;
    let forecast = predict(&blind, &thresholds());
    let unseen: Vec<_> = forecast.not_evaluated.iter().map(|one| one.signal).collect();
    for signal in
        ["run-queue delay p99", "fsync p99", "block read p99", "retransmitted segments", "open descriptors", "memory in use"]
    {
        assert!(unseen.contains(&signal), "{signal} is missing in {unseen:?}");
    }
    let forecast = predict(&snapshots(|_| fd(vec![])), &Thresholds::default());
    let unseen: Vec<_> = forecast.not_evaluated.iter().map(|one| (one.signal, one.reason.contains("not built in"))).collect();
    assert!(unseen.contains(&("fsync p99", true)) && !unseen.contains(&("open descriptors", false)), "{unseen:?}");
}

#[test]
fn too_few_snapshots_are_told_as_that() {
    let all = snapshots(|number| fd(vec![process(4, 150 * number, Some(1_024))]));
    for number in 0..4 {
        let forecast = predict(&all[..number], &thresholds());
        assert_eq!(forecast.predictions, []);
        assert!(forecast.not_evaluated.iter().all(|one| one.reason.contains("at least 4 snapshots")), "{forecast:?}");
        assert!(!forecast.not_evaluated.is_empty());
    }
    assert_eq!(told(&all[1..]).len(), 1);
}

#[test]
fn a_process_that_takes_the_number_of_another_is_another() {
    let all = snapshots(|number| fd(vec![FdProcess { start_ns: number / 3, ..process(4, 150 * number, Some(1_024)) }]));
    assert_eq!(told(&all), []);
}

#[test]
fn numbers_at_their_ends_break_nothing() {
    for value in [0, 1, u64::MAX] {
        let all = snapshots(|number| {
            let value = if number.is_multiple_of(2) { value } else { u64::MAX };
            let sched = Sched {
                host: Latency {
                    count: value,
                    sum_ns: value,
                    max_ns: Some(value),
                    histogram: Some(Histogram::from_counts([value])),
                },
                ..Sched::default()
            };
            let memory = memory(vec![group("/a\u{1b}", value, Some((value, "/a\u{1b}")))]).memory;
            Families { sched: Some(sched), memory, ..fd(vec![process(u32::MAX, value, Some(value))]) }
        });
        for one in told(&all) {
            assert!(one.eta_seconds.is_finite() && one.confidence.is_finite());
        }
        let mut same = all.clone();
        same.iter_mut()
            .for_each(|snapshot| snapshot.window = Window { start_unix_ns: u64::MAX, duration_ns: u64::MAX, interrupted: true });
        assert_eq!(told(&same), []);
    }
}
