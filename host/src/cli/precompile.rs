//! `kerno precompile-rules`: native code of the built-in rules, for the next build of kerno to embed.

use std::fs;
use std::path::Path;

use super::{Failure, exit, output};
use crate::{artifacts, engine};

/// Leaves `ID.cwasm`, native code, and `ID.wasm`, the component that it was made of, in the directory.
pub(super) fn run(directory: &Path) -> Result<u8, Failure> {
    let mut made = 0;
    for (id, component) in artifacts::BUILT_IN_RULES {
        let Some(component) = component else { continue };
        let (source, native) = (directory.join(format!("{id}.wasm")), directory.join(format!("{id}.cwasm")));
        let code = engine::compile_ahead(component)
            .map_err(|error| Failure::own(format!("rule {id} cannot be compiled: {error}"), "build it again"))?;
        let is_there = |path: &Path, bytes: &[u8]| fs::read(path).is_ok_and(|present| present == bytes);
        if is_there(&source, component) && is_there(&native, &code) {
            continue;
        }
        if source.exists() && !native.exists() {
            return Err(Failure::usage(
                format!("{} is not of an earlier run", source.display()),
                "name an empty directory: what is there would be overwritten",
            ));
        }
        let unwritable = |error: std::io::Error| {
            Failure::usage(
                format!("{} cannot be written: {error}", native.display()),
                "name a directory that this user may write to",
            )
        };
        fs::create_dir_all(directory).map_err(unwritable)?;
        // The component last: native code beside another component is not taken.
        let _ = fs::remove_file(&source);
        fs::write(&native, &code).and_then(|()| fs::write(&source, component)).map_err(unwritable)?;
        made += 1;
    }
    output::write(&format!("{made} rules compiled\n"))?;
    Ok(exit::DONE)
}
