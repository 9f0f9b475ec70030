//! The reports that are tested.

use std::collections::BTreeMap;

use kerno::findings::{
    BUILT_IN_SOURCE, Entity, EntityKind, Evidence, Finding, Fix, Objective, Pattern, RuleReport, RuleStatus, Selector, Severity,
    Signal, Urgency, id,
};
use kerno::report::Report;
use kerno_signals::{CollectorReport, CollectorStatus, Coverage, Environment, Families, Host, Snapshot, THEN, Window};

/// Every constructed report by name.
pub fn all() -> Vec<(&'static str, Report)> {
    vec![
        ("healthy", healthy()),
        ("findings", findings()),
        ("insufficient", insufficient()),
        ("failed-rules", failed_rules()),
        ("interrupted", interrupted()),
        ("hostile-names", hostile_names()),
        ("linked", linked()),
        ("burning", burning()),
    ]
}

pub fn healthy() -> Report {
    Report::new(&snapshot(full()), quiet_rules())
}

pub fn findings() -> Report {
    let fsync = fsync_finding();
    let rules =
        vec![fired("disk-io-bottleneck", vec![fsync]), fired("scheduler-contention", vec![run_queue_finding(Severity::Warning)])];
    Report::new(&snapshot(full()), rules)
}

/// Two faults that several rules see, a slow disk and the fsyncs on it, memory that grows until a process is killed; and a fact.
pub fn linked() -> Report {
    let group = |kind, path: &str, unit: &str| Entity { kind, names: names(&[("cgroup", path), ("unit", unit)]) };
    let about = |rule: &str, severity, entity: Entity, title: &str, signal: (&str, f64, f64, &str)| Finding {
        id: id(rule, &entity),
        rule: rule.into(),
        severity,
        title: title.into(),
        signal: Signal { name: signal.0.into(), value: signal.1, threshold: signal.2, unit: signal.3.into() },
        entity,
        evidence: Vec::new(),
        fixes: Vec::new(),
        eta_seconds: None,
        cause: format!("What {rule} thinks of it by itself."),
        impact: "Its users wait.".into(),
        collector: "memory".into(),
        ..run_queue_finding(severity)
    };
    let db = || group(EntityKind::Unit, "/system.slice/db.service", "db.service");
    let api = || group(EntityKind::Unit, "/system.slice/api.service", "api.service");
    let call = Finding {
        evidence: evidence(&[("longest fdatasync of postgres (pid 4121)", 0.312, "seconds")]),
        collector: "syscall".into(),
        fixes: vec![fix(Urgency::Now, "See which of its calls take long", "timeout 10 strace -f -T -p 4121")],
        ..about(
            "syscall-latency",
            Severity::Warning,
            db(),
            "fdatasync of db.service takes long: p99 312 ms of 1,204",
            ("fdatasync p99", 0.312, 0.1, "seconds"),
        )
    };
    let growth = Finding {
        eta_seconds: Some(90.0),
        fixes: vec![fix(Urgency::Now, "See who uses memory now", "ps -eo pid,rss,comm --sort=-rss | head")],
        ..about(
            "oom-imminent",
            Severity::Warning,
            api(),
            "api.service meets its memory limit in about 90 s: 94 % used, growing by 8 MiB/s",
            ("memory used of the limit", 0.94, 0.9, "ratio"),
        )
    };
    let pressure = about(
        "memory-pressure",
        Severity::Warning,
        api(),
        "api.service is short of memory: 94 % of its memory limit in use, tasks wait for it 12 % of the time",
        ("memory used of the limit", 0.94, 0.9, "ratio"),
    );
    let kill = Finding {
        fixes: vec![
            fix(Urgency::Now, "See what the kernel says of it", "dmesg -T | grep -iE 'killed process|oom-kill' | tail"),
            fix(Urgency::Now, "See who uses memory now", "ps -eo pid,rss,comm --sort=-rss | head"),
        ],
        ..about(
            "oom-kill",
            Severity::Critical,
            api(),
            "api (pid 901) of api.service was killed for lack of memory",
            ("OOM kills", 1.0, 1.0, "count"),
        )
    };
    let web = group(EntityKind::Unit, "/system.slice/web.service", "web.service");
    let alone = about(
        "scheduler-contention",
        Severity::Info,
        web,
        "web.service waits 5.1 ms for a CPU",
        ("run-queue delay p99", 0.0051, 0.005, "seconds"),
    );
    let rules = [call, growth, pressure, kill, alone, fsync_finding()];
    let rules = rules.into_iter().map(|finding| fired(&finding.rule.clone(), vec![finding]));
    Report::new(&snapshot(full()), rules.collect())
}

/// The worse of two findings burns two objectives.
pub fn burning() -> Report {
    let objective = |name: &str, text: &str, key: &str, pattern: &str| Objective {
        name: name.into(),
        text: text.into(),
        selector: Selector { rule: None, names: [(key.to_owned(), Pattern::new(pattern))].into() },
    };
    let mut report = findings();
    report.mark(&[
        objective("checkout latency", "99.9 % of checkouts within 300 ms, over 28 days", "mount", "/var/lib/*"),
        objective("backups", "", "device", "nvme0n1"),
        objective("search", "half of all answers within 50 ms", "unit", "search.service"),
    ]);
    report
}

