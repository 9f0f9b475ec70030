//! The report as JSON, as `schema/report-1.json` describes it.

use super::Report;

/// One document, indented, with a newline at its end.
///
/// # Errors
/// Never for a report of finite numbers: every key is a string.
pub fn json(report: &Report) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(report).map(|text| text + "\n")
}
