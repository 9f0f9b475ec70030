//! What configurations say, and every mistake of one with its line.

use super::*;
use crate::engine::Unit;

fn of(text: &str, own_rules: bool) -> (Settings, Book) {
    let mut book = Book::default();
    let settings = read(text, Path::new("/etc/kerno"), own_rules, &mut book);
    (settings, book)
}

fn good(text: &str) -> Settings {
    let (settings, book) = of(text, false);
    assert_eq!((book.errors.as_slice(), book.warnings.as_slice()), (&[][..], &[][..]), "{text}");
    settings
}

/// Line, and what is told of it, of the only mistake.
fn mistake(text: &str) -> (usize, String) {
    let (_, book) = of(text, false);
    let [only] = book.errors.as_slice() else { panic!("{text}: {:#?}", book.errors) };
    (only.line, format!("{}: {}", only.what, only.help))
}

fn value(settings: &Settings, rule: &str, parameter: &str) -> Option<(f64, Option<Unit>)> {
    settings.parameters.get(rule)?.get(parameter).map(|set| (set.quantity.value, set.quantity.unit))
}

#[test]
fn nothing_is_set_by_an_empty_file() {
    for text in ["", "# nothing\n", "doctor:\nrules:\nslos:\n", "doctor: {}\nrules: {params: {}, disabled: []}\nslos: []\n"] {
        let settings = good(text);
        assert!(settings.duration.is_none() && settings.dirs.is_empty() && settings.parameters.is_empty());
        assert!(settings.disabled.is_empty() && settings.objectives.is_empty() && settings.ids.is_empty());
    }
}

#[test]
fn what_is_set_is_read_with_its_unit_and_line() {
    let settings = good(
        "doctor:\n  duration: 1m30s\nrules:\n  disabled: [fd-leak, oom-kill]\n  params:\n    disk-io-bottleneck:\n      \
         fsync_p99_warning: 20ms\n      max_lost: 10%\n      min_samples: 5\n",
    );
    assert_eq!(settings.duration, Some((Duration::from_secs(90), 2)));
    assert_eq!(settings.disabled, BTreeMap::from([("fd-leak".to_owned(), 4), ("oom-kill".to_owned(), 4)]));
    let of_disk = |parameter| value(&settings, "disk-io-bottleneck", parameter);
    assert_eq!(of_disk("fsync_p99_warning"), Some((0.02, Some(Unit::Seconds))));
    assert_eq!(of_disk("max_lost"), Some((0.1, Some(Unit::Ratio))));
    assert_eq!((of_disk("min_samples"), of_disk("read_p99_warning")), (Some((5.0, None)), None));
}

#[test]
fn limits_are_read_within_their_bounds() {
    let settings =
        good("rules:\n  limits:\n    deadline: 50ms\n    memory: 64MiB\n    findings: 8\n    compile: 2s\n    text: 1KiB\n");
    let Limits { deadline, memory, result, findings, module, compile, text } = settings.limits;
    assert_eq!((deadline, memory, result, findings, module), (Duration::from_millis(50), 64 << 20, 256 << 10, 8, 1 << 20));
    assert_eq!((compile, text), (Duration::from_secs(2), 1024));
    let lines = [("deadline", 3), ("memory", 4), ("findings", 5), ("compile", 6), ("text", 7)];
    assert_eq!(settings.limits_set, BTreeMap::from(lines));
    for (limit, expected) in [
        ("deadline: 5m", "from 10ms to 1m"),
        ("deadline: 50", "from 10ms to 1m"),
        ("memory: 64KiB", "from 1MiB to 1GiB"),
        ("findings: 0", "from 1 to 1024"),
        ("findings: 2.5", "from 1 to 1024"),
        ("module: [1]", "from 64KiB to 64MiB"),
        ("deadlin: 50ms", "did you mean deadline?"),
    ] {
        let (line, told) = mistake(&format!("rules:\n  limits:\n    {limit}\n"));
        assert!(line == 3 && told.contains(expected), "{limit}: {told}");
    }
}

#[test]
fn directories_of_rules_lie_beside_the_file() {
    let (settings, book) = of("rules:\n  dirs:\n    - rules\n    - /opt/rules\n", false);
    assert!(book.errors.is_empty());
    assert_eq!(settings.dirs, [("/etc/kerno/rules".into(), 3), ("/opt/rules".into(), 4)]);
}

