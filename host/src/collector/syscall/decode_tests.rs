//! Records as the kernel leaves them, and the family that must come of them.

use std::collections::HashSet;

use kerno_ebpf_common::syscall::{EMPTY_PLACE, FIRST, FIRST_GROUP, PLACES, SEATS, place_key, place_of, seat_of};

use super::*;

fn totals(calls: u64, on_cpu: u64) -> CallTotals {
    CallTotals { calls, on_cpu, max: on_cpu, ..CallTotals::default() }
}

fn row(row: u32, number: u32, group: Group, totals: CallTotals) -> Row {
    Row { row, number, group, totals }
}

fn counts(samples: &[u64]) -> Vec<u64> {
    let mut counts = vec![0; BUCKETS];
    samples.iter().for_each(|sample| counts[bucket_of(*sample) as usize] += 1);
    counts
}

fn raw(rows: Vec<Row>) -> Raw {
    Raw {
        groups: HashMap::from([(3, 77), (4, 78)]),
        rows,
        histograms: HashMap::new(),
        slow: HashMap::new(),
        failures: vec![],
        processes: vec![],
    }
}

fn failure(row: u32, errno: u32, count: u64, votes: u64, tgid: u32) -> (u32, Failures) {
    let key = kerno_ebpf_common::syscall::error_key(row, errno);
    (key, Failures { count, votes, tgid, start: 1, comm: *b"worker\0\0\0\0\0\0\0\0\0\0" })
}

#[cfg(target_arch = "x86_64")]
const READ: u32 = 0;
#[cfg(not(target_arch = "x86_64"))]
const READ: u32 = 63;

#[test]
fn a_call_is_the_sum_of_its_groups_and_of_what_found_no_row_but_not_kernos() {
    let mut raw = raw(vec![
        row(600, READ, Group::Row(3), totals(5, 500)),
        row(601, READ, Group::Row(4), totals(2, 900)),
        row(READ, READ, Group::None, totals(1, 100)),
        row(602, READ, Group::Own, totals(40, 4_000)),
    ]);
    raw.histograms.insert(READ, counts(&[100; 8]));
    let told = decode(raw, None);
    let [call] = told.calls.as_slice() else { panic!("{:?}", told.calls) };
    assert_eq!((call.name.as_str(), call.number, call.count), ("read", Some(READ), 8));
    assert_eq!((call.latency.count, call.latency.sum_ns, call.latency.max_ns), (8, 1_500, Some(900)));
    assert_eq!(told.own_calls, 40);
    let groups: Vec<_> = told.cgroups.iter().map(|group| (group.cgroup.id, group.call.count)).collect();
    assert_eq!(groups, [(78, 2), (77, 5)], "the most judged time first");
}

#[test]
fn short_calls_of_a_group_are_at_their_mean_and_slow_ones_in_their_buckets() {
    let slow = 50_000_000;
    let sums = CallTotals {
        calls: 101,
        on_cpu: 100 * 2_000 + 10_000,
        uninterruptible: slow - 10_000,
        judged_sleep: slow - 10_000,
        max: slow,
        ..CallTotals::default()
    };
    let mut raw = raw(vec![row(600, READ, Group::Row(3), sums)]);
    raw.slow.insert(600, counts(&[slow]));
    let told = decode(raw, None);
    let latency = &told.cgroups[0].call.latency;
    assert_eq!((latency.count, latency.sum_ns, latency.max_ns), (101, slow + 200_000, Some(slow)));
    let near = |told: u64, expected: u64| (told as f64 - expected as f64).abs() < expected as f64 * 0.032;
    assert!(near(latency.quantile_ns(1.0).unwrap(), slow), "{latency:?}");
    assert!(latency.quantile_ns(0.5).unwrap() < SLOW_NS, "{latency:?}");
    assert_eq!(told.cgroups[0].call.parts.uninterruptible_ns, slow - 10_000);
}

#[test]
fn a_slow_call_that_returned_after_the_sums_were_read_is_found_all_the_same() {
    let number = |name: &str| (0..512).find(|row| names::name(*row) == Some(name)).unwrap();
    let (short, slow) = (100_000, 8_000_000_000);
    let mut raw = raw(vec![row(600, number("fsync"), Group::Row(3), totals(2, 2 * short))]);
    raw.slow.insert(600, counts(&[slow]));
    raw.histograms.insert(number("fsync"), counts(&[short, short, slow]));
    let told = decode(raw, None);
    for latency in [&told.cgroups[0].call.latency, &told.calls[0].latency] {
        let p99 = latency.quantile_ns(0.99).unwrap();
        assert!(p99 > slow / 2 && latency.quantile_bound_ns(0.99) >= p99, "{latency:?}");
    }
}

