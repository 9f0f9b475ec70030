//! What cargo builds of a rule is a core module, with a section that says what the component is to be: here it is made one.

use std::collections::HashSet;
use std::panic::{AssertUnwindSafe, catch_unwind};

use serde::{Deserialize, Serialize};
use wasmparser::{Parser, Payload, Validator};
use wit_component::ComponentEncoder;
use wit_parser::Resolve;
use wit_parser::decoding::decode_world;

/// Where a core module begins, by its first bytes.
const CORE: &[u8] = b"\0asm\x01\0\0\0";

/// Names of the sections that say what the component is to be begin with this.
const SECTION: &str = "component-type";

/// Of what is wrong so many characters are told.
const LONGEST: usize = 300;

const DAMAGED: &str = "copy it again, or build it again";

/// Why a module cannot be made a component, and what to do.
#[derive(Debug, Serialize, Deserialize, thiserror::Error)]
#[error("{why}: {help}")]
pub struct NoComponent {
    /// After "it".
    pub why: String,
    /// The one thing to do.
    pub help: String,
}

/// The component that a core module is to be; other bytes as they are.
///
/// # Errors
/// It is damaged, or no rule.
pub fn component_of(bytes: Vec<u8>) -> Result<Vec<u8>, NoComponent> {
    if !bytes.starts_with(CORE) {
        return Ok(bytes);
    }
    // The encoder takes for granted that its module is whole.
    Validator::new().validate_all(&bytes).map_err(|error| NoComponent {
        why: format!("is a damaged module ({})", in_one_line(&error.to_string())),
        help: DAMAGED.to_owned(),
    })?;
    let encode = AssertUnwindSafe(|| ComponentEncoder::default().validate(true).module(&bytes)?.encode());
    let damaged = || NoComponent { why: "is a damaged module".to_owned(), help: DAMAGED.to_owned() };
    if catch_unwind(|| goes_in_circles(&bytes)).map_err(|_| damaged())? {
        let why = "is a damaged module (its packages of interfaces need each other)".to_owned();
        return Err(NoComponent { why, help: DAMAGED.to_owned() });
    }
    catch_unwind(encode).map_err(|_| damaged())?.map_err(|error| {
        let text = in_one_line(&format!("{error:#}"));
        let help = if text.contains("wasi_snapshot_preview1") {
            "rules have no WASI: build it for wasm32-unknown-unknown"
        } else {
            "export a rule with the SDK's macro `export!`, as `kerno rules new` shows it"
        };
        let help = help.to_owned();
        NoComponent { why: format!("is a module that cannot be made a component ({text})"), help }
    })
}

/// Whether packages of interfaces need each other in what the component is to be, as they do where one version is wrong: the encoder would
/// follow them until its stack ends. One that was made for it can still do that to the reader here: it ends the process that judges, which
/// is told.
fn goes_in_circles(module: &[u8]) -> bool {
    let sections = Parser::new(0).parse_all(module).filter_map(|part| match part {
        Ok(Payload::CustomSection(section)) if section.name().starts_with(SECTION) => Some(section.data()),
        _ => None,
    });
    sections.filter_map(|section| decode_world(section).ok()).any(|(resolve, _)| is_circular(&resolve))
}

fn is_circular(resolve: &Resolve) -> bool {
    let mut left: HashSet<_> = resolve.packages.iter().map(|(id, _)| id).collect();
    loop {
        // One that needs none of those that are left is in no circle.
        let needs_others = |id: &_| resolve.package_direct_deps(*id).any(|other| left.contains(&other));
        let next: HashSet<_> = left.iter().copied().filter(needs_others).collect();
        if next.len() == left.len() {
            return !left.is_empty();
        }
        left = next;
    }
}

/// Names in it may be as long as their givers like.
fn in_one_line(text: &str) -> String {
    text.chars().take(LONGEST).map(|c| if c.is_control() { ' ' } else { c }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(bytes: Vec<u8>) -> (String, String) {
        let NoComponent { why, help } = component_of(bytes).unwrap_err();
        (why, help)
    }

    #[test]
    fn what_is_no_core_module_stays_as_it_is() {
        for text in ["", "\0asm", "nonsense", "\0asm\u{d}\0\u{1}\0"] {
            assert_eq!(component_of(text.into()).unwrap(), text.as_bytes());
        }
    }

    #[test]
    fn a_module_that_is_no_rule_is_refused_with_what_to_do() {
        let wat = |text: &str| wat::parse_str(text).unwrap();
        let (why, help) = refused(wat(r#"(module (import "env" "puts" (func (param i32) (result i32))))"#));
        assert!(why.contains("env") && help.contains("export!"), "{why}");
        let (why, _) = refused(wat(&format!(r#"(module (import "{}" "puts" (func)))"#, "e".repeat(5_000))));
        assert!(why.len() < 2 * LONGEST, "{why}");
        let (why, help) =
            refused(wat(r#"(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32) (result i32))))"#));
        assert!(why.contains("wasi_snapshot_preview1") && help.contains("no WASI"), "{why}");
    }

    #[test]
    fn a_damaged_module_is_not_given_to_the_encoder() {
        let whole = wat::parse_str("(module (func) (@custom \"component-type\" \"what it is\"))").unwrap();
        // Between two sections what is left is a module, though no rule.
        let damaged = (9..whole.len()).filter(|length| {
            component_of(whole[..*length].to_vec()).is_err_and(|error| error.why.contains("damaged") && error.help == DAMAGED)
        });
        assert!(damaged.count() >= whole.len() - 9 - 3);
        assert!(refused([whole.as_slice(), b"\x7f\x05garbage"].concat()).0.contains("damaged"));
    }
    #[test]
    fn packages_that_need_each_other_are_told() {
        // What a rule's module is with one wrong digit: `memory` is of version 2.
        let (why, help) = refused(include_bytes!("../../../fuzz/faults/module/packages-need-each-other").to_vec());
        assert!(why.contains("its packages of interfaces need each other") && help == DAMAGED, "{why}");
    }
}