pub fn insufficient() -> Report {
    let mut rules = quiet_rules();
    rules[1].status = RuleStatus::NotEvaluated;
    rules[1].reason = Some("run-queue delay has averages only (/proc/schedstat); a p99 is needed".into());
    rules[0].status = RuleStatus::NotEvaluated;
    rules[0].reason = Some("fsync was not measured; averages of /proc/diskstats have no p99".into());
    let reason = "this kernel was built without tracing support for eBPF (CONFIG_BPF_EVENTS)";
    let collector = |name: &str, source: &str, events| CollectorReport {
        name: name.into(),
        status: CollectorStatus::Degraded,
        coverage: Some(Coverage::Fallback),
        source: source.into(),
        reason: Some(reason.into()),
        fix: Some("boot a kernel with CONFIG_BPF_EVENTS=y, as every distribution's stock kernel has".into()),
        events,
        lost: 0,
        blind_ratio: 0.0,
    };
    let sched = collector("sched", "/proc/schedstat, /proc/<pid>/schedstat", 48_211);
    let tcp = CollectorReport {
        reason: Some("this kernel has no typed tracepoints; sock_diag cannot be loaded".into()),
        fix: sched.fix.clone().map(|fix| fix + THEN + "modprobe tcp_diag"),
        ..collector("tcp", "/proc/<pid>/net/{snmp,netstat}", 12)
    };
    let collectors = vec![sched, collector("block", "/proc/diskstats", 310), tcp];
    Report::new(&snapshot(collectors), rules)
}

pub fn failed_rules() -> Report {
    let mut rules = quiet_rules();
    let failed = |id: &str, reason: &str| RuleReport {
        id: id.into(),
        version: None,
        source: format!("/etc/kerno/rules/{id}.wasm"),
        status: RuleStatus::Failed,
        reason: Some(reason.into()),
        findings: Vec::new(),
    };
    rules.push(failed("loops", "it ran for 250 ms and was stopped; make it cheaper or ask for fewer rows"));
    rules.push(failed("not-a-component", "the file is no WebAssembly component; build it with cargo xtask rule"));
    let mut collectors = full();
    collectors[0].lost = 1_204;
    collectors[0].coverage = Some(Coverage::Partial);
    collectors[0].status = CollectorStatus::Degraded;
    collectors[0].reason = Some("the table of control groups was full".into());
    Report::new(&snapshot(collectors), rules)
}

pub fn interrupted() -> Report {
    let mut snapshot = snapshot(full());
    snapshot.window = Window { interrupted: true, duration_ns: 1_240_000_000, ..snapshot.window };
    let mut report = Report::new(
        &snapshot,
        vec![fired("scheduler-contention", vec![run_queue_finding(Severity::Warning)]), quiet_rules().swap_remove(0)],
    );
    report.only_critical();
    report
}

/// A process that has named itself to steer the terminal, and a path that is long and not ASCII.
pub fn hostile_names() -> Report {
    let mut finding = run_queue_finding(Severity::Critical);
    finding.entity.names.insert("comm".into(), "\u{1b}[2J\u{1b}]0;owned\u{7}sh\n┌─ HEALTHY".into());
    finding.entity.names.insert(
        "cgroup".into(),
        format!("/kubepods.slice/kubepods-burstable.slice/kubepods-burstable-pod{}.slice/größe", "0123456789abcdef".repeat(4)),
    );
    finding.id = id(&finding.rule, &finding.entity);
    finding.cause = "p99 ≥ 20 ms → waits\u{202e}".into();
    Report::new(&snapshot(full()), vec![fired("scheduler-contention", vec![finding]), quiet_rules().swap_remove(0)])
}

pub fn snapshot(collectors: Vec<CollectorReport>) -> Snapshot {
    Snapshot {
        host: Host {
            name: "web-7".into(),
            kernel: "6.12.57+deb13-cloud-amd64".into(),
            arch: "x86_64".into(),
            cpus: 4,
            memory_bytes: 16 << 30,
            environment: Environment::Systemd,
            cluster: Some("eu-1".into()),
            steal_ratio: Some(0.0),
            cpu_pressure_ratio: Some(0.12),
        },
        window: Window { start_unix_ns: 1_795_234_428_250_000_000, duration_ns: 30_002_000_000, interrupted: false },
        collectors,
        families: Families::default(),
        processes: vec![],
    }
}

pub fn full() -> Vec<CollectorReport> {
    let collector = |name: &str, events| CollectorReport {
        name: name.into(),
        status: CollectorStatus::Running,
        coverage: Some(Coverage::Full),
        source: "eBPF".into(),
        reason: None,
        fix: None,
        events,
        lost: 0,
        blind_ratio: 0.0,
    };
    vec![collector("sched", 1_204_331), collector("block", 20_418)]
}

