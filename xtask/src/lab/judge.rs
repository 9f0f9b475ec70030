//! Compares a report with what a scenario expects of it.

use serde_json::Value;

use super::scenario::{Expect, Severity, Unwanted, Wanted};

/// Why the report is not what was expected; nothing when it is.
pub fn judge(report: &Value, expect: &Expect) -> Vec<String> {
    let mut reasons = Vec::new();
    let Some(findings) = report["findings"].as_array() else {
        return vec!["the report has no list of findings".to_owned()];
    };
    let verdict = report["verdict"].as_str().unwrap_or("none");
    if verdict != expect.verdict {
        reasons.push(format!("the verdict is {verdict}, not {}{}", expect.verdict, evaluated(report)));
    }
    if expect.verdict == "healthy" {
        let loud = findings.iter().filter(|finding| severity(finding) >= Some(Severity::Warning));
        reasons.extend(loud.map(|finding| format!("a false alarm: {}", describe(finding))));
    }
    for wanted in &expect.finding {
        match findings.iter().position(|finding| is_wanted(finding, wanted)) {
            None => reasons.push(format!("missing: {}", describe_wanted(wanted))),
            Some(rank) if wanted.first && rank > 0 => {
                reasons.push(format!("ranked {} instead of first: {}", rank + 1, describe_wanted(wanted)));
            }
            Some(_) => {}
        }
    }
    for unwanted in &expect.absent {
        let there = findings.iter().filter(|finding| is_unwanted(finding, unwanted));
        reasons.extend(there.map(|finding| format!("must not be there: {}", describe(finding))));
    }
    reasons
}

/// A report in a few words.
pub fn summary(report: &Value) -> String {
    let findings = report["findings"].as_array().map(Vec::as_slice).unwrap_or_default();
    let described: Vec<_> = findings.iter().map(describe).collect();
    let verdict = report["verdict"].as_str().unwrap_or("no verdict");
    if described.is_empty() { verdict.to_owned() } else { format!("{verdict}: {}", described.join("; ")) }
}

/// An expectation in a few words.
pub fn expected(expect: &Expect) -> String {
    let wanted: Vec<_> = expect.finding.iter().map(describe_wanted).collect();
    if wanted.is_empty() { expect.verdict.clone() } else { format!("{}: {}", expect.verdict, wanted.join("; ")) }
}

fn is_wanted(finding: &Value, wanted: &Wanted) -> bool {
    finding["rule"] == wanted.rule.as_str()
        && severity(finding) >= Some(wanted.severity)
        && (wanted.kind.is_empty() || wanted.kind.iter().any(|kind| finding["entity"]["kind"] == kind.as_str()))
        && (wanted.any_name.iter().any(|kind| finding["entity"]["kind"] == kind.as_str())
            || wanted.name.iter().all(|pattern| names(finding).any(|name| matches(pattern, name))))
}

fn is_unwanted(finding: &Value, unwanted: &Unwanted) -> bool {
    matches(&unwanted.rule, finding["rule"].as_str().unwrap_or_default())
        && severity(finding) >= Some(unwanted.severity)
        && (unwanted.name.is_empty() || unwanted.name.iter().any(|pattern| names(finding).any(|name| matches(pattern, name))))
}

fn severity(finding: &Value) -> Option<Severity> {
    serde_json::from_value(finding["severity"].clone()).ok()
}

fn names(finding: &Value) -> impl Iterator<Item = &str> {
    finding["entity"]["names"].as_object().into_iter().flat_map(|names| names.values().filter_map(Value::as_str))
}

/// Whether `text` is `pattern`, in which `*` stands for any text.
fn matches(pattern: &str, text: &str) -> bool {
    match pattern.split_once('*') {
        None => pattern == text,
        Some((before, after)) => text
            .strip_prefix(before)
            .is_some_and(|rest| rest.char_indices().map(|(at, _)| &rest[at..]).chain([""]).any(|rest| matches(after, rest))),
    }
}

fn describe(finding: &Value) -> String {
    let text = |value: &Value| value.as_str().unwrap_or("?").to_owned();
    let names: Vec<_> = names(finding).collect();
    let signal = &finding["signal"];
    let (value, unit) = (signal["value"].as_f64().unwrap_or(f64::NAN), text(&signal["unit"]));
    let (rule, severity, kind) = (text(&finding["rule"]), text(&finding["severity"]), text(&finding["entity"]["kind"]));
    format!("{rule} {severity} {kind} {} ({} {value:.4} {unit})", names.join(","), text(&signal["name"]))
}

