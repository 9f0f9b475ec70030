//! Reports and checks as JSON, as `schema/report-1.json` and `schema/check-1.json` describe them.

use serde::Serialize;

/// One document on a line of its own.
///
/// # Errors
/// Never for one of finite numbers: every key is a string.
pub fn json_line(report: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string(report).map(|text| text + "\n")
}

/// One document, indented, with a newline at its end.
///
/// # Errors
/// Never for one of finite numbers: every key is a string.
pub fn json(report: &impl Serialize) -> Result<String, serde_json::Error> {
    serde_json::to_string_pretty(report).map(|text| text + "\n")
}
