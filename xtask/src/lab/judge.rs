//! Compares a report with what a scenario expects of it.

use serde_json::Value;

use super::scenario::{Expect, Severity, Unwanted, Wanted};

/// What a report is worth.
#[derive(Debug, Default, PartialEq, Eq)]
pub struct Judgement {
    /// Why the report is not what was expected; nothing when it is.
    pub reasons: Vec<String>,
    /// Faults that are to be found: none in a healthy scenario.
    pub faults: usize,
    /// Those of them that are there, under the right rule and as bad as they are.
    pub found: usize,
    /// Those of them that name who it is about.
    pub right_entity: usize,
    /// Rank of the cause, from 1; `None` when it is not there or none is to be.
    pub rank: Option<usize>,
    /// Findings at warning or above.
    pub loud: usize,
    /// Those of them that are neither wanted nor allowed.
    pub wrong: usize,
}

/// Judges a report.
pub fn judge(report: &Value, expect: &Expect) -> Judgement {
    let mut judgement = Judgement { faults: expect.finding.len(), ..Judgement::default() };
    let Some(findings) = report["findings"].as_array() else {
        judgement.reasons.push("the report has no list of findings".to_owned());
        return judgement;
    };
    let verdict = report["verdict"].as_str().unwrap_or("none");
    if verdict != expect.verdict {
        judgement.reasons.push(format!("the verdict is {verdict}, not {}{}", expect.verdict, evaluated(report)));
    }
    for wanted in &expect.finding {
        let right = findings.iter().position(|finding| is_fault(finding, wanted) && is_about(finding, wanted));
        let there = right.or_else(|| findings.iter().position(|finding| is_fault(finding, wanted)));
        judgement.found += usize::from(there.is_some());
        judgement.right_entity += usize::from(right.is_some());
        let rank = there.map(|index| index + 1);
        if wanted.first {
            judgement.rank = rank;
        }
        match rank {
            None => judgement.reasons.push(format!("missing: {}", describe_wanted(wanted))),
            Some(rank) if right.is_none() => {
                let got = describe(&findings[rank - 1]);
                judgement.reasons.push(format!("about somebody else: {got} instead of {}", describe_wanted(wanted)));
            }
            Some(rank) if wanted.first && rank > 1 => {
                judgement.reasons.push(format!("ranked {rank} instead of first: {}", describe_wanted(wanted)));
            }
            Some(_) => {}
        }
    }
    let loud: Vec<_> = findings.iter().filter(|finding| severity(finding) >= Some(Severity::Warning)).collect();
    let is_right = |finding: &Value| {
        expect.finding.iter().any(|wanted| is_fault(finding, wanted) && is_about(finding, wanted))
            || expect.allowed.iter().any(|allowed| is_of(finding, allowed))
    };
    let wrong: Vec<_> = loud.iter().filter(|finding| !is_right(finding)).collect();
    // One that is amiss in another way is told so alone: its fault may be there under another name.
    if expect.is_healthy() || judgement.reasons.is_empty() {
        judgement.reasons.extend(wrong.iter().map(|finding| format!("a false alarm: {}", describe(finding))));
    }
    (judgement.loud, judgement.wrong) = (loud.len(), wrong.len());
    for unwanted in &expect.absent {
        let there = findings.iter().filter(|finding| is_of(finding, unwanted));
        judgement.reasons.extend(there.map(|finding| format!("must not be there: {}", describe(finding))));
    }
    judgement
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

/// The right rule, and as bad as it is.
fn is_fault(finding: &Value, wanted: &Wanted) -> bool {
    let severity = severity(finding);
    wanted.rule.iter().any(|rule| finding["rule"] == rule.as_str())
        && severity >= Some(wanted.severity)
        && severity <= Some(wanted.at_most)
}

/// The right entity.
fn is_about(finding: &Value, wanted: &Wanted) -> bool {
    (wanted.kind.is_empty() || wanted.kind.iter().any(|kind| finding["entity"]["kind"] == kind.as_str()))
        && (wanted.any_name.iter().any(|kind| finding["entity"]["kind"] == kind.as_str())
            || wanted.name.iter().all(|pattern| names(finding).any(|name| matches_one(pattern, name))))
}

/// One of those that may or must not be there.
fn is_of(finding: &Value, kind: &Unwanted) -> bool {
    matches(&kind.rule, finding["rule"].as_str().unwrap_or_default())
        && severity(finding) >= Some(kind.severity)
        && (kind.name.is_empty() || kind.name.iter().any(|pattern| names(finding).any(|name| matches_one(pattern, name))))
}

fn severity(finding: &Value) -> Option<Severity> {
    serde_json::from_value(finding["severity"].clone()).ok()
}

fn names(finding: &Value) -> impl Iterator<Item = &str> {
    finding["entity"]["names"].as_object().into_iter().flat_map(|names| names.values().filter_map(Value::as_str))
}

/// Whether `text` is one of the patterns that `|` separates.
fn matches_one(patterns: &str, text: &str) -> bool {
    patterns.split('|').any(|pattern| matches(pattern, text))
}

/// Whether `text` is `pattern`, in which `*` stands for any text.
pub fn matches(pattern: &str, text: &str) -> bool {
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
    let sign = if wanted.severity == wanted.at_most { "=" } else { "≥" };
    let rule = wanted.rule.join("|");
    format!("{rule} {sign}{severity} {} {}", wanted.kind.join("|"), wanted.name.join(",")).trim_end().to_owned()
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

    fn reasons(report: &Value, text: &str) -> Vec<String> {
        judge(report, &expect(text)).reasons
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
        assert_eq!(reasons(&report("critical"), DISK), Vec::<String>::new());
    }

    #[test]
    fn a_wrong_rule_or_severity_is_missing_and_a_wrong_entity_is_told() {
        for (from, to, why) in [
            ("disk-io", "disk-oi", "missing: "),
            ("'warning'", "'critical'", "missing: "),
            ("'mount', ", "", "about somebody else: "),
            ("/data", "/other", "about somebody else: "),
        ] {
            let text = DISK.replace(from, to);
            let found = judge(&report("warning"), &expect(&text));
            assert!(found.reasons.len() == 1 && found.reasons[0].starts_with(why), "{to}: {found:?}");
            assert_eq!((found.found, found.right_entity), (usize::from(why.starts_with("about")), 0), "{to}");
            assert_eq!((found.loud, found.wrong), (1, 1), "{to}");
        }
    }

    #[test]
    fn what_is_worse_than_it_is_is_wrong() {
        let text = format!("{DISK}at_most = 'warning'\n");
        assert!(reasons(&report("warning"), &text).is_empty());
        assert_eq!(reasons(&report("critical"), &text).len(), 1);
    }

    #[test]
    fn one_of_several_rules_will_do() {
        let text = DISK.replace("rule = 'disk-io-bottleneck'", "rule = ['other', 'disk-io-bottleneck']");
        assert!(reasons(&report("warning"), &text).is_empty());
    }

    #[test]
    fn only_the_kinds_that_say_so_may_have_any_name() {
        let text = DISK.replace("/data", "/other");
        assert!(reasons(&report("warning"), &format!("{text}any_name = 'mount'\n")).is_empty());
        assert_eq!(reasons(&report("warning"), &format!("{text}any_name = 'node'\n")).len(), 1);
    }

    #[test]
    fn a_finding_must_rank_first_where_asked() {
        let mut report = report("warning");
        let other = json!({ "rule": "other", "severity": "critical", "entity": { "kind": "node", "names": {} } });
        report["findings"].as_array_mut().unwrap().insert(0, other);
        let found = judge(&report, &expect(DISK));
        assert!(found.reasons.len() == 1 && found.reasons[0].starts_with("ranked 2"), "{found:?}");
        assert_eq!((found.rank, found.loud, found.wrong), (Some(2), 2, 1));
        let allowed = judge(&report, &expect(&format!("{DISK}[[allowed]]\nrule = 'o*'\n")));
        assert_eq!((allowed.rank, allowed.loud, allowed.wrong), (Some(2), 2, 0));
    }

    #[test]
    fn healthy_means_no_finding_at_warning_and_that_very_verdict() {
        let healthy = "verdict = 'healthy'\n";
        let mut calm = report("info");
        assert_eq!(reasons(&calm, healthy).len(), 1, "the verdict alone");
        calm["verdict"] = "healthy".into();
        assert_eq!(reasons(&calm, healthy), Vec::<String>::new());
        let mut loud = report("warning");
        loud["verdict"] = "healthy".into();
        assert!(reasons(&loud, healthy)[0].starts_with("a false alarm: disk-io-bottleneck"));
        let blind = json!({ "verdict": "insufficient_evidence", "findings": [],
            "rules": [{ "id": "r", "status": "not_evaluated", "reason": "no BTF" }] });
        assert!(reasons(&blind, healthy)[0].contains("r not_evaluated: no BTF"));
    }

    #[test]
    fn unwanted_findings_are_told() {
        let text = format!("{DISK}[[absent]]\nrule = '*'\nname = 'dm-0'\n");
        assert_eq!(reasons(&report("warning"), &text).len(), 1);
        assert_eq!(reasons(&report("warning"), &text.replace("'dm-0'", "'dm-1'")).len(), 0);
    }

    #[test]
    fn something_else_than_a_report_never_passes() {
        assert!(!reasons(&json!({ "verdict": "healthy" }), "verdict = 'healthy'\n").is_empty());
    }

    #[test]
    fn patterns() {
        assert!(matches("*hogs*", "/hogs") && matches("*", "") && matches("a*b*c", "a-b-bc") && matches("ä*", "äx"));
        assert!(matches_one("x|*hogs*", "/hogs") && matches_one("loads", "loads") && !matches_one("x|y", "x|y"));
        assert!(!matches("hogs", "/hogs") && !matches("a*b", "abc") && !matches("", "x"));
    }
}