fn quiet_rules() -> Vec<RuleReport> {
    let quiet = |id: &str, reason: &str| RuleReport {
        id: id.into(),
        version: Some("1.0.0".into()),
        source: BUILT_IN_SOURCE.into(),
        status: RuleStatus::Quiet,
        reason: Some(reason.into()),
        findings: Vec::new(),
    };
    vec![
        quiet("disk-io-bottleneck", "12 fsyncs, 20 needed; write p99 1.3 ms of 20,406, threshold 200 ms"),
        quiet("scheduler-contention", "p99 0.8 ms of 12,044 waits, threshold 5 ms"),
    ]
}

fn fired(id: &str, findings: Vec<Finding>) -> RuleReport {
    RuleReport {
        id: id.into(),
        version: Some("1.0.0".into()),
        source: BUILT_IN_SOURCE.into(),
        status: RuleStatus::Fired,
        reason: None,
        findings,
    }
}

fn names(names: &[(&str, &str)]) -> BTreeMap<String, String> {
    names.iter().map(|(key, value)| ((*key).into(), (*value).into())).collect()
}

fn evidence(rows: &[(&str, f64, &str)]) -> Vec<Evidence> {
    rows.iter().map(|(key, value, unit)| Evidence { key: (*key).into(), value: *value, unit: (*unit).into() }).collect()
}

fn fix(when: Urgency, title: &str, command: &str) -> Fix {
    Fix { when, title: title.into(), command: command.into() }
}

fn fsync_finding() -> Finding {
    let entity = Entity {
        kind: EntityKind::Mount,
        names: names(&[("device", "nvme0n1"), ("file_system", "ext4"), ("mount", "/var/lib/postgresql")]),
    };
    Finding {
        id: id("disk-io-bottleneck", &entity),
        rule: "disk-io-bottleneck".into(),
        severity: Severity::Critical,
        title: "fsync on /var/lib/postgresql takes 312 ms".into(),
        entity,
        signal: Signal { name: "fsync p99".into(), value: 0.312, threshold: 0.05, unit: "seconds".into() },
        cause: "The device nvme0n1 itself is slow: its writes have a p99 of 298 ms from issue to completion, so the wait is \
                below the file system."
            .into(),
        impact: "postgres (PID 4121) waits 312 ms for a commit in 1 of 100 cases; whoever waits for it waits as long.".into(),
        evidence: evidence(&[
            ("fsync calls", 1_204.0, "count"),
            ("fsync p50", 0.0801, "seconds"),
            ("write p99 of nvme0n1", 0.298, "seconds"),
            ("written to nvme0n1", 1_288_490_189.0, "bytes"),
            ("share of postgres", 0.93, "ratio"),
        ]),
        fixes: vec![
            fix(Urgency::Now, "See who writes most", "iotop -obn1 -d 5"),
            fix(
                Urgency::FiveMinutes,
                "Take the largest background writer out of the way",
                "systemctl set-property --runtime backup-nightly.service IOWeight=10 \
                 IOWriteBandwidthMax='/dev/nvme0n1 20M' IOReadBandwidthMax='/dev/nvme0n1 20M'",
            ),
            fix(Urgency::Later, "Check the device's health", "nvme smart-log /dev/nvme0n1"),
        ],
        eta_seconds: None,
        first_seen: None,
        last_seen: None,
        confidence: 1.0,
        consequences: Vec::new(),
        collector: "block".into(),
        coverage: Some(Coverage::Full),
        slo: None,
        suppressed: None,
    }
}

fn run_queue_finding(severity: Severity) -> Finding {
    let entity =
        Entity { kind: EntityKind::Unit, names: names(&[("cgroup", "/system.slice/api.service"), ("unit", "api.service")]) };
    Finding {
        id: id("scheduler-contention", &entity),
        rule: "scheduler-contention".into(),
        severity,
        title: "api.service waits 8.3 ms for a CPU".into(),
        entity,
        signal: Signal { name: "run-queue delay p99".into(), value: 0.0083, threshold: 0.005, unit: "seconds".into() },
        cause: "More tasks want to run than there are CPUs: stress (PID 901) used 3.6 of 4 CPUs.".into(),
        impact: "1 of 100 wake-ups of api.service comes 8.3 ms late.".into(),
        evidence: evidence(&[
            ("waits", 12_044.0, "count"),
            ("run-queue delay p50", 0.000_064, "seconds"),
            ("CPU time of stress", 108.2, "seconds"),
        ]),
        fixes: vec![fix(Urgency::Now, "Lower the priority of stress", "renice -n 15 -p 901")],
        eta_seconds: Some(900.0),
        first_seen: None,
        last_seen: None,
        confidence: 0.95,
        consequences: Vec::new(),
        collector: "sched".into(),
        coverage: Some(Coverage::Full),
        slo: None,
        suppressed: None,
    }
}
