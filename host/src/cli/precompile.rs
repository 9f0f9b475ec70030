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
        let is_there = |path: &Path, bytes: Option<&[u8]>| bytes.is_some() && fs::read(path).ok().as_deref() == bytes;
        let embedded = artifacts::native_code(component).filter(|_| engine::is_compiled_ahead(component));
        if is_there(&source, Some(component)) && is_there(&native, embedded) {
            continue;
        }
        let code = engine::compile_ahead(component)
            .map_err(|error| Failure::own(format!("rule {id} cannot be compiled: {error}"), "build it again"))?;
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
