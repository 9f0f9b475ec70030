//! Components of the texts beside this file.

use std::fs;
use std::path::Path;

/// A component's text.
pub fn hostile(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/hostile").join(name).with_extension("wat");
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// A rule in the contract's form.
pub fn rule(name: &str) -> Vec<u8> {
    let whole = hostile("rule").replace("(; rule ;)", &hostile(&format!("rules/{name}")));
    wat::parse_str(whole).unwrap_or_else(|error| panic!("{name}: {error}"))
}
