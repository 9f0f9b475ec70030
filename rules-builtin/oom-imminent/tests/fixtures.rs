//! Recorded windows that must fire, and that must stay quiet.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stopped")]

use kerno_rule_oom_imminent::OomImminent;
use kerno_rules_sdk::testing::snapshot::{CgroupMemory, Coverage, Memory, Trend};
use kerno_rules_sdk::testing::{Outcome, Window};
use kerno_rules_sdk::{EntityKind, Severity};

const MIB: f64 = 1_048_576.0;

fn window(name: &str) -> Window {
    Window::from_file(format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR")))
}

fn judge(name: &str, change: impl FnOnce(&mut Memory)) -> Outcome {
    let mut window = window(name);
    change(window.snapshot().families.memory.as_mut().unwrap());
    window.judge::<OomImminent>()
}

/// web.service at so many bytes of its 512 MiB, with a growth.
fn web(used: u64, growth: Option<Trend>) -> Outcome {
    judge("fires-unit", |memory| {
        let web: &mut CgroupMemory = &mut memory.cgroups[0];
        (web.working_set_bytes, web.growth) = (used, growth);
    })
}

fn trend(slope_per_second: f64, low: f64, points: u32) -> Option<Trend> {
    Some(Trend { slope_per_second, low, high: slope_per_second * 2.0, points })
}

#[test]
fn a_unit_that_grows_to_its_limit_is_named_with_the_time_that_is_left() {
    let outcome = window("fires-unit").judge::<OomImminent>();
    outcome.fires(Severity::Warning);
    let finding = outcome.only_finding();
    assert_eq!(finding.entity.kind, EntityKind::Unit);
    assert_eq!(finding.title, "web.service meets its memory limit in about 33 s: 92.2 % used, growing by 1.2 MiB/s");
    assert!(finding.eta_seconds.is_some_and(|eta| (eta - 40.0 / 1.2).abs() < 1e-3), "{finding:?}");
    assert_eq!((finding.signal.value, finding.signal.threshold), (472.0 / 512.0, 0.9));
    outcome
        .mentions("(1.1 MiB/s to 1.3 MiB/s, of 31 readings)")
        .mentions("systemctl set-property --runtime web.service MemoryMax=641M")
        .mentions("the kernel ends a process of web.service without a warning (OOM kill)");
}

#[test]
fn the_container_that_holds_the_memory_is_named_with_the_pod_whose_limit_it_is() {
    let outcome = window("fires-pod").judge::<OomImminent>();
    outcome.fires(Severity::Critical);
    let finding = outcome.only_finding();
    assert_eq!(finding.entity.kind, EntityKind::Container);
    let title = "container 0123456789ab meets the memory limit of kubepods-burstable-pod1.slice in about 4 s";
    assert!(finding.title.starts_with(title), "{}", finding.title);
    // Where it is spread over several, the pod is named.
    let spread = judge("fires-pod", |memory| memory.cgroups[1].working_set_bytes /= 2);
    assert_eq!(spread.only_finding().entity.kind, EntityKind::Unit);
    spread.fires(Severity::Critical).mentions("kubepods-burstable-pod1.slice meets its memory limit");
}

#[test]
fn nested_limits_that_the_same_memory_fills_are_one_finding_the_one_that_is_met_first() {
    let outcome = judge("fires-pod", |memory| {
        let app = &mut memory.cgroups[1];
        let limit = app.hard_limit.as_mut().unwrap();
        (limit.bytes, limit.path) = (244 << 20, app.cgroup.path.clone().unwrap());
    });
    assert!(
        outcome.only_finding().title.starts_with("container 0123456789ab meets its memory limit in about 2 s"),
        "{outcome:?}"
    );
}

#[test]
fn a_host_is_told_with_who_grows_and_the_swap_that_is_left() {
    let outcome = window("fires-host").judge::<OomImminent>();
    outcome
        .fires(Severity::Warning)
        .mentions("This host runs out of memory in about 85 s: 93.8 % used")
        .mentions("384 MiB at most");
    let finding = outcome.only_finding();
    assert_eq!(finding.entity.kind, EntityKind::Node);
    // Not the slice above it, which grows by the same memory.
    assert!(finding.cause.contains("db.service grows fastest, by 2.9 MiB/s"), "{}", finding.cause);
    outcome.does_not_mention("growth per second of system.slice");
}

#[test]
fn host_and_a_group_may_both_run_out() {
    let outcome = judge("fires-host", |memory| {
        let unit = window("fires-unit").snapshot().families.memory.take().unwrap();
        memory.cgroups.push(unit.cgroups[0].clone());
    });
    assert_eq!(outcome.findings().len(), 2, "{outcome:?}");
}

#[test]
fn thresholds_of_use_are_sharp() {
    let grows = || trend(MIB, 0.9 * MIB, 31);
    let bytes = |share: f64| (share * 512.0 * MIB) as u64;
    web(bytes(0.8999), grows()).is_quiet().mentions("threshold 90 %");
    // Exactly 90 % of 1,000 MiB: above it only.
    let edge = |used: u64, bytes: u64| {
        judge("fires-unit", |memory| {
            let web = &mut memory.cgroups[0];
            (web.working_set_bytes, web.growth) = (used << 20, grows());
            web.hard_limit.as_mut().unwrap().bytes = bytes << 20;
        })
    };
    edge(900, 1_000).is_quiet();
    edge(901, 1_000).fires(Severity::Warning);
    edge(949, 1_000).fires(Severity::Warning);
    let critical = edge(950, 1_000);
    assert_eq!(critical.fires(Severity::Critical).only_finding().signal.threshold, 0.95);
    // Full already: no time is left.
    let full = edge(1_005, 1_000);
    assert_eq!(full.mentions("meets its memory limit now: 100 % used").only_finding().eta_seconds, Some(0.0));
    let own = window("fires-unit").parameter("use_warning", 0.93).judge::<OomImminent>();
    own.is_quiet().mentions("threshold 93 %");
}

#[test]
fn few_readings_are_no_trend() {
    let used = 490 << 20;
    web(used, trend(MIB, 0.9 * MIB, 5)).fires(Severity::Critical);
    web(used, trend(MIB, 0.9 * MIB, 4)).is_quiet().mentions("growth of 4 readings, 5 needed");
    web(used, None).is_quiet().mentions("growth of 0 readings, 5 needed");
}

#[test]
fn only_growth_that_is_sure_counts() {
    let used = 490 << 20;
    web(used, trend(MIB, 1.0, 31)).fires(Severity::Critical);
    web(used, trend(MIB, 0.0, 31)).is_quiet().mentions("web.service uses 95.7 %, which does not surely grow");
    web(used, trend(-MIB, -2.0 * MIB, 31)).is_quiet();
    web(used, trend(f64::NAN, f64::NAN, 31)).is_quiet();
}

#[test]
fn growth_counts_that_meets_the_limit_within_hours() {
    let used = 490 << 20;
    // 22 MiB are left, and 30 s are seen.
    let in_time = |seconds: f64| web(used, trend(22.0 * MIB / seconds, 21.0 * MIB / seconds, 31));
    in_time(14_399.0).fires(Severity::Critical).mentions("in about 4 h");
    in_time(14_401.0).is_quiet().mentions("web.service uses 95.7 %, which grows, but is not full within 4 h");
    // A few pages in the window are what the kernel charges at once.
    let nearly = (512 << 20) - (100 << 10);
    let pages = |bytes: f64| web(nearly, trend(bytes / 30.0, bytes / 31.0, 31));
    pages(16_384.0).fires(Severity::Critical);
    pages(16_383.0).is_quiet();
}

/// Readings of a heap that goes up and down by 1 MiB, the same on every run.
#[test]
fn a_steady_heap_with_noise_is_nothing_at_any_use() {
    let heap = |seed: u64| {
        let mut state = seed;
        let reading = |second: u64| {
            state = state.wrapping_mul(6_364_136_223_846_793_005).wrapping_add(1_442_695_040_888_963_407);
            (second * 1_000_000_000, 490.0 * MIB + (state >> 44) as f64)
        };
        Trend::fit(&(0..31).map(reading).collect::<Vec<_>>()).unwrap()
    };
    // An interval of 95 % is above zero by chance in one of forty.
    let steady: Vec<Trend> = (1..20).map(heap).filter(|fitted| fitted.low <= 0.0).collect();
    assert!(steady.len() >= 18, "{steady:?}");
    for fitted in steady {
        for share in [85, 92, 96, 99] {
            web((512 << 20) / 100 * share, Some(fitted)).is_quiet();
        }
    }
}

#[test]
fn saw_teeth_are_no_growth_unless_they_climb() {
    let teeth = |climb: f64| {
        let at = |second: u64| 400.0 * MIB + 6.0 * MIB * (second % 10) as f64 + climb * second as f64;
        Trend::fit(&(0..31).map(|second| (second * 1_000_000_000, at(second))).collect::<Vec<_>>())
    };
    web(490 << 20, teeth(0.0)).is_quiet().mentions("does not surely grow");
    web(490 << 20, teeth(3.0 * MIB)).fires(Severity::Critical);
    // A pool that is filled once in the window is no trend either.
    let step =
        Trend::fit(&(0..31).map(|second| (second * 1_000_000_000, if second < 9 { 1e6 } else { 4e8 })).collect::<Vec<_>>());
    web(490 << 20, step).is_quiet();
}

#[test]
fn a_steady_heap_is_nothing() {
    window("quiet-steady-heap")
        .judge::<OomImminent>()
        .is_quiet()
        .mentions("host uses 25 % of 4 GiB")
        .mentions("db.service uses 92 %, which does not surely grow")
        .does_not_mention("web.service");
}

#[test]
fn a_soft_limit_kills_nobody() {
    window("quiet-high-only").judge::<OomImminent>().is_quiet().mentions("web.service 18.6 % of its limit");
}

#[test]
fn page_cache_is_not_use() {
    window("quiet-cache").judge::<OomImminent>().is_quiet().mentions("web.service 11.7 % of its limit");
}

#[test]
fn kerno_does_not_accuse_itself() {
    let outcome = judge("fires-unit", |memory| memory.cgroups[0].own = true);
    outcome.is_quiet().does_not_mention("web.service");
}

#[test]
fn totals_are_judged_with_less_confidence_and_gaps_are_never_quiet() {
    let at = |name: &str, change: fn(&mut kerno_rules_sdk::testing::snapshot::Snapshot)| {
        let mut window = window(name);
        change(window.snapshot());
        window.judge::<OomImminent>()
    };
    let totals = at("fires-unit", |snapshot| snapshot.collectors[0].coverage = Some(Coverage::Fallback));
    assert!(
        totals.only_finding().confidence < 0.5 && window("fires-unit").judge::<OomImminent>().only_finding().confidence > 0.85
    );
    at("quiet-cache", |snapshot| snapshot.collectors[0].lost = 9).is_not_evaluated().mentions("9 of 609 events lost");
    let unseen = |snapshot: &mut kerno_rules_sdk::testing::snapshot::Snapshot| {
        snapshot.families.memory.as_mut().unwrap().unseen = Some("no hierarchy of control groups can be read".to_owned());
    };
    at("quiet-cache", unseen).is_not_evaluated().mentions("no hierarchy of control groups").mentions("host uses");
    at("fires-unit", unseen).fires(Severity::Warning);
    at("fires-unit", |snapshot| snapshot.families.memory = None).is_not_evaluated().mentions("memory was not measured");
}

#[test]
fn names_are_quoted_in_commands() {
    let outcome = judge("fires-unit", |memory| {
        let web = &mut memory.cgroups[0];
        (web.cgroup.unit, web.cgroup.path) = (None, Some("/jobs/it's $(here)".to_owned()));
        web.hard_limit.as_mut().unwrap().path = "/jobs/it's $(here)".to_owned();
    });
    let has = |text: &str| outcome.only_finding().fixes.iter().any(|fix| fix.command.contains(text));
    assert!(
        has(r"echo 641M > '/sys/fs/cgroup/jobs/it'\''s $(here)/memory.max'") && has("--include=cgroup.procs . '/sys"),
        "{outcome:?}"
    );
}
