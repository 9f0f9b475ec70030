//! Recorded windows that must fire, and that must stay quiet.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stopped")]

use kerno_rule_syscall_latency::SyscallLatency as Late;
use kerno_rules_sdk::testing::Window;
use kerno_rules_sdk::testing::snapshot::{Coverage, Latency};
use kerno_rules_sdk::{EntityKind, Severity};

const MS: u64 = 1_000_000;

fn window(name: &str) -> Window {
    Window::from_file(format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR")))
}

/// One call with these judged times, of the host alone or of a group as well.
fn one(samples: impl IntoIterator<Item = u64>, of_group: bool) -> Window {
    let mut window = window("quiet-few");
    let family = window.snapshot().families.syscall.as_mut().unwrap();
    family.in_flight.clear();
    let latency = Latency::from_samples(samples);
    family.calls[0].count = latency.count;
    family.cgroups[0].call.latency = latency.clone();
    family.calls[0].latency = latency;
    if !of_group {
        family.cgroups.clear();
    }
    window
}

/// So many fast ones and so many of so many milliseconds.
fn mixed(fast: usize, slow: usize, milliseconds: u64) -> Vec<u64> {
    [vec![1_000; fast], vec![milliseconds * MS; slow]].concat()
}

#[test]
fn a_dead_server_hidden_among_fast_calls_of_others_is_found_in_its_group() {
    let outcome = window("fires-nfs").judge::<Late>();
    outcome.fires(Severity::Critical);
    let finding = outcome.only_finding();
    assert_eq!(finding.entity.kind, EntityKind::Container);
    assert_eq!(finding.title, "statfs of java (pid 5120) in container 0123456789ab has been held up for 12.5 s");
    outcome.mentions("rpc_wait_bit_killable: the server of an NFS mount does not answer").mentions("/proc/5120/task/5133/stack");
    outcome.mentions("newfstatat of container 0123456789ab").does_not_mention("epoll_wait").does_not_mention("nginx");
    let mut returned = window("fires-nfs");
    returned.snapshot().families.syscall.as_mut().unwrap().in_flight.clear();
    let outcome = returned.judge::<Late>();
    assert_eq!(outcome.only_finding().title, "read of container 0123456789ab takes long: p99 889 ms of 300");
    outcome.mentions("100 % of their time is uninterruptible sleep").mentions("longest read of java (pid 5120)");
}

#[test]
fn a_call_that_hangs_counts_alone_and_without_ebpf_as_well() {
    let outcome = window("fires-hung").judge::<Late>();
    outcome
        .fires(Severity::Critical)
        .mentions("the server of a FUSE mount does not answer")
        .mentions("2 calls have not returned");
    let title = "newfstatat of rsync (pid 676) in backup.service has been held up for at least 31 s";
    assert_eq!(outcome.only_finding().title, title);
    let mut files = window("fires-hung");
    files.snapshot().collectors[0].coverage = Some(Coverage::Fallback);
    files.snapshot().families.syscall.as_mut().unwrap().calls.clear();
    let outcome = files.judge::<Late>();
    assert_eq!((outcome.only_finding().title.as_str(), outcome.only_finding().confidence), (title, 0.7));
    files.snapshot().families.syscall.as_mut().unwrap().in_flight.clear();
    files.judge::<Late>().is_not_evaluated().mentions("only calls that hang are seen");
}

#[test]
fn time_on_the_cpu_is_said_to_be_that_and_waiting_for_one_is_not_judged() {
    let outcome = window("fires-cpu").judge::<Late>();
    outcome.fires(Severity::Warning).mentions("100 % of their time is spent on the CPU").mentions("see scheduler-contention");
    assert_eq!(outcome.only_finding().signal.name, "munmap p99");
}

#[test]
fn what_is_late_in_several_small_groups_is_the_hosts() {
    let outcome = window("fires-spread").judge::<Late>();
    outcome.fires(Severity::Warning).mentions("longest 250 ms of 27").mentions("sleep until a server of a file system answers");
    assert_eq!(outcome.only_finding().entity.kind, EntityKind::Node);
    // When all who are late are of one group, it is that group's.
    let mut window = window("fires-spread");
    window.snapshot().families.syscall.as_mut().unwrap().processes.truncate(1);
    let outcome = window.judge::<Late>();
    assert_eq!(outcome.only_finding().entity.kind, EntityKind::Cgroup);
}

#[test]
fn sleep_by_design_and_waiting_for_a_cpu_are_quiet() {
    window("quiet-sleepers").judge::<Late>().is_quiet().mentions("threshold 100 ms");
    window("quiet-few").judge::<Late>().is_quiet().mentions("19 calls, 20 of one call needed");
}

#[test]
fn the_hosts_calls_are_judged_just_above_the_thresholds_and_from_the_minimum_sample_on() {
    one(mixed(0, 20, 101), false).judge::<Late>().fires(Severity::Warning);
    one(mixed(0, 19, 101), false).judge::<Late>().is_quiet();
    one(mixed(0, 20, 100), false).judge::<Late>().is_quiet().mentions("fdatasync longest 100 ms of 20");
    one(mixed(0, 20, 500), false).judge::<Late>().fires(Severity::Warning);
    one(mixed(0, 20, 501), false).judge::<Late>().fires(Severity::Critical).mentions("longest 501 ms of 20");
    // Below 100 the largest stands for p99; from 100 on one in a hundred does not.
    one(mixed(98, 1, 300), false).judge::<Late>().fires(Severity::Warning);
    one(mixed(99, 1, 300), false).judge::<Late>().is_quiet();
    one(mixed(98, 2, 300), false).judge::<Late>().fires(Severity::Warning).mentions("ms of 100\"");
}

#[test]
fn one_late_call_of_few_says_nothing_of_a_group() {
    let of_group = |samples| {
        let mut window = one(samples, true);
        window.snapshot().families.syscall.as_mut().unwrap().calls[0].latency = Latency::from_samples(mixed(900, 2, 300));
        window
    };
    of_group(mixed(38, 1, 900)).judge::<Late>().is_quiet();
    of_group(mixed(36, 3, 900)).judge::<Late>().fires(Severity::Critical);
    of_group(mixed(0, 19, 900)).judge::<Late>().is_quiet();
}

#[test]
fn a_call_in_flight_counts_from_beyond_the_critical_threshold() {
    let held = |milliseconds: u64| {
        let mut window = window("quiet-few");
        window.snapshot().families.syscall.as_mut().unwrap().in_flight[0].judged_ns = milliseconds * MS;
        window
    };
    held(500).judge::<Late>().is_quiet();
    held(501)
        .judge::<Late>()
        .fires(Severity::Critical)
        .mentions("fdatasync of postgres (pid 812) in postgresql.service has been held up");
}

#[test]
fn what_was_not_seen_is_not_quiet_but_what_hangs_is_told() {
    let mut window = window("quiet-sleepers");
    window.snapshot().collectors[0].lost = 50_000;
    window.judge::<Late>().is_not_evaluated().mentions("lost");
    window.snapshot().collectors[0].lost = 0;
    window.snapshot().collectors[0].blind_ratio = 0.1;
    window.judge::<Late>().is_not_evaluated();
    window.snapshot().families.syscall = None;
    window.judge::<Late>().is_not_evaluated().mentions("syscall was not measured");
    let mut hung = self::window("fires-hung");
    hung.snapshot().collectors[0].lost = 50_000;
    hung.judge::<Late>().fires(Severity::Critical);
}

#[test]
fn numbers_that_make_no_sense_do_not_trap() {
    let mut window = window("fires-nfs");
    let family = window.snapshot().families.syscall.as_mut().unwrap();
    for slow in &mut family.processes {
        (slow.judged_ns, slow.max_ns, slow.count) = (0, u64::MAX, u64::MAX);
        slow.parts.on_cpu_ns = u64::MAX;
    }
    family.in_flight[0].judged_ns = u64::MAX;
    family.in_flight[0].caller.comm = "\u{1b}[2J".repeat(4_000);
    assert!(window.clone().parameter("p99_warning", f64::NAN).judge::<Late>().0.is_ok());
    assert!(window.parameter("p99_critical", 0.0).judge::<Late>().0.is_ok());
}
