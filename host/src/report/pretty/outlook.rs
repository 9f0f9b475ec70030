//! An outlook as text for people: the verdict, a box for each prediction, what was looked at and what was not.

use kerno_signals::Coverage;

use super::header::{facts_line, host_facts};
use super::rules::{collector_entries, table};
use super::{Page, finding};
use crate::findings::Severity;
use crate::predict::{Evaluated, LimitKind, NotEvaluated, Prediction};
use crate::report::units::{about, human};
use crate::report::{Outlook, OutlookVerdict, Style, count, human_seconds};

/// The whole outlook, with a newline at its end.
#[must_use]
pub fn pretty_outlook(outlook: &Outlook, style: &Style) -> String {
    let mut page = Page { lines: Vec::new(), style: *style };
    facts_line(&host_facts("predict", &outlook.host), true, &mut page);
    facts_line(&facts(outlook), false, &mut page);
    verdict(outlook, &mut page);
    for (index, prediction) in outlook.predictions.iter().enumerate() {
        self::prediction(index + 1, prediction, &mut page);
    }
    if !outlook.not_evaluated.is_empty() {
        page.gap();
        let heading = page.style.doubt("NOT EVALUATED");
        page.line(&heading);
        table(&not_evaluated_entries(outlook), &mut page);
    }
    let entries = evaluated_entries(outlook);
    if !entries.is_empty() {
        page.heading("Looked at");
        table(&entries, &mut page);
    }
    let entries = collector_entries(&outlook.collectors);
    if !entries.is_empty() {
        page.heading("Collectors");
        table(&entries, &mut page);
    }
    page.lines.join("\n") + "\n"
}

/// When and how often it was looked at.
pub(in crate::report) fn facts(outlook: &Outlook) -> Vec<String> {
    let window = &outlook.window;
    let cut = if window.interrupted { " (interrupted)" } else { "" };
    let start = window.start.replace('T', " ").replace('Z', " UTC");
    let snapshots = if window.snapshots == 1 { "1 snapshot".to_owned() } else { format!("{} snapshots", window.snapshots) };
    vec![format!("{snapshots} in {} from {start}{cut}", human_seconds(window.duration_seconds))]
}

fn verdict(outlook: &Outlook, page: &mut Page) {
    page.gap();
    let style = page.style;
    let reach = about(outlook.window.reach_seconds);
    let (word, painted, text) = match outlook.verdict {
        OutlookVerdict::Predictions => {
            let text = match outlook.predictions.len() {
                1 => format!("1 limit is met within {reach} at this pace"),
                number => format!("{number} limits are met within {reach} at this pace"),
            };
            ("PREDICTIONS", style.warn("PREDICTIONS"), text)
        }
        OutlookVerdict::NoTrend => {
            ("NO TREND", style.good("NO TREND"), format!("nothing that was looked at meets its limit within {reach}"))
        }
        OutlookVerdict::InsufficientEvidence => (
            "INSUFFICIENT EVIDENCE",
            style.doubt("INSUFFICIENT EVIDENCE"),
            "no trend in what could be evaluated; this says nothing about the rest".to_owned(),
        ),
    };
    page.paragraph(&format!("{painted}  "), word.len() + 2, &text);
}

fn prediction(number: usize, prediction: &Prediction, page: &mut Page) {
    page.gap();
    let style = page.style;
    finding::open(&format!("{number} {}", when(prediction).to_uppercase()), Severity::Warning, &prediction.title, page);
    finding::entity(&prediction.entity, page);
    finding::row("", page);
    let against = if prediction.limit.kind == LimitKind::Threshold { "threshold" } else { "limit" };
    for line in super::signal_lines(&prediction.signal, against, Severity::Warning, finding::room(style), style) {
        finding::row(&line, page);
    }
    finding::prose("ETA", &range(prediction), page);
    finding::prose("Limit", &prediction.limit.name, page);
    finding::prose("Pace", &pace(prediction), page);
    finding::prose("Read", &readings(prediction), page);
    finding::prose("Impact", &prediction.impact, page);
    finding::close(&outlook_footer(prediction), page);
    finding::fix(&prediction.next, page);
}

