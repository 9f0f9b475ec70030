//! What cargo builds of a rule is a core module, with a section that says what the component is to be: here it is made one.

use std::panic::{AssertUnwindSafe, catch_unwind};

use wit_component::ComponentEncoder;

use crate::engine::Limits;

/// Where a core module begins, by its first bytes.
const CORE: &[u8] = b"\0asm\x01\0\0\0";

/// Makes a component of a core module; other bytes stay as they are. What is wrong with it: why, and what to do.
pub(super) fn make_component(bytes: &mut Vec<u8>) -> Result<(), (String, &'static str)> {
    // One that is too large was not read to its end.
    if !bytes.starts_with(CORE) || bytes.len() as u64 > Limits::default().module {
        return Ok(());
    }
    let encode = AssertUnwindSafe(|| ComponentEncoder::default().validate(true).module(bytes)?.encode());
    let encoded = catch_unwind(encode).map_err(|_| ("is no valid module".to_owned(), "build it again"))?;
    *bytes = encoded.map_err(|error| explain(&format!("{error:#}")))?;
    Ok(())
}

fn explain(error: &str) -> (String, &'static str) {
    let one_line: String = error.chars().map(|c| if c.is_control() { ' ' } else { c }).collect();
    let help = if error.contains("wasi_snapshot_preview1") {
        "rules have no WASI: build it for wasm32-unknown-unknown"
    } else {
        "export a rule with the SDK's macro `export!`, as `kerno rules new` shows it, and build it for wasm32-unknown-unknown"
    };
    (format!("cannot be made a component: {one_line}"), help)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn refused(wat: &str) -> (String, &'static str) {
        make_component(&mut wat::parse_str(wat).unwrap()).unwrap_err()
    }

    #[test]
    fn what_is_no_core_module_stays_as_it_is() {
        for text in ["", "\0asm", "nonsense", "\0asm\u{d}\0\u{1}\0"] {
            let mut bytes = text.as_bytes().to_vec();
            make_component(&mut bytes).unwrap();
            assert_eq!(bytes, text.as_bytes());
        }
    }

    #[test]
    fn a_module_that_is_no_rule_is_refused_with_what_to_do() {
        let (why, help) = refused(r#"(module (import "env" "puts" (func (param i32) (result i32))))"#);
        assert!(why.contains("env") && help.contains("export!"), "{why}");
        let (why, help) = refused(r#"(module (import "wasi_snapshot_preview1" "fd_write" (func (param i32) (result i32))))"#);
        assert!(why.contains("wasi_snapshot_preview1") && help.contains("no WASI"), "{why}");
        let mut truncated = wat::parse_str("(module (func))").unwrap();
        truncated.pop();
        assert!(make_component(&mut truncated).is_err());
    }
}
