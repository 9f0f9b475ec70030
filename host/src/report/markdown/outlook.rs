//! An outlook as Markdown, fit to be pasted into an incident.

use super::super::pretty::{
    self, collector_entries, evaluated_entries, not_evaluated_entries, outlook_footer, pace, range, readings, signal_lines, when,
};
use super::super::units::about;
use super::super::{Outlook, OutlookVerdict, Style, text};
use super::{BARS, Page, code, escape, fence, list, prose};
use crate::findings::Severity;
use crate::predict::Prediction;

/// The whole outlook, with a newline at its end. The same for every terminal.
#[must_use]
pub fn markdown_outlook(outlook: &Outlook) -> String {
    let mut page = Page(String::new());
    let verdict = match outlook.verdict {
        OutlookVerdict::Predictions if outlook.predictions.len() == 1 => "1 prediction".to_owned(),
        OutlookVerdict::Predictions => format!("{} predictions", outlook.predictions.len()),
        OutlookVerdict::NoTrend => "no trend".to_owned(),
        OutlookVerdict::InsufficientEvidence => "insufficient evidence".to_owned(),
    };
    page.block(&format!("## kerno predict on {}: {verdict}", escape(&outlook.host.name)));
    let reach = format!("looks {} ahead", about(outlook.window.reach_seconds));
    let facts = pretty::facts(outlook).into_iter().chain([reach, format!("Linux {}", outlook.host.kernel)]);
    page.block(&facts.map(|fact| escape(&fact)).collect::<Vec<_>>().join(" · "));
    for (index, prediction) in outlook.predictions.iter().enumerate() {
        self::prediction(index + 1, prediction, &mut page);
    }
    list("Not evaluated", not_evaluated_entries(outlook), &mut page);
    list("Looked at", evaluated_entries(outlook), &mut page);
    list("Collectors", collector_entries(&outlook.collectors), &mut page);
    page.0
}

fn prediction(number: usize, prediction: &Prediction, page: &mut Page) {
    page.block(&format!("### {number}. {}: {}", when(prediction), escape(&prediction.title)));
    let names = prediction.entity.names.iter().map(|(key, value)| format!("{} {}", escape(key), code(value)));
    page.block(&names.collect::<Vec<_>>().join(" · "));
    let lines = signal_lines(&prediction.signal, "limit", Severity::Warning, BARS, Style::file(false));
    page.block(&fence("text", &lines));
    prose("ETA", &format!("{}.", range(prediction)), page);
    prose("Limit", &format!("{}.", prediction.limit.name), page);
    prose("Pace", &format!("{}.", pace(prediction)), page);
    prose("Read", &format!("{}.", readings(prediction)), page);
    prose("Impact", &prediction.impact, page);
    page.block(&format!("**NOW** {}", escape(&prediction.next.title)));
    let lines: Vec<String> = prediction.next.command.lines().map(|line| text::clean(line, Style::file(false))).collect();
    page.block(&fence("sh", &lines));
    page.block(&escape(&outlook_footer(prediction).join(" · ")));
}