/// `in 3 min 40 s`, or that it is there.
pub(in crate::report) fn when(prediction: &Prediction) -> String {
    if prediction.eta_seconds > 0.0 { format!("in {}", about(prediction.eta_seconds)) } else { "now".to_owned() }
}

/// The same with its interval.
pub(in crate::report) fn range(prediction: &Prediction) -> String {
    if prediction.eta_seconds <= 0.0 {
        return "it is past it".to_owned();
    }
    let (earliest, latest) = (about(prediction.eta_earliest_seconds), about(prediction.eta_latest_seconds));
    if earliest == latest {
        return format!("limit reached {} at this pace", when(prediction));
    }
    format!("limit reached {} at this pace, {earliest} to {latest} by the spread of the readings", when(prediction))
}

/// Growth in a unit of time that keeps it readable.
pub(in crate::report) fn pace(prediction: &Prediction) -> String {
    let growth = &prediction.growth;
    let unit = prediction.signal.unit.as_str();
    // Slow growth reads better by the minute or hour: of what is counted, at least one.
    let (factor, time) = match growth.per_second.abs() {
        small if unit == "count" && small * 60.0 < 1.0 => (3_600.0, "an hour"),
        small if unit == "count" && small >= 1.0 => (1.0, "a second"),
        _ => (60.0, "a minute"),
    };
    let told = |pace: f64| human(pace * factor, unit);
    let (low, high) = (told(growth.low), told(growth.high));
    let spread = if low == high { String::new() } else { format!(" ({low} to {high})") };
    format!("{} {time}{spread}; a straight line explains {} of it", told(growth.per_second), human(growth.fit, "ratio"))
}

/// The values; of many the first and last ones.
pub(in crate::report) fn readings(prediction: &Prediction) -> String {
    const EACH: usize = 4;
    let told: Vec<String> = prediction.readings.iter().map(|reading| human(reading.value, &prediction.signal.unit)).collect();
    match (told.get(..EACH), told.get(told.len().saturating_sub(EACH)..)) {
        (Some(first), Some(last)) if told.len() > 2 * EACH => format!("{}, …, {}", first.join(", "), last.join(", ")),
        _ => told.join(", "),
    }
}

/// Collector, confidence and identity.
pub(in crate::report) fn outlook_footer(prediction: &Prediction) -> Vec<String> {
    let Prediction { collector, confidence, id, .. } = prediction;
    let saw = match prediction.coverage {
        Some(Coverage::Full) | None => String::new(),
        Some(Coverage::Partial) => ", partial coverage".to_owned(),
        Some(Coverage::Fallback) => ", without eBPF".to_owned(),
    };
    vec![format!("collector {collector}{saw}"), format!("confidence {}", human(*confidence, "ratio")), format!("id {id}")]
}

/// Each signal that was not, and why; what several have in common is told of the first.
pub(in crate::report) fn not_evaluated_entries(outlook: &Outlook) -> Vec<(String, String)> {
    let all = &outlook.not_evaluated;
    if let [first, rest @ ..] = all.as_slice()
        && !rest.is_empty()
        && rest.iter().all(|one| one.reason == first.reason)
    {
        return vec![("all of them".to_owned(), first.reason.clone())];
    }
    let told = |(index, one): (usize, &NotEvaluated)| {
        let same = all.iter().take(index).find(|other| other.reason == one.reason);
        (one.signal.to_owned(), same.map_or_else(|| one.reason.clone(), |other| format!("as for {}", other.signal)))
    };
    all.iter().enumerate().map(told).collect()
}

/// Each signal that was looked at, and how many things have it.
pub(in crate::report) fn evaluated_entries(outlook: &Outlook) -> Vec<(String, String)> {
    let told = |one: &Evaluated| {
        let mut parts = vec![match one.series {
            1 => "1 thing with a limit".to_owned(),
            number => format!("{} things with a limit", count(number as u64)),
        }];
        let number = |number: usize, what: &str| (number > 0).then(|| format!("{} {what}", count(number as u64)));
        parts.extend(number(one.distant, "grows, but meets none within reach"));
        parts.extend(number(one.too_few, "with too few readings"));
        (one.signal.to_owned(), parts.join(", "))
    };
    outlook.evaluated.iter().filter(|one| one.series > 0).map(told).collect()
}
