//! Every built-in rule answers the same natively and as the component that ships, on every recorded window.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where it stopped")]

use std::collections::BTreeMap;
use std::fs;
use std::io::Write as _;
use std::path::{Path, PathBuf};

use kerno::artifacts::BUILT_IN_RULES;
use kerno::check::NEEDS;
use kerno::engine::{BUILT_IN_PARAMETERS, Limits, Runtime, Unit};
use kerno::findings::{ENTITY_NAMES, EntityKind, Finding, RuleReport, RuleStatus, Severity, Urgency};
use kerno_rule_cpu_throttling::CpuThrottling;
use kerno_rule_disk_io_bottleneck::DiskIoBottleneck;
use kerno_rule_fd_leak::FdLeak;
use kerno_rule_memory_pressure::MemoryPressure;
use kerno_rule_network_latency::NetworkLatency;
use kerno_rule_oom_imminent::OomImminent;
use kerno_rule_oom_kill::OomKill;
use kerno_rule_scheduler_contention::SchedulerContention;
use kerno_rule_syscall_error_rate::SyscallErrorRate;
use kerno_rule_syscall_latency::SyscallLatency;
use kerno_rule_tcp_retransmit_storm::TcpRetransmitStorm;
use kerno_rule_tcp_rtt_degradation::TcpRttDegradation;
use kerno_rules_sdk::testing::Window;
use kerno_rules_sdk::{Rule, Verdict};
use kerno_signals::{Coverage, Snapshot};

/// A check runs no rule, so it has a list of its own of what they need.
#[test]
fn checks_know_what_each_rule_needs() {
    let said: Vec<(String, Vec<String>)> = described().into_iter().map(|rule| (rule.id, rule.families)).collect();
    let known: Vec<(String, Vec<String>)> =
        NEEDS.iter().map(|(id, needs)| ((*id).to_owned(), needs.iter().map(|family| (*family).to_owned()).collect())).collect();
    assert_eq!(known, said);
    let shipped: Vec<&str> = BUILT_IN_RULES.iter().map(|(id, _)| *id).collect();
    assert_eq!(known.iter().map(|(id, _)| id.as_str()).collect::<Vec<_>>(), shipped);
}

/// Nor does the reader of a configuration, before a window is measured.
#[test]
fn configurations_know_the_parameters_of_each_rule() {
    let unit = |unit| match unit {
        kerno_rules_sdk::Unit::Seconds => Unit::Seconds,
        kerno_rules_sdk::Unit::Ratio => Unit::Ratio,
        kerno_rules_sdk::Unit::Bytes => Unit::Bytes,
        kerno_rules_sdk::Unit::Count => Unit::Count,
    };
    for (rule, (id, known)) in described().into_iter().zip(BUILT_IN_PARAMETERS) {
        let said: Vec<(&str, Unit)> = rule.parameters.iter().map(|one| (one.name.as_str(), unit(one.unit))).collect();
        assert_eq!((rule.id.as_str(), said.as_slice()), (*id, *known), "src/engine/parameters/built_in.rs");
    }
    assert_eq!(described().len(), BUILT_IN_PARAMETERS.len());
}

fn described() -> [kerno_rules_sdk::Description; 12] {
    [
        CpuThrottling::describe(),
        DiskIoBottleneck::describe(),
        FdLeak::describe(),
        MemoryPressure::describe(),
        NetworkLatency::describe(),
        OomImminent::describe(),
        OomKill::describe(),
        SchedulerContention::describe(),
        SyscallErrorRate::describe(),
        SyscallLatency::describe(),
        TcpRetransmitStorm::describe(),
        TcpRttDegradation::describe(),
    ]
}

#[test]
fn cpu_throttling() {
    same_answers::<CpuThrottling>();
}

#[test]
fn disk_io_bottleneck() {
    same_answers::<DiskIoBottleneck>();
}

#[test]
fn fd_leak() {
    same_answers::<FdLeak>();
}

#[test]
fn memory_pressure() {
    same_answers::<MemoryPressure>();
}

#[test]
fn oom_imminent() {
    same_answers::<OomImminent>();
}

#[test]
fn network_latency() {
    same_answers::<NetworkLatency>();
}

#[test]
fn oom_kill() {
    same_answers::<OomKill>();
}

#[test]
fn scheduler_contention() {
    same_answers::<SchedulerContention>();
}

#[test]
fn syscall_error_rate() {
    same_answers::<SyscallErrorRate>();
}

#[test]
fn syscall_latency() {
    same_answers::<SyscallLatency>();
}

#[test]
fn tcp_retransmit_storm() {
    same_answers::<TcpRetransmitStorm>();
}

#[test]
fn tcp_rtt_degradation() {
    same_answers::<TcpRttDegradation>();
}

fn same_answers<R: Rule>() {
    let id = R::describe().id;
    let Some(component) = component(&id) else { return };
    let rules = Runtime::new(&Limits::default()).unwrap().load(&[(&id, Some(component))], &[]).unwrap();
    let mut statuses = BTreeMap::new();
    for path in fixtures(&id) {
        let recorded: Snapshot = serde_json::from_str(&fs::read_to_string(&path).unwrap()).unwrap();
        for (change, window) in variants(&recorded) {
            let of = format!("{} {change}", path.file_stem().unwrap().display());
            let report = rules.judge(&postcard::to_stdvec(&window).unwrap()).unwrap().remove(0);
            assert_eq!((report.id.as_str(), report.source.as_str()), (id.as_str(), "builtin"), "{of}");
            compare(&Window::of(window).judge::<R>().0, &report, &of);
            *statuses.entry(format!("{:?}", report.status)).or_insert(0) += 1;
        }
    }
    let seen: Vec<_> = statuses.keys().map(String::as_str).collect();
    assert_eq!(seen, ["Fired", "NotEvaluated", "Quiet"], "the recorded windows do not cover all verdicts: {statuses:?}");
}

