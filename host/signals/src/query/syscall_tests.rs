//! Calls as they are recorded, and what is answered about them.

use super::*;
use crate::{Caller, CgroupCall, DescriptorCalls, Latency};

const MS: u64 = 1_000_000;

fn call(name: &str, samples: &[u64]) -> Call {
    Call {
        name: name.to_owned(),
        count: samples.len() as u64,
        latency: Latency::from_samples(samples.iter().copied()),
        ..Call::default()
    }
}

fn group(id: u64) -> Cgroup {
    Cgroup { id, ..Cgroup::default() }
}

fn names(times: &[CallTimeView]) -> Vec<&str> {
    times.iter().map(|time| time.name.as_str()).collect()
}

#[test]
fn calls_that_pass_come_longest_first() {
    let calls = vec![
        call("read", &[MS; 50]),
        call("stat", &[300 * MS; 20]),
        call("open", &[900 * MS; 19]),
        call("fsync", &[400 * MS; 30]),
    ];
    let syscall = Syscall { calls, ..Syscall::default() };
    assert_eq!(names(&call_times(&syscall, false, 20, 0.1, 9)), ["fsync", "stat"]);
    assert_eq!(names(&call_times(&syscall, false, 0, 0.0, 2)), ["open", "fsync"]);
    assert!(call_times(&syscall, true, 0, 0.0, 9).is_empty());
}

#[test]
fn a_call_without_a_distribution_passes_no_p99() {
    let average = Latency { count: 30, sum_ns: 30_000 * MS, max_ns: Some(9_000 * MS), histogram: None };
    let syscall = Syscall { calls: vec![Call { latency: average, ..call("read", &[]) }], ..Syscall::default() };
    assert!(call_times(&syscall, false, 0, 0.1, 9).is_empty());
    assert_eq!(names(&call_times(&syscall, false, 0, 0.0, 9)), ["read"]);
}

#[test]
fn calls_that_were_not_counted_are_not_none() {
    assert_eq!(call_counts(&Syscall::default()), CallCountsView { returned: None, in_flight: 0, own: 0 });
    let syscall = Syscall { calls: vec![call("read", &[1, 1])], in_flight_total: 70, own_calls: 3, ..Syscall::default() };
    assert_eq!(call_counts(&syscall), CallCountsView { returned: Some(2), in_flight: 70, own: 3 });
}

#[test]
fn slow_callers_are_those_of_the_call_and_group_that_are_asked_for() {
    let slow = |pid, name: &str, id, max_ns| SlowProcess {
        caller: Caller { pid, comm: "x".to_owned() },
        cgroup: group(id),
        name: name.to_owned(),
        count: 1,
        judged_ns: max_ns,
        max_ns,
        parts: CallParts { uninterruptible_ns: max_ns, ..CallParts::default() },
    };
    let processes = vec![slow(1, "read", 7, MS), slow(2, "read", 8, 5 * MS), slow(3, "stat", 7, 9 * MS)];
    let syscall = Syscall { processes, ..Syscall::default() };
    let pids = |name, id| slow_callers(&syscall, name, id, 9).iter().map(|slow| slow.pid).collect::<Vec<_>>();
    assert_eq!((pids(None, None), pids(Some("read"), None), pids(Some("read"), Some(7))), (vec![3, 2, 1], vec![2, 1], vec![1]));
    assert_eq!(slow_callers(&syscall, None, None, 1)[0].parts.uninterruptible, 0.009);
}

#[test]
fn calls_in_flight_are_cut_by_what_is_judged_of_them() {
    let open = |tid, judged_ns| CallInFlight {
        caller: Caller { pid: 7, comm: "dd".to_owned() },
        tid,
        cgroup: group(1),
        name: "read".to_owned(),
        age_ns: 9_000 * MS,
        judged_ns,
        at_least: false,
        sleeps_in: None,
    };
    let syscall = Syscall { in_flight: vec![open(1, 499 * MS), open(2, 700 * MS), open(3, 800 * MS)], ..Syscall::default() };
    let tids: Vec<_> = calls_in_flight(&syscall, 0.5, 9).iter().map(|call| call.tid).collect();
    assert_eq!(tids, [3, 2]);
}

#[test]
fn descriptors_of_a_group_are_made_by_its_own_successful_calls() {
    let of = |id, name: &str, count, failed| CgroupCall {
        cgroup: group(id),
        call: Call { name: name.to_owned(), count, failed, ..Call::default() },
    };
    let cgroups =
        vec![of(1, "pipe2", 10, 2), of(1, "openat", 90, 70), of(1, "read", 999, 0), of(2, "socket", 5, 0), of(1, "dup", 3, 3)];
    let descriptors = vec![DescriptorCalls { kind: DescriptorKind::Socket, made: 5 }];
    let syscall = Syscall { cgroups, descriptors, ..Syscall::default() };
    let made = |id| descriptors_made(&syscall, id).iter().map(|made| (made.kind, made.made)).collect::<Vec<_>>();
    assert_eq!(made(Some(1)), [(DescriptorKindView::File, 20), (DescriptorKindView::Pipe, 16)]);
    assert_eq!((made(Some(9)), made(None)), (vec![], vec![(DescriptorKindView::Socket, 5)]));
}