#[test]
fn the_older_keys_set_the_rules_parameters() {
    let settings = good(
        "doctor:\n  thresholds:\n    syscall_p99_warning_ns: 90000000\n    syscall_p99_critical_ns: 400000000\n    \
         tcp_retransmit_pct: 3.5\n    oom_memory_pct: 85\n    disk_p99_warning_ns: 10000000\n    disk_p99_critical_ns: 60000000\n    \
         sched_delay_warning_ns: 4000000\n    sched_delay_critical_ns: 15000000\n    fd_growth_per_sec: 7.5\n",
    );
    for (rule, parameter, expected) in [
        ("syscall-latency", "p99_warning", 0.09),
        ("syscall-latency", "p99_critical", 0.4),
        ("tcp-retransmit-storm", "retransmit_ratio", 0.035),
        ("oom-imminent", "use_warning", 0.85),
        ("disk-io-bottleneck", "fsync_p99_warning", 0.01),
        ("disk-io-bottleneck", "fsync_p99_critical", 0.06),
        ("disk-io-bottleneck", "write_p99_critical", 0.06),
        ("scheduler-contention", "p99_warning", 0.004),
        ("scheduler-contention", "p99_critical", 0.015),
        ("fd-leak", "growth_warning", 7.5),
    ] {
        let (value, unit) = value(&settings, rule, parameter).unwrap();
        assert!((value - expected).abs() < 1e-12, "{rule} {parameter}: {value}");
        let (_, parameters) = engine::BUILT_IN_PARAMETERS.iter().find(|(id, _)| *id == rule).unwrap();
        let (_, declared) = parameters.iter().find(|(name, _)| *name == parameter).unwrap();
        assert_eq!(Quantity { value, unit }.in_unit(*declared), Ok(value), "{rule} {parameter}");
    }
    assert_eq!(settings.parameters.values().map(BTreeMap::len).sum::<usize>(), 10);
}

#[test]
fn each_mistake_is_told_with_its_line_and_what_to_do() {
    for (text, line, words) in [
        ("doctor:\n  duration: 5s\nrule:\n", 3, "rule is no key of the configuration: did you mean rules?"),
        ("doctor:\n  duraton: 5s\n", 2, "doctor.duraton is no key of the configuration: did you mean duration?"),
        ("doctor:\n  duration: soon\n", 2, "is no duration"),
        ("doctor:\n  duration: 10m\n", 2, "the nearest is doctor.duration: 5m"),
        ("doctor:\n  duration: 30\n", 2, "write doctor.duration: 30s"),
        ("doctor:\n  duration:\n", 2, "is no duration"),
        ("doctor: 5s\n", 1, "doctor is no mapping"),
        ("just words\n", 1, "the configuration is no mapping"),
        ("- a\n", 1, "the configuration is no mapping"),
        ("doctor:\n  thresholds:\n    disk_p99_warning: 5\n", 3, "did you mean disk_p99_warning_ns?"),
        ("doctor:\n  thresholds:\n    disk_p99_warning_ns: 5ms\n", 3, "is no number of nanoseconds"),
        ("doctor:\n  thresholds:\n    tcp_retransmit_pct: -2\n", 3, "is no number of percent"),
        (
            "rules:\n  params:\n    fd_leak:\n      growth_warning: 5\n",
            3,
            "rules.params.fd_leak is the id of no rule: did you mean fd-leak?",
        ),
        ("rules:\n  params:\n    fd-leak:\n      growth: 5\n", 4, "growth is no parameter of that rule: did you mean"),
        ("rules:\n  params:\n    fd-leak:\n      growth_waring: 5\n", 4, "did you mean growth_warning?"),
        ("rules:\n  params:\n    fd-leak:\n      growth_warning: 5ms\n", 4, "cannot be 5ms: a plain number"),
        ("rules:\n  params:\n    fd-leak:\n      growth_warning:\n", 4, "cannot be nothing: a plain number"),
        ("rules:\n  params:\n    fd-leak:\n      min_watched: 50\n", 4, "cannot be 50: a share is written as 2%"),
        ("rules:\n  params:\n    disk-io-bottleneck:\n      read_p99_warning: 0.2\n", 4, "as 50ms"),
        ("rules:\n  params:\n    disk-io-bottleneck:\n      read_p99_warning: -5ms\n", 4, "as 50ms"),
        ("rules:\n  params:\n    disk-io-bottleneck: 5ms\n", 3, "is no mapping"),
        ("rules:\n  disabled: fd-leak\n", 2, "rules.disabled is no list: write rules.disabled as [one, another]"),
        ("rules:\n  disabled: [fd-leek]\n", 2, "rules.disabled names fd-leek, which is the id of no rule: did you mean fd-leak?"),
        ("rules:\n  disabled:\n    - fd-leak\n    -\n", 4, "holds what is no text"),
        ("rules:\n  require_signature: true\n", 2, "rules.trusted_keys has no key: add the public key"),
        ("rules:\n  require_signature: true\n  trusted_keys: []\n", 2, "rules.trusted_keys has no key"),
        (
            "rules:\n  require_signature: true\n  trusted_keys: [no/such.pub]\n",
            3,
            "no/such.pub is no public key, and no file of one",
        ),
        ("rules:\n  trusted_keys: [/dev/zero]\n", 2, "it is no regular file"),
        ("rules:\n  trusted_keys: [/etc/passwd]\n", 2, "it holds no public key of minisign"),
        ("rules:\n  trusted_keys: /etc/site.pub\n", 2, "rules.trusted_keys is no list"),
        ("rules:\n  trusted_keys: [RWSjkrXOyIiamjGkVavW6j]\n", 2, "write the line of the .pub file that begins with RW"),
        ("rules:\n  replaces: [fd-leek]\n", 2, "rules.replaces names fd-leek, which is no built-in rule: did you mean fd-leak?"),
        ("rules:\n  replace: [fd-leak]\n", 2, "rules.replace is no key of the configuration: did you mean replaces?"),
        ("rules:\n  require_signature: maybe\n", 2, "neither true nor false"),
        ("rules:\n  dirs: ['']\n", 2, "names no directory"),
        ("prometheus:\n  adr: ':9090'\n", 2, "prometheus.adr is no key of the configuration: did you mean addr?"),
        ("doctor:\n  duration: 5s\n  duration: 6s\n", 3, "duration is set twice, first in line 2"),
        ("doctor:\n  duration: 5s\n   x: 1\n", 0, "this is not YAML"),
        ("doctor:\n  duration: \"5\u{7}s\n", 0, ""),
    ] {
        let (at, told) = mistake(text);
        assert!(told.contains(words), "{text:?}: {told}");
        assert!(line == 0 || at == line, "{text:?}: line {at}: {told}");
        assert!(!told.chars().any(char::is_control), "{told:?}");
    }
}