/// The component that was built in. Without one there is nothing to compare, which must not go unseen.
fn component(id: &str) -> Option<&'static [u8]> {
    let (_, component) = BUILT_IN_RULES.iter().find(|(built_in, _)| *built_in == id).unwrap();
    if component.is_none() {
        assert!(std::env::var_os("KERNO_REQUIRE_ARTIFACTS").is_none(), "the component of {id} was not built in");
        // Past the capture of tests that pass.
        let _ = writeln!(std::io::stderr(), "SKIPPED: {id} as a component: it was not built in; run `cargo xtask build` first");
    }
    *component
}

fn fixtures(id: &str) -> Vec<PathBuf> {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules-builtin").join(id).join("fixtures");
    let mut paths: Vec<_> = fs::read_dir(directory).unwrap().map(|entry| entry.unwrap().path()).collect();
    paths.sort();
    assert!(paths.len() >= 4, "{paths:?}");
    paths
}

/// The window as recorded, and as less able collectors would have recorded it.
fn variants(recorded: &Snapshot) -> [(&'static str, Snapshot); 3] {
    let [mut averages, mut lossy] = [recorded.clone(), recorded.clone()];
    for collector in &mut averages.collectors {
        collector.coverage = Some(Coverage::Fallback);
        collector.source = "/proc".into();
    }
    for collector in &mut lossy.collectors {
        collector.lost = collector.events.max(1_000);
    }
    [("as recorded", recorded.clone()), ("with averages only", averages), ("with losses", lossy)]
}

fn compare(native: &Result<Verdict, String>, component: &RuleReport, of: &str) {
    let reason = component.reason.as_deref();
    match native {
        Ok(Verdict::Fired(findings)) => {
            assert_eq!((component.status, reason), (RuleStatus::Fired, None), "{of}");
            assert_eq!(findings.len(), component.findings.len(), "{of}");
            for (native, component) in findings.iter().zip(&component.findings) {
                compare_finding(native, component, of);
            }
        }
        Ok(Verdict::Quiet(why)) => assert_eq!((component.status, reason), (RuleStatus::Quiet, Some(why.as_str())), "{of}"),
        Ok(Verdict::NotEvaluated(why)) => {
            assert_eq!((component.status, reason), (RuleStatus::NotEvaluated, Some(why.as_str())), "{of}");
        }
        Err(why) => panic!("{of}: the rule failed natively: {why}"),
    }
}

fn compare_finding(native: &kerno_rules_sdk::Finding, component: &Finding, of: &str) {
    assert_eq!(severity(native.severity), component.severity, "{of}");
    assert_eq!(native.title, component.title, "{of}");
    assert_eq!(kind(native.entity.kind), component.entity.kind, "{of}");
    let names: BTreeMap<_, _> = native.entity.names.iter().map(|name| (name.key.clone(), name.value.clone())).collect();
    assert_eq!(names, component.entity.names, "{of}");
    let stranger = names.keys().find(|name| !ENTITY_NAMES.contains(&name.as_str()));
    assert_eq!(stranger, None, "{of}: no objective can select it: add it to ENTITY_NAMES");
    let (ours, theirs) = (&native.signal, &component.signal);
    assert_eq!(
        (&ours.name, ours.value, ours.threshold, &ours.unit),
        (&theirs.name, theirs.value, theirs.threshold, &theirs.unit)
    );
    assert_eq!((&native.cause, &native.impact), (&component.cause, &component.impact), "{of}");
    let ours: Vec<_> = native.evidence.iter().map(|one| (&one.key, one.value, &one.unit)).collect();
    let theirs: Vec<_> = component.evidence.iter().map(|one| (&one.key, one.value, &one.unit)).collect();
    assert_eq!(ours, theirs, "{of}");
    let ours: Vec<_> = native.fixes.iter().map(|fix| (urgency(fix.when), &fix.title, &fix.command)).collect();
    let theirs: Vec<_> = component.fixes.iter().map(|fix| (fix.when, &fix.title, &fix.command)).collect();
    assert_eq!(ours, theirs, "{of}");
    assert_eq!((native.eta_seconds, native.confidence), (component.eta_seconds, component.confidence), "{of}");
}

fn severity(severity: kerno_rules_sdk::Severity) -> Severity {
    match severity {
        kerno_rules_sdk::Severity::Info => Severity::Info,
        kerno_rules_sdk::Severity::Warning => Severity::Warning,
        kerno_rules_sdk::Severity::Critical => Severity::Critical,
    }
}

fn urgency(urgency: kerno_rules_sdk::Urgency) -> Urgency {
    match urgency {
        kerno_rules_sdk::Urgency::Now => Urgency::Now,
        kerno_rules_sdk::Urgency::WithinFiveMinutes => Urgency::FiveMinutes,
        kerno_rules_sdk::Urgency::Later => Urgency::Later,
    }
}

fn kind(kind: kerno_rules_sdk::EntityKind) -> EntityKind {
    use kerno_rules_sdk::EntityKind as Native;
    match kind {
        Native::Node => EntityKind::Node,
        Native::Pod => EntityKind::Pod,
        Native::Container => EntityKind::Container,
        Native::Unit => EntityKind::Unit,
        Native::Cgroup => EntityKind::Cgroup,
        Native::Process => EntityKind::Process,
        Native::Device => EntityKind::Device,
        Native::Mount => EntityKind::Mount,
        Native::NetworkInterface => EntityKind::NetworkInterface,
        Native::Remote => EntityKind::Remote,
    }
}