#[test]
fn errors_are_named_and_their_caller_only_when_it_had_most() {
    let mut sums = totals(100, 100);
    sums.failed = 60;
    sums.restarted = 3;
    let mut raw = raw(vec![row(600, READ, Group::Row(3), sums), row(601, READ, Group::Row(4), sums)]);
    raw.failures = vec![failure(600, 5, 40, 38, 7), failure(600, 11, 20, 4, 8), failure(601, 5, 60, 60, 9)];
    let told = decode(raw, None);
    let [call] = told.calls.as_slice() else { panic!("{:?}", told.calls) };
    assert_eq!((call.count, call.failed, call.restarted), (200, 120, 6));
    let errors: Vec<_> = call
        .errors
        .iter()
        .map(|error| (error.name.as_str(), error.count, error.caller.as_ref().map(|caller| caller.pid)))
        .collect();
    assert_eq!(errors, [("EIO", 100, None), ("EAGAIN", 20, None)], "22 votes to spare of 100 prove nothing");
    let of = |id| told.cgroups.iter().find(|group| group.cgroup.id == id).unwrap();
    assert_eq!(of(77).call.errors[0].caller, Some(Caller { pid: 7, comm: "worker".to_owned() }));
    assert_eq!(of(78).call.errors[0].caller.as_ref().unwrap().pid, 9);
}

#[test]
fn a_call_that_is_not_judged_has_an_empty_distribution() {
    let sums = CallTotals { calls: 9, untimed: 9, on_cpu: 90, ..CallTotals::default() };
    let told = decode(raw(vec![row(600, READ, Group::Row(3), sums)]), None);
    assert_eq!((told.calls[0].count, told.calls[0].latency.count, told.calls[0].latency.sum_ns), (9, 0, 0));
    assert_eq!(told.calls[0].parts.on_cpu_ns, 90);
}

#[test]
fn numbers_without_a_name_of_their_own_stay_nameless() {
    use kerno_ebpf_common::syscall::{COMPAT, UNNUMBERED};
    let told = decode(
        raw(vec![
            row(COMPAT, COMPAT, Group::None, totals(2, 2)),
            row(600, UNNUMBERED, Group::Row(3), totals(1, 1)),
            row(601, 505, Group::Row(3), totals(4, 4)),
        ]),
        None,
    );
    let names: Vec<_> = told.calls.iter().map(|call| (call.name.as_str(), call.number)).collect();
    assert_eq!(names, [("unknown", None), ("32-bit", None)]);
    assert_eq!((told.calls[0].count, told.cgroups.len()), (5, 1), "numbers without a call are one");
}

#[test]
fn descriptors_are_counted_by_what_succeeded() {
    let number = |name: &str| (0..512).find(|row| names::name(*row) == Some(name)).unwrap();
    let mut failing = totals(10, 10);
    (failing.failed, failing.restarted) = (3, 1);
    let rows = vec![
        row(600, number("accept4"), Group::Row(3), failing),
        row(601, number("pipe2"), Group::Row(3), totals(4, 4)),
        row(602, number("close"), Group::Row(3), totals(5, 5)),
    ];
    let told = decode(raw(rows), None);
    let made: Vec<_> = told.descriptors.iter().map(|calls| (calls.kind, calls.made)).collect();
    assert_eq!(made, [(DescriptorKind::Accept, 6), (DescriptorKind::Pipe, 8)]);
    assert_eq!(told.closes, 5);
}

#[test]
fn processes_are_told_longest_first_and_without_kerno() {
    let slow = |max| SlowCalls {
        group: 77,
        calls: 2,
        judged: max + 1,
        max,
        on_cpu: 1,
        uninterruptible: max,
        interruptible: 0,
        waiting: 3,
        comm: *b"db\0\0\0\0\0\0\0\0\0\0\0\0\0\0",
    };
    let key = |tgid| ProcessKey { tgid, number: READ, start: 1 };
    let mut raw = raw(vec![]);
    raw.processes = (0..100).map(|tgid| (key(1_000_000_000 + tgid), slow(2_000_000 + u64::from(tgid)))).collect();
    raw.processes.push((key(std::process::id()), slow(90_000_000)));
    let told = decode(raw, None).processes;
    assert_eq!((told.len(), told[0].max_ns, told[0].name.as_str()), (PROCESSES, 2_000_099, "read"));
    assert_eq!((told[0].caller.comm.as_str(), told[0].cgroup.id, told[0].parts.waiting_ns), ("db", 77, 3));
}

#[test]
fn what_a_cpu_summed_itself_is_added_exactly() {
    let samples = [0, 63, 64, 1_999, 2_048, 7_679];
    let mut place = Place { row: 600, histogram: 2, max: 7_679, on_cpu: samples.iter().sum(), ..EMPTY_PLACE };
    samples.iter().for_each(|sample| place.counts[(sample >> UNIT_SHIFT) as usize] += 1);
    let (mut sum, mut distribution) = (totals(2, 10_000), counts(&[10_000]));
    add_place(&mut sum, &place);
    add_units(&mut distribution, &place);
    assert_eq!(sum, CallTotals { calls: 8, on_cpu: 10_000 + 11_853, max: 10_000, ..CallTotals::default() });
    let all: Vec<_> = samples.into_iter().chain([10_000]).collect();
    assert_eq!(distribution, counts(&all));
}

#[test]
fn neighbours_hardly_ever_want_the_same_place_or_seat() {
    let places: HashSet<_> = (0..16).map(|number| place_of(place_key(FIRST_GROUP, FIRST + number))).collect();
    let seats: HashSet<_> = (0..512).map(|task| seat_of(0xffff_8880_0400_0000 + task * 9_856)).collect();
    assert!(places.len() > 10 && places.iter().all(|place| *place < PLACES), "{places:?}");
    assert!(seats.len() > 400 && seats.iter().all(|seat| *seat < SEATS), "{}", seats.len());
}
