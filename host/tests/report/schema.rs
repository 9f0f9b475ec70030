//! JSON reports against the published schema.

use kerno::report::json;
use serde_json::Value;

use crate::cases;

pub fn schema() -> Value {
    serde_json::from_str(include_str!("../../schema/report-1.json")).unwrap()
}

#[test]
fn every_report_is_valid() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    for (name, report) in cases::all() {
        let value: Value = serde_json::from_str(&json(&report).unwrap()).unwrap();
        let errors: Vec<String> =
            validator.iter_errors(&value).map(|error| format!("{}: {error}", error.instance_path())).collect();
        assert!(errors.is_empty(), "{name}: {errors:#?}");
    }
}

#[test]
fn the_schema_can_refuse() {
    let validator = jsonschema::validator_for(&schema()).unwrap();
    let valid: Value = serde_json::from_str(&json(&cases::findings()).unwrap()).unwrap();
    assert!(validator.is_valid(&valid));
    for (pointer, wrong) in [
        ("/schema_version", Value::from(2)),
        ("/verdict", Value::from("fine")),
        ("/window/start", Value::from("yesterday")),
        ("/findings/0/id", Value::from("7")),
        ("/findings/0/severity", Value::Null),
        ("/findings/0/confidence", Value::from(1.5)),
        ("/findings/0/signal/value", Value::Null),
        ("/recommended_order/0/when", Value::from("soon")),
        ("/collectors/0/events", Value::from(-1)),
    ] {
        let mut report = valid.clone();
        *report.pointer_mut(pointer).unwrap() = wrong;
        assert!(!validator.is_valid(&report), "{pointer} was accepted");
    }
    for key in valid.as_object().unwrap().keys() {
        let mut report = valid.clone();
        report.as_object_mut().unwrap().remove(key);
        assert!(!validator.is_valid(&report), "a report without {key} was accepted");
    }
}

/// Each key that is written is described and required, and each that is described is written: nothing is published by accident.
#[test]
fn schema_and_report_have_the_same_keys() {
    let schema = schema();
    for (name, report) in cases::all() {
        compare(&schema, &schema, &serde_json::to_value(&report).unwrap(), name);
    }
}

pub fn compare(root: &Value, schema: &Value, value: &Value, path: &str) {
    let schema = match schema.get("$ref").and_then(Value::as_str) {
        Some(reference) => root.pointer(reference.trim_start_matches('#')).unwrap(),
        None => schema,
    };
    match value {
        Value::Object(fields) => {
            let Some(properties) = schema.get("properties").and_then(Value::as_object) else { return };
            let required: Vec<&str> = schema["required"].as_array().unwrap().iter().filter_map(Value::as_str).collect();
            let mut described: Vec<&str> = properties.keys().map(String::as_str).collect();
            let mut written: Vec<&str> = fields.keys().map(String::as_str).collect();
            let mut required = required;
            for list in [&mut described, &mut written, &mut required] {
                list.sort_unstable();
            }
            assert_eq!(written, described, "{path}: written, described");
            assert_eq!(written, required, "{path}: written, required");
            for (key, value) in fields {
                compare(root, &properties[key], value, &format!("{path}.{key}"));
            }
        }
        Value::Array(items) => {
            for item in items {
                compare(root, &schema["items"], item, &format!("{path}[]"));
            }
        }
        _ => {}
    }
}
