//! Descriptors of processes that come, go, grow and share.

use super::*;

const SECOND: u64 = 1_000_000_000;

fn count(pid: u32, open: u64) -> Count {
    Count {
        pid,
        start_ns: 5,
        comm: *b"worker\0\0\0\0\0\0\0\0\0\0",
        group: Some(9),
        table: Some(u64::from(pid)),
        limit: Some(1024),
        open: Some(open),
    }
}

fn tell(tracker: &Tracker) -> Fd {
    let names =
        Names { cgroup: &|id| Cgroup { id, ..Cgroup::default() }, cgroup_of: &|_| None, limits_of: &|_| Some((77, 99)), own: 3 };
    tracker.tell(&names, None)
}

#[test]
fn a_leak_comes_first_and_a_new_process_counts_from_its_own_start() {
    let mut tracker = Tracker::default();
    for second in 0..=10 {
        let mut counts = vec![count(1, 500), count(2, 20 + 30 * second)];
        if second >= 4 {
            counts.push(count(3, 10 * second));
        }
        tracker.note(second * SECOND, counts);
    }
    let told = tell(&tracker);
    assert_eq!(told.processes.iter().map(|process| process.pid).collect::<Vec<_>>(), [2, 3, 1]);
    let [leak, young, steady] = &told.processes[..] else { panic!("{told:?}") };
    assert_eq!((leak.first, leak.last, leak.peak, leak.growth(), leak.grew_in()), (20, 320, 320, 300, 5));
    assert!((leak.trend.unwrap().slope_per_second - 30.0).abs() < 1e-9);
    assert_eq!((young.watched_ns, young.first, young.own), (6 * SECOND, 40, true));
    assert_eq!((steady.growth(), steady.grew_in(), steady.limit), (0, 0, Some(1024)));
    assert_eq!((told.total.processes, told.total.first, told.total.last, told.readings), (3, 520, 920, 11));
}

#[test]
fn a_reused_pid_is_another_process() {
    let mut tracker = Tracker::default();
    tracker.note(0, vec![count(1, 900)]);
    tracker.note(SECOND, vec![Count { start_ns: 8, ..count(1, 4) }]);
    let told = tell(&tracker);
    assert_eq!((told.processes[0].first, told.processes[0].watched_ns, told.processes[0].trend), (4, 0, None));
}

#[test]
fn a_shared_table_counts_once_and_belongs_to_the_oldest() {
    let mut tracker = Tracker::default();
    let shared = |pid, start_ns| Count { start_ns, table: Some(1), ..count(pid, 100) };
    tracker.note(0, vec![shared(1, 7), shared(2, 3), count(4, 10)]);
    let told = tell(&tracker);
    assert_eq!((told.total.last, told.total.sharing, told.total.processes), (110, 1, 3));
    let shares = |pid| told.processes.iter().find(|process| process.pid == pid).unwrap().shared_with;
    assert_eq!((shares(1), shares(2), shares(4)), (Some(2), None, None));
}

#[test]
fn what_could_not_be_counted_keeps_its_last_count_and_is_told_as_lost() {
    let mut tracker = Tracker::default();
    tracker.note(0, vec![count(1, 10)]);
    tracker.note(SECOND, vec![Count { open: None, ..count(1, 0) }, Count { open: None, ..count(2, 0) }]);
    let told = tell(&tracker);
    assert_eq!((told.processes.len(), told.processes[0].last, told.total.last), (1, 10, 10));
    assert_eq!((tracker.counts(), tracker.lost()), (3, 2));
}

#[test]
fn the_totals_are_those_of_the_others() {
    let mut tracker = Tracker::beside(2);
    tracker.note(0, vec![count(1, 10), count(2, 90)]);
    tracker.note(SECOND, vec![count(1, 12), count(2, 300)]);
    let told = tell(&tracker);
    assert_eq!((told.total.first, told.total.last, told.processes.len()), (10, 12, 2));
}

#[test]
fn a_host_full_of_processes_is_told_in_a_bounded_list_with_right_totals() {
    let mut tracker = Tracker::default();
    let processes = FOLLOWED as u32 + 1_000;
    for second in 0..3 {
        let counts =
            (1..=processes).map(|pid| count(pid, 3 + if pid % 1_000 == 7 { second * u64::from(pid) } else { 0 })).collect();
        tracker.note(second * SECOND, counts);
    }
    let told = tell(&tracker);
    assert!(told.processes.len() <= GROWING + FULLEST + LARGEST, "{}", told.processes.len());
    assert_eq!(told.total.processes, u64::from(processes));
    assert_eq!(told.others + told.processes.len() as u64, u64::from(processes));
    let grown: u64 = (1..=processes).filter(|pid| pid % 1_000 == 7).map(|pid| 2 * u64::from(pid)).sum();
    assert_eq!(told.total.last, 3 * u64::from(processes) + grown);
    assert_eq!(tracker.lost(), 3 * 1_000);
    assert_eq!(told.processes[0].growth(), 2 * 65_007, "the one that gained most is followed");
}

#[test]
fn what_a_reading_does_not_tell_is_looked_up() {
    let mut tracker = Tracker::default();
    tracker.note(0, vec![Count { limit: None, group: None, table: None, ..count(1, 5) }]);
    let told = tell(&tracker);
    assert_eq!((told.processes[0].limit, &told.processes[0].cgroup), (Some(77), &None));
}