fn describe_wanted(wanted: &Wanted) -> String {
    let severity = format!("{:?}", wanted.severity).to_lowercase();
    format!("{} ≥{severity} {} {}", wanted.rule, wanted.kind.join("|"), wanted.name.join(",")).trim_end().to_owned()
}

/// The rules that were not evaluated, with their reasons: what an unexpected verdict most often comes from.
fn evaluated(report: &Value) -> String {
    let rules = report["rules"].as_array().map(Vec::as_slice).unwrap_or_default();
    let silent = rules.iter().filter(|rule| rule["status"] == "not_evaluated" || rule["status"] == "failed");
    silent.map(|rule| format!("; {} {}: {}", rule["id"], rule["status"], rule["reason"]).replace('"', "")).collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn expect(text: &str) -> Expect {
        toml::from_str(text).unwrap()
    }

    fn report(severity: &str) -> Value {
        json!({
            "verdict": "findings",
            "findings": [{
                "rule": "disk-io-bottleneck", "severity": severity,
                "entity": { "kind": "mount", "names": { "mount": "/data", "device": "dm-0" } },
                "signal": { "name": "fsync p99", "value": 0.36, "unit": "seconds" },
            }],
            "rules": [],
        })
    }

    const DISK: &str = "verdict = 'findings'\n[[finding]]\nrule = 'disk-io-bottleneck'\nseverity = 'warning'\n\
        kind = ['mount', 'device']\nname = ['/data', 'dm-*']\nfirst = true\n";

    #[test]
    fn the_right_finding_passes() {
        assert_eq!(judge(&report("critical"), &expect(DISK)), Vec::<String>::new());
    }

    #[test]
    fn a_wrong_rule_severity_kind_or_name_is_missing() {
        for (from, to) in [("disk-io", "disk-oi"), ("'mount', ", ""), ("/data", "/other"), ("'warning'", "'critical'")] {
            let text = DISK.replace(from, to).replace(", 'device'", "").replace("'device'", "'remote'");
            let reasons = judge(&report("warning"), &expect(&text));
            assert!(reasons.len() == 1 && reasons[0].starts_with("missing: "), "{to}: {reasons:?}");
        }
    }

    #[test]
    fn only_the_kinds_that_say_so_may_have_any_name() {
        let text = DISK.replace("/data", "/other");
        assert!(judge(&report("warning"), &expect(&format!("{text}any_name = 'mount'\n"))).is_empty());
        assert_eq!(judge(&report("warning"), &expect(&format!("{text}any_name = 'node'\n"))).len(), 1);
    }

    #[test]
    fn a_finding_must_rank_first_where_asked() {
        let mut report = report("warning");
        let other = json!({ "rule": "other", "severity": "critical", "entity": { "kind": "node", "names": {} } });
        report["findings"].as_array_mut().unwrap().insert(0, other);
        let reasons = judge(&report, &expect(DISK));
        assert!(reasons.len() == 1 && reasons[0].starts_with("ranked 2"), "{reasons:?}");
    }

    #[test]
    fn healthy_means_no_finding_at_warning_and_that_very_verdict() {
        let healthy = expect("verdict = 'healthy'\n");
        let mut calm = report("info");
        assert_eq!(judge(&calm, &healthy).len(), 1, "the verdict alone");
        calm["verdict"] = "healthy".into();
        assert_eq!(judge(&calm, &healthy), Vec::<String>::new());
        let mut loud = report("warning");
        loud["verdict"] = "healthy".into();
        assert!(judge(&loud, &healthy)[0].starts_with("a false alarm: disk-io-bottleneck"));
        let blind = json!({ "verdict": "insufficient_evidence", "findings": [],
            "rules": [{ "id": "r", "status": "not_evaluated", "reason": "no BTF" }] });
        assert!(judge(&blind, &healthy)[0].contains("r not_evaluated: no BTF"));
    }

    #[test]
    fn unwanted_findings_are_told() {
        let text = format!("{DISK}[[absent]]\nrule = '*'\nname = 'dm-0'\n");
        assert_eq!(judge(&report("warning"), &expect(&text)).len(), 1);
        assert_eq!(judge(&report("warning"), &expect(&text.replace("'dm-0'", "'dm-1'"))).len(), 0);
    }

    #[test]
    fn something_else_than_a_report_never_passes() {
        assert!(!judge(&json!({ "verdict": "healthy" }), &expect("verdict = 'healthy'\n")).is_empty());
    }

    #[test]
    fn patterns() {
        assert!(matches("*hogs*", "/hogs") && matches("*", "") && matches("a*b*c", "a-b-bc") && matches("ä*", "äx"));
        assert!(!matches("hogs", "/hogs") && !matches("a*b", "abc") && !matches("", "x"));
    }
}
