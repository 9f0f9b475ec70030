//! Recorded windows that must fire, and that must stay quiet.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stopped")]

use kerno_rule_syscall_error_rate::SyscallErrorRate as ErrorRate;
use kerno_rules_sdk::testing::Window;
use kerno_rules_sdk::testing::snapshot::{Call, CallFailure, Cgroup, CgroupCall, Coverage, errno_name};
use kerno_rules_sdk::{EntityKind, Severity};

/// Group, call, how often it returned, and how often with which errno.
type Row<'a> = (u64, &'a str, u64, &'a [(u32, u64)]);

fn window(name: &str) -> Window {
    Window::from_file(format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR")))
}

/// One call of one group, so often made and so often failed, in a window of 30 s.
fn one(name: &str, calls: u64, failures: &[(u32, u64)]) -> Window {
    groups(&[(1, name, calls, failures)])
}

fn groups(all: &[Row<'_>]) -> Window {
    let mut window = window("quiet-few");
    let family = window.snapshot().families.syscall.as_mut().unwrap();
    family.cgroups.clear();
    family.calls.clear();
    for (id, name, calls, failures) in all {
        let error = |(errno, count): &(u32, u64)| CallFailure {
            errno: *errno,
            name: errno_name(*errno).unwrap().to_owned(),
            count: *count,
            caller: None,
        };
        let failed = failures.iter().map(|(_, count)| *count).sum();
        let errors = failures.iter().map(error).collect();
        let call = Call { name: (*name).to_owned(), count: *calls, failed, errors, ..Call::default() };
        let cgroup = Cgroup { id: *id, path: Some(format!("/g{id}")), ..Cgroup::default() };
        family.cgroups.push(CgroupCall { cgroup, call: call.clone() });
        match family.calls.iter_mut().find(|known| known.name == *name) {
            Some(known) => {
                known.count += call.count;
                known.errors.iter_mut().zip(&call.errors).for_each(|(sum, error)| sum.count += error.count);
            }
            None => family.calls.push(call),
        }
    }
    window
}

const EACCES: u32 = 13;
const EMFILE: u32 = 24;
const ENOSPC: u32 = 28;
const ETIMEDOUT: u32 = 110;
const ECONNREFUSED: u32 = 111;

#[test]
fn a_storm_of_one_error_is_one_finding_whatever_calls_meet_it() {
    let outcome = window("fires-eacces").judge::<ErrorRate>();
    outcome.fires(Severity::Critical);
    let finding = outcome.only_finding();
    assert_eq!(finding.entity.kind, EntityKind::Unit);
    assert_eq!(finding.title, "openat of web.service fails with EACCES: 15 % of 20,000 calls");
    assert_eq!(
        (finding.signal.name.as_str(), finding.signal.value, finding.signal.threshold),
        ("openat EACCES share", 0.15, 0.1)
    );
    outcome
        .mentions("Most of them are those of nginx (pid 4121)")
        .mentions("also at newfstatat")
        .mentions("-Z -e trace=openat -p 4121");
    outcome.does_not_mention("ssh.service");
}

#[test]
fn a_few_of_the_worst_errors_count_whatever_their_share() {
    let outcome = window("fires-enospc").judge::<ErrorRate>();
    outcome.fires(Severity::Warning).mentions("df -h; df -i").mentions("postgres (pid 812)");
    let finding = outcome.only_finding();
    assert_eq!(finding.title, "write of postgresql.service fails with ENOSPC: 7 of 50,000 calls");
    assert_eq!((finding.signal.value, finding.signal.threshold, finding.signal.unit.as_str()), (7.0, 5.0, "count"));
}

#[test]
fn a_peer_that_refuses_is_told_from_probes_that_are_refused() {
    let outcome = window("fires-refused").judge::<ErrorRate>();
    outcome.fires(Severity::Critical).mentions("container 0123456789ab");
    outcome.does_not_mention("healthd").mentions("perf trace -a --failure -e connect");
    assert_eq!(outcome.findings().len(), 1);
}

#[test]
fn descriptors_that_are_used_up_are_one_finding_and_commands_are_quoted() {
    let outcome = window("fires-emfile").judge::<ErrorRate>();
    outcome.fires(Severity::Critical).mentions("RLIMIT_NOFILE").mentions("/proc/99/limits").mentions("openat, socket");
    let finding = outcome.only_finding();
    assert_eq!((finding.entity.kind, finding.signal.value), (EntityKind::Process, 0.4));
    let names: Vec<(&str, &str)> = finding.entity.names.iter().map(|name| (name.key.as_str(), name.value.as_str())).collect();
    assert_eq!(names, [("pid", "99"), ("comm", "jobd"), ("cgroup", "/jobs/it's $(here)"), ("error", "EMFILE")]);
    outcome.mentions("fails with EMFILE, mostly in jobd (pid 99): 40 % of 300 calls");
    // Spread over several processes it is the group's.
    let mut spread = window("fires-emfile");
    for call in &mut spread.snapshot().families.syscall.as_mut().unwrap().cgroups {
        call.call.errors.iter_mut().for_each(|error| error.caller = None);
    }
    let outcome = spread.judge::<ErrorRate>();
    assert_eq!(outcome.does_not_mention("mostly in").only_finding().entity.kind, EntityKind::Cgroup);
}

#[test]
fn inotify_instances_of_a_user_are_not_descriptors_of_a_process() {
    let outcome = groups(&[(1, "inotify_init1", 100, &[(EMFILE, 50)]), (1, "openat", 100, &[(EMFILE, 40)])]).judge::<ErrorRate>();
    assert_eq!(outcome.findings().len(), 2, "{outcome:?}");
    let inotify = outcome.findings().iter().find(|finding| finding.title.starts_with("inotify_init1")).unwrap();
    assert!(inotify.cause.starts_with("A user has as many inotify instances") && !inotify.cause.contains("RLIMIT_NOFILE"));
    assert!(inotify.fixes[0].command.starts_with("sysctl fs.inotify.max_user_instances"), "{inotify:?}");
    assert!(inotify.entity.names.iter().any(|name| name.value == "fs.inotify.max_user_instances"), "{inotify:?}");
}

#[test]
fn errors_of_normal_work_are_quiet_at_any_rate() {
    let outcome = window("quiet-normal").judge::<ErrorRate>();
    // Resets are everyday life; 120 in 30 s are below what may be probes.
    outcome.is_quiet().mentions("threshold 1 %");
}

#[test]
fn few_calls_are_said_to_be_few() {
    window("quiet-few").judge::<ErrorRate>().is_quiet().mentions("90 calls, 100 of one call needed");
}

#[test]
fn shares_are_judged_just_above_their_thresholds_and_from_the_minimum_sample_on() {
    one("connect", 100, &[(ETIMEDOUT, 2)]).judge::<ErrorRate>().fires(Severity::Warning);
    one("connect", 99, &[(ETIMEDOUT, 50)]).judge::<ErrorRate>().is_quiet();
    one("connect", 1_000, &[(ETIMEDOUT, 11)]).judge::<ErrorRate>().fires(Severity::Warning);
    one("connect", 1_000, &[(ETIMEDOUT, 10)])
        .judge::<ErrorRate>()
        .is_quiet()
        .mentions("10 of 1,000 connect, 1 %, mostly ETIMEDOUT");
    one("connect", 1_000, &[(ETIMEDOUT, 99)]).judge::<ErrorRate>().fires(Severity::Warning);
    one("connect", 1_000, &[(ETIMEDOUT, 100)]).judge::<ErrorRate>().fires(Severity::Critical);
    // Errors of which none is too many alone are too many together.
    one("connect", 1_000, &[(ETIMEDOUT, 6), (113, 6)])
        .judge::<ErrorRate>()
        .fires(Severity::Warning)
        .mentions("ETIMEDOUT and other errors: 1.2 %");
}

#[test]
fn the_worst_errors_are_judged_from_their_count_on() {
    one("write", 90, &[(ENOSPC, 4)]).judge::<ErrorRate>().is_quiet();
    one("write", 90, &[(ENOSPC, 5)]).judge::<ErrorRate>().fires(Severity::Warning);
    for errno in [5, 12, 23, 24, 26, 28, 30, 116, 122] {
        one("write", 1_000_000, &[(errno, 5)]).judge::<ErrorRate>().fires(Severity::Warning);
    }
}

#[test]
fn probes_become_a_storm_above_five_a_second() {
    for errno in [1, EACCES, ECONNREFUSED] {
        one("connect", 1_000, &[(errno, 150)]).judge::<ErrorRate>().is_quiet();
        one("connect", 1_000, &[(errno, 151)]).judge::<ErrorRate>().fires(Severity::Critical);
    }
}

#[test]
fn one_groups_storm_is_not_diluted_by_the_others() {
    let outcome =
        groups(&[(1, "openat", 1_000_000, &[(EACCES, 0)]), (2, "openat", 1_000, &[(EACCES, 500)])]).judge::<ErrorRate>();
    assert_eq!(outcome.only_finding().entity.names[0].value, "/g2");
    outcome.fires(Severity::Critical);
}

#[test]
fn what_is_spread_over_groups_is_the_hosts_and_is_not_told_twice() {
    let spread: Vec<Row<'_>> = (1..=20).map(|id| (id, "sendto", 50, [(ETIMEDOUT, 10)].as_slice())).collect();
    let outcome = groups(&spread).judge::<ErrorRate>();
    assert_eq!((outcome.only_finding().entity.kind, outcome.only_finding().signal.value), (EntityKind::Node, 0.2));
    let one_more =
        groups(&[(1, "sendto", 1_000, &[(ETIMEDOUT, 300)]), (2, "sendto", 100, &[(ETIMEDOUT, 0)])]).judge::<ErrorRate>();
    assert_eq!(one_more.only_finding().entity.kind, EntityKind::Cgroup);
    // Many groups that each probe now and then are no storm.
    let probing: Vec<Row<'_>> = (1..=90).map(|id| (id, "connect", 50, [(ECONNREFUSED, 9)].as_slice())).collect();
    groups(&probing).judge::<ErrorRate>().is_quiet();
    // Terminals that close leave an error each.
    let terminals: Vec<Row<'_>> = (1..=90).map(|id| (id, "read", 50, [(5, 1)].as_slice())).collect();
    groups(&terminals).judge::<ErrorRate>().is_quiet();
    let disk: Vec<Row<'_>> = (1..=9).map(|id| (id, "fsync", 5, [(5, 1)].as_slice())).collect();
    groups(&disk).judge::<ErrorRate>().fires(Severity::Warning);
}

#[test]
fn calls_that_were_not_counted_are_not_quiet() {
    let mut window = window("quiet-normal");
    window.snapshot().collectors[0].coverage = Some(Coverage::Fallback);
    window.judge::<ErrorRate>().is_not_evaluated().mentions("counted with eBPF only");
    window.snapshot().collectors[0].coverage = Some(Coverage::Full);
    window.snapshot().collectors[0].lost = 5_000;
    window.judge::<ErrorRate>().is_not_evaluated().mentions("lost");
    window.snapshot().collectors[0].lost = 0;
    window.snapshot().collectors[0].blind_ratio = 0.1;
    window.judge::<ErrorRate>().is_not_evaluated();
    window.snapshot().families.syscall = None;
    window.judge::<ErrorRate>().is_not_evaluated().mentions("syscall was not measured");
}

#[test]
fn numbers_that_make_no_sense_do_not_trap() {
    let window = one("connect", 0, &[(ETIMEDOUT, u64::MAX)]);
    assert!(window.clone().parameter("min_calls", 0.0).judge::<ErrorRate>().0.is_ok());
    let mut window = one("connect", u64::MAX, &[(ETIMEDOUT, u64::MAX)]);
    window.snapshot().families.syscall.as_mut().unwrap().cgroups[0].call.errors[0].name = "\u{1b}[2J".repeat(900);
    assert!(window.parameter("share_warning", f64::NAN).judge::<ErrorRate>().0.is_ok());
}