#[test]
fn whose_rules_are_used_is_read() {
    const KEY: &str = "RWSjkrXOyIiamjGkVavW6j+EF0zDtMNmOlKeSeJ7UKOt+XiNiLMLwNlR";
    let settings = good(&format!("rules:\n  trusted_keys: [{KEY}]\n  require_signature: true\n"));
    assert_eq!(settings.require_signature, Some((true, 3)));
    assert_eq!(settings.trusted_keys[0].key.id(), "9A9A88C8CEB592A3");
    let config = Config { settings, ..Config::default() };
    let policy = config.policy();
    assert!(policy.require_signature && policy.trusted_keys.len() == 1);
    assert!(!Config { settings: good("rules:\n  require_signature: false\n"), ..Config::default() }.policy().require_signature);
}

#[test]
fn what_is_in_the_place_of_a_built_in_rule_may_have_other_parameters() {
    let text = "rules:\n  params: {fd-leak: {color: 5}}\n  replaces: [fd-leak]\n";
    let settings = good(text);
    assert_eq!(value(&settings, "fd-leak", "color"), Some((5.0, None)));
    assert!(mistake("rules:\n  params: {fd-leak: {color: 5}}\n").1.contains("is no parameter of that rule"));
    let config = Config { settings, ..Config::default() };
    assert!(config.check_replaces(&["fd-leak"], true).is_ok() && config.check_replaces(&[], false).is_ok());
    assert!(config.check_replaces(&["other"], true).is_err());
}

#[test]
fn all_mistakes_are_told_in_the_order_of_the_file() {
    let (_, book) = of("slos:\n  - name: x\nlog_levle: 1\ndoctor:\n  duration: x\nrules:\n  disabled: [x]\n", false);
    let lines: Vec<usize> = book.errors.iter().map(|error| error.line).collect();
    assert_eq!(lines, [2, 3, 5, 7], "{:#?}", book.errors);
}

#[test]
fn what_sets_a_parameter_twice_is_told() {
    let text = "doctor:\n  thresholds:\n    fd_growth_per_sec: 5\nrules:\n  params:\n    fd-leak:\n      growth_warning: 6\n";
    let (line, told) = mistake(text);
    assert_eq!(line, 7);
    assert!(told.contains("sets what doctor.thresholds.fd_growth_per_sec in line 3 sets: growth_warning of fd-leak"), "{told}");
}

