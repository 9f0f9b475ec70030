//! How rules are told to people.

use super::Listed;
use crate::bundle::Policy;
use crate::cli::running::State;
use crate::engine::{Bench, Cost, Described, Limits, OfBundle, RUNS, quantity};
use crate::findings::{Finding, RuleReport, RuleStatus};
use crate::report::{human, human_seconds};

/// So much of a digest tells one file from another.
const DIGEST: usize = 12;

/// One line a rule, and the reasons of those that did not load; where a kerno goes on measuring, what it said of them last.
pub(super) fn list(all: &[Listed<'_>], state: Option<&State>) -> String {
    let mut rows = vec![["RULE", "VERSION", "STATUS", "EVALUATED", "SHA-256", "SOURCE"].map(str::to_owned)];
    rows.extend(all.iter().map(|Listed { rule, running }| {
        let version = rule.about.as_ref().map_or("-", |about| about.version.as_str());
        let digest = rule.component.as_ref().map_or("-", |component| &component.sha256[..DIGEST]);
        let evaluated = running.as_ref().and_then(|running| running.evaluated.as_deref()).unwrap_or("-");
        [&rule.id, version, status(rule), evaluated, digest, &rule.source].map(str::to_owned)
    }));
    let mut text = table(&rows);
    for Listed { rule, .. } in all {
        if let Some(reason) = &rule.reason {
            text += &format!("\n{}: {reason}\n", rule.id);
        }
    }
    if let Some(state) = state {
        let generation = state.generation.map_or_else(String::new, |number| format!(", generation {number} of its rules"));
        text += &format!("\nkerno runs as process {}{generation}.\n", state.pid);
        let is_listed = |id: &str, source: &str| all.iter().any(|listed| listed.rule.id == id && listed.rule.source == source);
        let failed = state.failed_besides(&is_listed).map(|(id, why)| format!("\n{}: failed there: {}\n", clean(id), clean(why)));
        text.extend(failed);
        text.extend(state.kept().map(|(id, why)| format!("\n{}: {}\n", clean(id), clean(why))));
        for (rule, running) in all.iter().filter_map(|listed| Some((listed.rule, listed.running.as_ref()?))) {
            let fails = running.status == RuleStatus::Failed && rule.about.is_some();
            if let (true, Some(reason)) = (fails, &running.reason) {
                text += &format!("\n{}: {}: {}\n", rule.id, running.status.as_str(), clean(reason));
            }
        }
    }
    text
}

/// All that is known of one.
pub(super) fn inspect(rule: &Described) -> String {
    let mut facts: Vec<[String; 2]> = vec![["rule".into(), rule.id.clone()], ["source".into(), rule.source.clone()]];
    let mut fact = |key: &str, value: String| facts.push([key.to_owned(), value]);
    fact("status", status(rule).to_owned());
    if let Some(component) = &rule.component {
        fact("size", format!("{} bytes", component.size));
        fact("sha256", component.sha256.clone());
    }
    if let Some(OfBundle { name, revision, signed_by, .. }) = rule.bundle.as_deref() {
        let signed = signed_by.as_ref().map_or_else(String::new, |key| format!(", signed with the key {key}"));
        fact("bundle", format!("{name}, revision {revision}{signed}"));
    }
    if let Some(reason) = &rule.reason {
        fact("reason", reason.clone());
    }
    if let Some(about) = &rule.about {
        fact("title", about.title.clone());
        fact("version", about.version.clone());
        fact("severity", about.severity.as_str().to_owned());
        fact("families", about.families.join(", "));
        for (number, import) in about.imports.iter().enumerate() {
            fact(if number == 0 { "imports" } else { "" }, import.clone());
        }
        for (number, parameter) in about.parameters.iter().enumerate() {
            let value = quantity::write(parameter.value, parameter.unit);
            let description = &parameter.description;
            fact(if number == 0 { "parameters" } else { "" }, format!("{}: {value}  # {description}", parameter.name));
        }
    }
    table(&facts)
}

/// One line a bundle, and one a file.
pub(super) fn verify(files: &[&Described], policy: &Policy) -> String {
    let mut bundles: Vec<String> = files.iter().filter_map(|rule| Some(of_bundle(rule.bundle.as_deref()?, policy))).collect();
    bundles.dedup();
    let line = |rule: &&Described| match (&rule.reason, &rule.about) {
        (_, Some(about)) => format!("{}: loads as {} {}\n", rule.source, rule.id, about.version),
        (reason, None) => format!("{}: does not load: {}\n", rule.source, reason.as_deref().unwrap_or_default()),
    };
    bundles.into_iter().chain(files.iter().map(line)).collect()
}

fn of_bundle(OfBundle { name, revision, signed_by, .. }: &OfBundle, policy: &Policy) -> String {
    let signed = match signed_by {
        Some(key) => format!("signed with the trusted key {key}"),
        None if policy.trusted_keys.is_empty() => "signatures not looked at, no key is trusted (rules.trusted_keys)".to_owned(),
        None => "not signed".to_owned(),
    };
    format!("bundle {name}, revision {revision}: {signed}\n")
}

/// One line a rule, the limits they are under, and the reasons of those without a cost.
pub(super) fn bench(all: &[Bench], limits: &Limits) -> String {
    let mut rows = vec![["RULE", "STATUS", "COMPILE", "INSTANCE", "EVALUATE", "P99", "MEMORY"].map(str::to_owned)];
    rows.extend(all.iter().filter_map(|bench| {
        let Cost { compile, instantiate, evaluate, memory, status } = bench.cost.as_ref()?;
        let times = [*compile, instantiate.p50, evaluate.p50, evaluate.p99].map(human_seconds);
        let [compile, instance, evaluate, p99] = times;
        let status = status.as_str().to_owned();
        Some([bench.id.clone(), status, compile, instance, evaluate, p99, human(*memory as f64, "bytes")])
    }));
    let Limits { deadline, memory, result, findings, module, compile, text: longest } = limits;
    let mut text = table(&rows);
    text += &format!(
        "\n{RUNS} runs; an evaluation includes its instance. Limits: {} of CPU time a call, {} of memory, {} of results,\n\
         {findings} findings with texts of {}, {} a file, {} to compile it.\n",
        human_seconds(deadline.as_secs_f64()),
        human(*memory as f64, "bytes"),
        human(*result as f64, "bytes"),
        human(*longest as f64, "bytes"),
        human(*module as f64, "bytes"),
        human_seconds(compile.as_secs_f64())
    );
    text.extend(all.iter().filter_map(|bench| Some(format!("\n{}: {}\n", clean(&bench.id), clean(bench.reason.as_ref()?)))));
    text
}

/// What one rule said of a window.
pub(super) fn report(report: &RuleReport) -> String {
    let mut text = format!("{}: {}\n", report.id, report.status.as_str());
    if let Some(reason) = &report.reason {
        text += &format!("  {reason}\n");
    }
    text.extend(report.findings.iter().map(finding));
    text
}

fn finding(finding: &Finding) -> String {
    let mut text = format!("\n{}: {}\n", finding.severity.as_str(), finding.title);
    let names: Vec<String> = finding.entity.names.iter().map(|(key, value)| format!("{key} {value}")).collect();
    let signal = &finding.signal;
    let mut facts = vec![
        ["entity".to_owned(), names.join(", ")],
        ["signal".to_owned(), format!("{} {} {}, threshold {}", signal.name, signal.value, signal.unit, signal.threshold)],
        ["cause".to_owned(), finding.cause.clone()],
        ["impact".to_owned(), finding.impact.clone()],
        ["confidence".to_owned(), finding.confidence.to_string()],
    ];
    facts.extend(finding.evidence.iter().map(|one| ["evidence".to_owned(), format!("{} {} {}", one.key, one.value, one.unit)]));
    facts.extend(finding.fixes.iter().map(|fix| ["fix".to_owned(), format!("{}: {}", fix.title, fix.command)]));
    for line in table(&facts).lines() {
        text += &format!("  {line}\n");
    }
    text
}

fn status(rule: &Described) -> &'static str {
    match (rule.disabled, &rule.about) {
        (true, _) => "disabled",
        (false, Some(_)) => "ready",
        (false, None) => "failed",
    }
}

/// Rules and processes choose their own names: none may move the cursor.
fn clean(text: &str) -> String {
    text.chars().map(|c| if c.is_control() { char::REPLACEMENT_CHARACTER } else { c }).collect()
}

/// Columns as wide as what stands in them; the last one is open.
fn table<const N: usize>(rows: &[[String; N]]) -> String {
    let mut widths = [0; N];
    for row in rows {
        for (width, cell) in widths.iter_mut().zip(row) {
            *width = cell.chars().count().max(*width);
        }
    }
    let mut text = String::new();
    for row in rows {
        let mut line = String::new();
        for (cell, width) in row.iter().zip(widths) {
            line += &format!("{}{}  ", clean(cell), " ".repeat(width - cell.chars().count()));
        }
        text += line.trim_end();
        text.push('\n');
    }
    text
}
