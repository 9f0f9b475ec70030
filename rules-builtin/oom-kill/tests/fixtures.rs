//! Recorded windows that must fire, and that must stay quiet.

use kerno_rule_oom_kill::OomKill;
use kerno_rules_sdk::testing::Window;
use kerno_rules_sdk::{EntityKind, Finding, Severity};

fn window(name: &str) -> Window {
    Window::from_file(format!("{}/fixtures/{name}.json", env!("CARGO_MANIFEST_DIR")))
}

#[test]
fn kills_of_one_group_are_one_finding_that_names_limit_and_victims() {
    let outcome = window("fires-limit").judge::<OomKill>();
    outcome.fires(Severity::Critical);
    let [web, pod] = outcome.findings() else { panic!("{outcome:?}") };
    assert_eq!((web.entity.kind, web.signal.value), (EntityKind::Unit, 2.0));
    assert_eq!(web.title, "2 processes of web.service were killed for lack of memory");
    assert!(web.cause.contains("its own memory limit when web-worker (pid 4130) asked"), "{}", web.cause);
    // The largest first.
    assert_eq!(web.evidence[1].key, "memory of web-worker (pid 4130)");
    assert_eq!((pod.entity.kind, pod.signal.value), (EntityKind::Container, 1.0));
    assert!(pod.cause.contains("the memory limit of kubepods-burstable-pod1.slice when sidecar (pid 5121)"), "{}", pod.cause);
    // Triage reads whose limit it was.
    let of = |finding: &Finding| {
        let told = finding.evidence.iter().filter(|one| one.key.starts_with("kills by the limit of "));
        told.map(|one| (one.key.clone(), one.value)).collect::<Vec<_>>()
    };
    assert_eq!(of(web), [("kills by the limit of /system.slice/web.service".to_owned(), 2.0)]);
    assert!(of(pod)[0].0.ends_with("-pod1.slice"), "{pod:?}");
    outcome.mentions("java (pid 5120)").mentions("systemctl show -p MemoryMax,MemoryCurrent,NRestarts web.service");
}

#[test]
fn a_host_without_memory_is_said_to_be_one() {
    window("fires-host")
        .judge::<OomKill>()
        .fires(Severity::Critical)
        .mentions("postgres (pid 812) of postgresql.service was killed")
        .mentions("The host ran out of memory when batch (pid 77) asked for more")
        .mentions("kills for lack of the host's memory")
        .mentions("oom_score_adj of postgres");
}

#[test]
fn counts_without_names_are_findings_as_well() {
    let outcome = window("fires-counts").judge::<OomKill>();
    let [group, elsewhere] = outcome.findings() else { panic!("{outcome:?}") };
    assert_eq!((group.signal.value, elsewhere.signal.value), (3.0, 2.0));
    assert_eq!((group.entity.kind, elsewhere.entity.kind), (EntityKind::Cgroup, EntityKind::Node));
    outcome.mentions("Whose memory was short was not seen");
    // Names of groups are anybody's choice, and commands are pasted as root.
    assert!(group.fixes.iter().any(|fix| fix.command.contains(r"'/sys/fs/cgroup/jobs/it'\''s $(here)'/memory.max")), "{group:?}");
}

#[test]
fn no_kill_is_quiet_also_without_ebpf_and_never_when_the_collector_was_blind() {
    window("quiet-none").judge::<OomKill>().is_quiet().mentions("no kill");
    let mut counts = window("quiet-none");
    counts.snapshot().collectors[0].coverage = Some(kerno_rules_sdk::testing::snapshot::Coverage::Fallback);
    counts.judge::<OomKill>().is_quiet();
    let mut blind = window("quiet-none");
    blind.snapshot().collectors[0].blind_ratio = 0.5;
    blind.judge::<OomKill>().is_not_evaluated();
    let mut none = window("quiet-none");
    none.snapshot().families.oom = None;
    none.judge::<OomKill>().is_not_evaluated().mentions("oom was not measured");
}

#[test]
fn a_threshold_of_more_kills_is_met_exactly() {
    window("fires-limit").parameter("min_kills", 3.0).judge::<OomKill>().fires(Severity::Critical);
    window("fires-limit").parameter("min_kills", 4.0).judge::<OomKill>().is_quiet().mentions("kills: 3, 4 needed");
}
