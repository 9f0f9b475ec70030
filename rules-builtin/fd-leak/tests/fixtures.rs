//! Recorded windows that must fire, and that must stay quiet.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stopped")]

use kerno_rule_fd_leak::FdLeak;
use kerno_rules_sdk::testing::Window;
use kerno_rules_sdk::testing::snapshot::{Coverage, FdProcess, Trend};
use kerno_rules_sdk::{EntityKind, Severity};

fn window(name: &str) -> Window {
    Window::from_file(format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR")))
}

/// The leaking process of `fires-sockets`, changed.
fn leaking(change: impl Fn(&mut FdProcess)) -> Window {
    let mut window = window("fires-sockets");
    let fd = window.snapshot().families.fd.as_mut().unwrap();
    fd.processes.retain(|process| process.pid == 4121);
    change(&mut fd.processes[0]);
    window
}

/// As if it gained so many in each part of 6 s.
fn gains(process: &mut FdProcess, gained: [i64; 5]) {
    let sum: i64 = gained.iter().sum();
    let slope = sum as f64 / 30.0;
    process.gained = gained.to_vec();
    process.last = process.first.saturating_add_signed(sum);
    process.trend = Some(Trend { slope_per_second: slope, low: slope * 0.5, high: slope * 2.0, points: 31 });
}

#[test]
fn a_leak_of_sockets_is_told_from_files_that_are_closed_again_and_has_a_time() {
    let outcome = window("fires-sockets").judge::<FdLeak>();
    outcome.fires(Severity::Warning);
    let finding = outcome.only_finding();
    assert_eq!(finding.entity.kind, EntityKind::Process);
    assert_eq!(finding.title, "web-worker (pid 4121) gains 12.5 descriptors a second: its limit of 1,024 is met in 36 s");
    assert_eq!((finding.signal.value, finding.signal.threshold, finding.eta_seconds), (12.5, 10.0, Some(35.92)));
    outcome
        .mentions("Most likely they are sockets made: there were 380 in web.service")
        .mentions("systemctl restart web.service");
    // Who shares its table and kerno itself are not told.
    outcome.does_not_mention("4122").does_not_mention("kerno");
}

#[test]
fn who_met_its_limit_gains_no_more_and_is_told_all_the_same() {
    let outcome = window("fires-at-limit").judge::<FdLeak>();
    let finding = outcome.only_finding();
    assert_eq!(finding.title, "java (pid 5120) has reached its limit of 1,024 descriptors");
    assert_eq!((finding.eta_seconds, finding.signal.value), (None, 824.0 / 12.0));
    outcome.mentions("fails with EMFILE").mentions("By which calls they came was not measured");
    let mut below = window("fires-at-limit");
    below.snapshot().families.fd.as_mut().unwrap().processes[0].limit = Some(1_025);
    below.judge::<FdLeak>().is_quiet();
}

#[test]
fn no_more_than_the_hard_limit_is_proposed() {
    let of = |hard: Option<u64>| leaking(|process| process.hard_limit = hard).judge::<FdLeak>();
    of(Some(524_288)).mentions("prlimit --pid 4121 --nofile=4096:\"").mentions("hard limit of the process");
    of(Some(2_048)).mentions("prlimit --pid 4121 --nofile=2048:\"");
    of(Some(1_024)).mentions("as root raise both (for good: LimitNOFILE of its unit)").does_not_mention("nofile=4096:\"");
    of(None).mentions("--nofile=4096:\"");
}

#[test]
fn a_limit_that_is_met_within_the_second_is_met_at_once() {
    let outcome = leaking(|process| process.limit = Some(process.last + 12)).judge::<FdLeak>();
    outcome.fires(Severity::Warning).mentions("is met at once").does_not_mention(" 0 s");
    leaking(|process| process.limit = Some(process.last + 13)).judge::<FdLeak>().mentions("is met in 1 s");
}

#[test]
fn the_table_of_the_host_may_be_full_before_the_process_is() {
    let outcome = window("fires-host-table").judge::<FdLeak>();
    let finding = outcome.only_finding();
    assert_eq!(finding.eta_seconds, Some(50.0));
    outcome.mentions("the host's table is full in 50 s").mentions("ENFILE").mentions("files that may be open on this host");
    // It grew in four parts of five.
    assert!(finding.confidence < 0.9, "{}", finding.confidence);
}

#[test]
fn pools_that_are_full_or_nearly_saw_teeth_and_starts_are_quiet() {
    window("quiet-pool").judge::<FdLeak>().is_quiet().mentions("pool (pid 4130) gained most, 815 in 30 s");
    window("quiet-churn").judge::<FdLeak>().is_quiet();
    window("quiet-young").judge::<FdLeak>().is_quiet();
    window("quiet-idle").judge::<FdLeak>().is_quiet().mentions("none of 201 processes gained 10 a second");
}

#[test]
fn thresholds_are_met_just_above_them() {
    leaking(|process| gains(process, [60, 60, 60, 60, 61])).judge::<FdLeak>().fires(Severity::Warning);
    leaking(|process| gains(process, [60; 5])).judge::<FdLeak>().is_quiet().mentions("threshold 10 a second");
    leaking(|process| gains(process, [0, 100, 100, 100, 100])).judge::<FdLeak>().fires(Severity::Warning);
    leaking(|process| gains(process, [0, 0, 150, 150, 150])).judge::<FdLeak>().is_quiet().mentions("grew in 3 of 5 parts");
    // To the end, and not only just.
    leaking(|process| gains(process, [100, 100, 100, 100, 0])).judge::<FdLeak>().is_quiet();
    leaking(|process| gains(process, [100, 100, 100, 100, 44])).judge::<FdLeak>().is_quiet();
    leaking(|process| gains(process, [100, 100, 100, 100, 45])).judge::<FdLeak>().fires(Severity::Warning);
}

#[test]
fn a_trend_that_may_be_none_is_quiet() {
    let unsure = |low| leaking(|process| process.trend = Some(Trend { slope_per_second: 12.5, low, high: 20.0, points: 9 }));
    unsure(0.1).judge::<FdLeak>().fires(Severity::Warning);
    unsure(0.0).judge::<FdLeak>().is_quiet();
    leaking(|process| process.trend = None).judge::<FdLeak>().is_quiet();
}

#[test]
fn who_was_watched_for_less_than_half_of_the_window_is_not_judged() {
    let watched = |seconds: u64, gained| {
        leaking(move |process| {
            gains(process, [gained; 5]);
            process.trend = Some(Trend { slope_per_second: 20.0, low: 15.0, high: 30.0, points: 9 });
            process.watched_ns = seconds * 1_000_000_000;
        })
    };
    watched(15, 60).judge::<FdLeak>().fires(Severity::Warning);
    watched(14, 60).judge::<FdLeak>().is_quiet();
}

#[test]
fn counts_that_are_too_few_are_no_proof_of_health_when_something_grows() {
    let few = |gained: i64| {
        let mut window = leaking(|process| {
            gains(process, [gained; 5]);
            process.gained.truncate(4);
        });
        window.snapshot().families.fd.as_mut().unwrap().readings = 5;
        window
    };
    few(75).judge::<FdLeak>().is_not_evaluated().mentions("counted too seldom (5 times)").mentions("gained 375");
    few(1).judge::<FdLeak>().is_quiet();
}

#[test]
fn files_are_as_true_as_programs_unless_processes_were_not_seen() {
    let mut files = window("fires-at-limit");
    files.snapshot().collectors[0].coverage = Some(Coverage::Fallback);
    let outcome = files.judge::<FdLeak>();
    assert!(outcome.only_finding().confidence < 0.75);
    let mut idle = window("quiet-idle");
    idle.snapshot().collectors[0].coverage = Some(Coverage::Fallback);
    idle.judge::<FdLeak>().is_quiet();
    idle.snapshot().families.fd.as_mut().unwrap().unseen = 3;
    idle.judge::<FdLeak>().is_not_evaluated().mentions("descriptors of at least 3 processes were not counted");
    idle.snapshot().families.fd = None;
    idle.judge::<FdLeak>().is_not_evaluated().mentions("fd was not measured");
}

#[test]
fn descriptors_that_no_call_made_came_another_way() {
    let mut window = window("fires-sockets");
    let calls = window.snapshot().families.syscall.as_mut().unwrap();
    calls.cgroups.retain(|of| of.call.name == "close" || of.call.name == "accept4");
    window.judge::<FdLeak>().mentions("they came over a socket (SCM_RIGHTS), by fcntl or through io_uring");
}

#[test]
fn numbers_that_make_no_sense_do_not_trap() {
    for (first, last, limit) in [(0, u64::MAX, Some(u64::MAX)), (u64::MAX, 0, Some(0)), (u64::MAX, u64::MAX, None)] {
        for slope in [f64::NAN, f64::INFINITY, -1.0, 1e300] {
            let window = leaking(|process| {
                (process.first, process.last, process.limit) = (first, last, limit);
                process.gained = vec![i64::MAX; 5];
                process.trend = Some(Trend { slope_per_second: slope, low: slope, high: slope, points: 9 });
                process.watched_ns = 1;
            });
            assert!(window.parameter("min_watched", 0.0).judge::<FdLeak>().0.is_ok());
        }
    }
}
