//! Recorded windows that must fire, that state a fact, and that must stay quiet.
#![expect(clippy::unwrap_used, reason = "a test that cannot go on says where it stopped")]

use kerno_rule_memory_pressure::MemoryPressure;
use kerno_rules_sdk::testing::snapshot::{Coverage, LimitKind, Memory, MemoryEvents, MemoryLimit, Stall, Trend};
use kerno_rules_sdk::testing::{Outcome, Window};
use kerno_rules_sdk::{EntityKind, Severity};

const SECOND: u64 = 1_000_000_000;

fn window(name: &str) -> Window {
    Window::from_file(format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR")))
}

fn judge(name: &str, change: impl FnOnce(&mut Memory)) -> Outcome {
    let mut window = window(name);
    change(window.snapshot().families.memory.as_mut().unwrap());
    window.judge::<MemoryPressure>()
}

#[test]
fn a_limit_that_is_met_is_a_warning_about_the_unit() {
    let outcome = window("fires-limit-met").judge::<MemoryPressure>();
    outcome.fires(Severity::Warning).mentions("The limit was met 1,204 times").mentions("MemoryMax=641M");
    let finding = outcome.only_finding();
    let title = "web.service is short of memory: 96.1 % of its memory limit in use, tasks wait for it 10 % of the time";
    assert_eq!((finding.entity.kind, finding.title.as_str()), (EntityKind::Unit, title));
    assert!(finding.impact.contains("ends one of its processes"), "{}", finding.impact);
}

#[test]
fn a_soft_limit_slows_down_and_kills_nobody() {
    let outcome = window("fires-high").judge::<MemoryPressure>();
    outcome.fires(Severity::Warning).mentions("MemoryHigh=").mentions("Nothing is killed there").does_not_mention("ends");
    assert_eq!(outcome.only_finding().evidence[1].value, 200.0 * 1_048_576.0);
}

#[test]
fn swap_thrash_is_seen_where_stall_time_misses_it() {
    let outcome = window("fires-swap-thrash").judge::<MemoryPressure>();
    outcome.fires(Severity::Warning).mentions("it swaps at 1,366 page faults a second").mentions("in use by db.service");
    assert_eq!(outcome.only_finding().entity.kind, EntityKind::Node);
    outcome.does_not_mention("in use by system.slice");
    // Major faults alone are also those of programs that start.
    judge("fires-swap-thrash", |memory| memory.host.refaults_anon = Some(0)).fires(Severity::Info);
    // Where refaults are not counted, swap must be in use.
    judge("fires-swap-thrash", |memory| memory.host.refaults_anon = None).fires(Severity::Warning);
    judge("fires-swap-thrash", |memory| (memory.host.refaults_anon, memory.host.swap_used_bytes) = (None, 0))
        .fires(Severity::Info);
}

#[test]
fn a_group_that_thrashes_is_named() {
    let of = |faults: Option<u64>, refaults: Option<u64>, swap| {
        judge("info-steady-heap", |memory| {
            let db = &mut memory.cgroups[0];
            (db.major_faults, db.refaults_anon, db.swap_bytes) = (faults, refaults, swap);
        })
    };
    of(Some(600), Some(600), Some(1)).fires(Severity::Warning).mentions("it swaps at 20 page faults a second");
    of(Some(599), Some(600), Some(1)).fires(Severity::Info);
    of(Some(600), Some(599), Some(1)).fires(Severity::Info);
    of(Some(600), None, Some(1)).fires(Severity::Warning);
    of(Some(600), None, None).fires(Severity::Info);
    of(None, Some(600), Some(1)).fires(Severity::Info);
}

#[test]
fn a_steady_heap_near_its_limit_is_a_fact_to_state() {
    let outcome = window("info-steady-heap").judge::<MemoryPressure>();
    outcome.fires(Severity::Info).mentions("db.service uses 92 % of its memory limit, and nothing waits for it");
    assert!(outcome.only_finding().fixes.iter().all(|fix| fix.when == kerno_rules_sdk::Urgency::Later), "{outcome:?}");
    window("quiet-85-percent").judge::<MemoryPressure>().is_quiet().mentions("web.service 85 % of its limit, threshold 90 %");
}

#[test]
fn what_grows_is_not_called_a_heap_of_a_fixed_size() {
    let of = |low: f64, high: f64| {
        judge("info-steady-heap", |memory| {
            memory.cgroups[0].growth = Some(Trend { slope_per_second: f64::midpoint(low, high), low, high, points: 31 });
        })
    };
    of(0.0, 9.0).fires(Severity::Info).mentions("a heap of a fixed size");
    of(1.0, 9.0).fires(Severity::Info).mentions("nor reclaims for it yet, but it grows").does_not_mention("fixed size");
    of(-9.0, -1.0).fires(Severity::Info).does_not_mention("fixed size");
    judge("info-steady-heap", |memory| memory.cgroups[0].growth = None).does_not_mention("fixed size");
}

#[test]
fn thresholds_are_sharp() {
    let of = |used: u64, stall: Option<u64>, met: u64| {
        judge("info-steady-heap", |memory| {
            let db = &mut memory.cgroups[0];
            db.working_set_bytes = used;
            db.limit.as_mut().unwrap().bytes = 1_000;
            db.stall = stall.map(|some_ns| Stall { some_ns, full_ns: None });
            db.events = Some(MemoryEvents { max: met, ..MemoryEvents::default() });
        })
    };
    of(900, Some(20 * SECOND), 9).is_quiet();
    of(901, Some(0), 0).fires(Severity::Info);
    of(901, Some(SECOND * 3 / 10 - 1), 0).fires(Severity::Info);
    of(901, Some(SECOND * 3 / 10), 0).fires(Severity::Warning);
    // Once a second in a window of 30 s; less often page cache does that.
    of(901, Some(0), 30).fires(Severity::Warning).mentions("in use, met 30 times");
    of(901, None, 30).fires(Severity::Warning);
    of(901, Some(0), 29)
        .fires(Severity::Info)
        .mentions("was met 29 times. Enough could be reclaimed")
        .does_not_mention("fixed size");
    of(901, Some(0), 1).fires(Severity::Info).mentions("The limit was met 1 time.");
    of(901, None, 1).fires(Severity::Info).mentions("met 1 time. Nothing swaps");
    of(901, None, 0).fires(Severity::Info).mentions("whether anything waits for it is not known here");
    let slowed = judge("info-steady-heap", |memory| {
        let db = &mut memory.cgroups[0];
        (db.stall, db.events) = (None, Some(MemoryEvents { high: 1, ..MemoryEvents::default() }));
    });
    slowed.fires(Severity::Warning).mentions("met 1 time");
    let strict = window("fires-limit-met").parameter("limit_events_per_second", 40.2).parameter("stall_share", 0.2);
    strict.judge::<MemoryPressure>().fires(Severity::Info);
    window("fires-limit-met").parameter("use_threshold", 0.97).judge::<MemoryPressure>().is_quiet();
}

#[test]
fn without_stall_time_the_hosts_own_reclaim_is_a_sign() {
    let of = |reclaims: u64, stall: Option<Stall>| {
        judge("quiet-no-psi", |memory| {
            memory.host.working_set_bytes = memory.host.total_bytes / 100 * 95;
            (memory.host.direct_reclaims, memory.host.stall) = (reclaims, stall);
        })
    };
    of(300, None).fires(Severity::Warning).mentions("10 allocations a second had to reclaim memory");
    of(299, None).fires(Severity::Info);
    of(300, Some(Stall::default())).fires(Severity::Info);
}

#[test]
fn page_cache_is_not_use_however_often_it_meets_the_limit() {
    window("quiet-cache").judge::<MemoryPressure>().is_quiet().mentions("host uses 9.77 % of 4 GiB, web.service 11.7 %");
    window("quiet-no-psi").judge::<MemoryPressure>().is_quiet();
}

/// web.service below a slice with a limit of its own, both nearly full.
fn nested(change: impl FnOnce(&mut Memory)) -> Outcome {
    judge("fires-limit-met", |memory| {
        let slice = &mut memory.cgroups[1];
        slice.working_set_bytes = 590 << 20;
        slice.limit = Some(MemoryLimit { bytes: 600 << 20, kind: LimitKind::Max, path: "/system.slice".to_owned() });
        change(memory);
    })
}

#[test]
fn nested_limits_that_the_same_memory_fills_are_one_finding() {
    let outcome = nested(|_| ());
    assert!(outcome.only_finding().title.starts_with("web.service is short of memory: 96.1 % of its"), "{outcome:?}");
    // Where it is the slice's limit that was met, that is told, with the unit that holds the memory.
    let outcome = nested(|memory| {
        memory.cgroups[1].events = memory.cgroups[0].events.replace(MemoryEvents::default());
        memory.cgroups[0].stall = Some(Stall::default());
    });
    assert!(outcome.only_finding().title.contains("of the memory limit of system.slice in use, met 1,204 times"), "{outcome:?}");
    // A unit with a small part of the slice's memory is a fault of its own.
    let outcome = nested(|memory| {
        let web = &mut memory.cgroups[0];
        web.working_set_bytes = 95 << 20;
        web.limit.as_mut().unwrap().bytes = 100 << 20;
    });
    assert_eq!(outcome.findings().len(), 2, "{outcome:?}");
}

#[test]
fn kerno_does_not_accuse_itself() {
    judge("fires-limit-met", |memory| memory.cgroups[0].own = true).is_quiet().does_not_mention("web.service");
}

#[test]
fn totals_are_judged_with_less_confidence_and_gaps_are_never_quiet() {
    let mut totals = window("fires-limit-met");
    totals.snapshot().collectors[0].coverage = Some(Coverage::Fallback);
    assert!(totals.judge::<MemoryPressure>().only_finding().confidence < 0.5);
    let mut lossy = window("quiet-cache");
    lossy.snapshot().collectors[0].lost = 9;
    lossy.judge::<MemoryPressure>().is_not_evaluated();
    let unseen = |memory: &mut Memory| memory.unseen = Some("only kerno's own control group is visible".to_owned());
    judge("quiet-cache", unseen).is_not_evaluated().mentions("only kerno's own");
    // A fact to state must not make a host healthy of which a part was not seen.
    judge("info-steady-heap", unseen).is_not_evaluated().mentions("only kerno's own").mentions("db.service uses 92 %");
    judge("fires-limit-met", unseen).fires(Severity::Warning);
    let mut none = window("quiet-cache");
    none.snapshot().families.memory = None;
    none.judge::<MemoryPressure>().is_not_evaluated();
}
