//! Bytes as what kerno and the process that judges say to each other: read by either side, and what people would be shown of it.

use kerno::engine::{Limits, printable};
use kerno::judge::{replies_of, requests_of};
use serde_json::Value;

/// Whether there is a message in them.
pub fn run(bytes: &[u8]) -> bool {
    let limits = Limits::default();
    let requests = requests_of(bytes);
    assert!(requests_of(&requests) == requests, "what it asks is not written as it is read");
    let (replies, shown) = replies_of(bytes, &limits);
    assert!(replies_of(&replies, &limits).0 == replies, "what it answers is not written as it is read");
    shown.iter().for_each(is_fit_to_be_shown);
    !requests.is_empty() || !replies.is_empty()
}

/// No terminal obeys it.
fn is_fit_to_be_shown(value: &Value) {
    match value {
        Value::String(text) => assert!(printable(text.clone()) == *text, "{text:?}"),
        Value::Array(all) => all.iter().for_each(is_fit_to_be_shown),
        Value::Object(all) => all.iter().for_each(|(key, value)| {
            assert!(printable(key.clone()) == *key, "{key:?}");
            is_fit_to_be_shown(value);
        }),
        Value::Null | Value::Bool(_) | Value::Number(_) => {}
    }
}