#[test]
fn what_has_no_use_yet_is_told_and_no_mistake() {
    let text = "log_level: debug\nlog_format: auto\nprofile: minimal\ncollectors:\n  file_audit: false\n  sched: true\nprometheus: {enabled: \
                true}\nai:\n  temperature: 0.2\nkubernetes:\n  cluster_name: a\nsuppressions:\n  - rule: fd-leak\ndashboard: \
                {enabled: false}\n";
    let (_, book) = of(text, false);
    assert!(book.errors.is_empty(), "{:#?}", book.errors);
    let told: Vec<(usize, &str)> = book.warnings.iter().map(|warning| (warning.line, warning.what.as_str())).collect();
    let keys = [
        (1, "log_level"),
        (2, "log_format"),
        (3, "profile"),
        (4, "collectors"),
        (7, "prometheus"),
        (8, "ai"),
        (10, "kubernetes"),
        (12, "suppressions"),
        (14, "dashboard"),
    ];
    let expected = keys.map(|(line, key)| (line, format!("{key} is not used by this version")));
    assert_eq!(told, expected.iter().map(|(line, text)| (*line, text.as_str())).collect::<Vec<_>>());
}

const SLO: &str =
    "slos:\n  - name: checkout latency\n    text: 99.9 % within 300 ms\n    selector:\n      rule: disk-*\n      mount: /data\n";

#[test]
fn an_objective_is_a_name_a_selector_and_a_text() {
    let settings = good(SLO);
    let (objective, line) = &settings.objectives[0];
    assert_eq!((objective.name.as_str(), objective.text.as_str(), *line), ("checkout latency", "99.9 % within 300 ms", 2));
    assert_eq!(objective.selector.rule, Some(Pattern::new("disk-*")));
    assert_eq!(objective.selector.names, BTreeMap::from([("mount".to_owned(), Pattern::new("/data"))]));
    assert_eq!(good("slos: [{name: a, selector: {pid: 4121}}]\n").objectives[0].0.text, "");
}

#[test]
fn an_objective_that_selects_nothing_is_a_mistake() {
    for (from, to, line, words) in [
        ("disk-*", "disc-io-bottleneck", 5, "the id of no rule: did you mean disk-io-bottleneck?"),
        ("disk-*", "disc-*", 5, "the id of no rule"),
        ("mount: /data", "mout: /data", 6, "mout is nothing that a finding is about: did you mean mount?"),
        ("mount: /data", "process: nginx", 6, "did you mean comm"),
        ("mount: /data", "mount:", 6, "slos[].selector.mount is no text"),
        ("mount: /data", "mount: [/data]", 6, "slos[].selector.mount is no text"),
        ("name: checkout latency\n    text", "text", 2, "has no name"),
        ("text:", "txt:", 3, "slos[].txt is no key of the configuration: did you mean text?"),
        ("selector:\n      rule: disk-*\n      mount: /data\n", "", 2, "has no selector"),
        ("\n      rule: disk-*\n      mount: /data\n", "", 4, "selector is empty"),
        ("checkout latency", "\"\"", 2, "slos[].name is no text"),
        (
            "slos:\n",
            "slos:\n  - {name: checkout latency, selector: {unit: a}}\n",
            3,
            "two entries that are called checkout latency",
        ),
    ] {
        assert!(SLO.contains(from));
        let (at, told) = mistake(&SLO.replacen(from, to, 1));
        assert!(told.contains(words) && at == line, "{to}: line {at}: {told}");
    }
    let long = SLO.replace("checkout", &"x".repeat(300));
    assert!(mistake(&long).1.contains("more than 200 characters"));
    assert!(mistake("slos: {name: a}\n").1.contains("slos is no list"));
}

#[test]
fn names_that_findings_will_have_are_told_to_be_of_no_use_yet() {
    let (settings, book) = of(&SLO.replace("mount: /data", "namespace: shop"), false);
    assert_eq!((settings.objectives.len(), book.errors.len()), (1, 0));
    assert_eq!(book.warnings[0].what, "slos[].selector.namespace is not used by this version");
}

#[test]
fn with_rules_of_ones_own_ids_are_known_only_when_these_are_loaded() {
    let text = "rules:\n  disabled: [mine]\n  params:\n    yours:\n      budget: 5ms\nslos:\n  - name: a\n    selector: {rule: their*, \
                queue: x}\n";
    assert_eq!(of(text, false).1.errors.len(), 4);
    let (settings, book) = of(text, true);
    assert!(book.errors.is_empty(), "{:#?}", book.errors);
    let config = Config { settings, ..Config::default() };
    assert!(config.check_ids(&["mine", "yours", "theirs"], true).is_ok());
    let failure = format!("{:?}", config.check_ids(&["mine", "your", "theirs"], true).unwrap_err());
    assert!(failure.contains("rules.params.yours names yours, which is the id of no rule"), "{failure}");
    assert!(failure.contains("did you mean your?"), "{failure}");
    assert!(config.check_ids(&["mine"], false).is_ok(), "one that did not load may be it");
}
