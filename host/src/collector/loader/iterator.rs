//! Iterator programs: the kernel runs one for each object of a kind, whenever its file is read.

use std::io::{ErrorKind, Read};

use aya::programs::Iter;

use super::super::hooks::Kind;
use super::{Kernel, LoadError, Object, attach_error, load_error};

/// Bytes asked for at once. The kernel's own buffer has 32 KiB.
const PIECE: usize = 64 << 10;

impl Object {
    /// Loads an iterator program for a kind of objects (`task`, `task_file`).
    ///
    /// # Errors
    ///
    /// When the kernel has no such iterator or refuses the program.
    pub fn load_iterator(&mut self, kernel: &Kernel, program: &'static str, kind: &str) -> Result<(), LoadError> {
        let result = self.program(program);
        let result = result.and_then(|found: &mut Iter| found.load(kind, &kernel.targets).map_err(load_error(program)));
        self.note(program, Kind::Iterator, kind, result)
    }

    /// Runs a loaded iterator over all objects, and returns what it wrote.
    ///
    /// # Errors
    ///
    /// When it cannot be attached or read.
    pub fn walk(&mut self, program: &'static str) -> Result<Vec<u8>, LoadError> {
        let mut written = Vec::new();
        self.walk_by(program, 1, &mut |records| written.extend_from_slice(records))?;
        Ok(written)
    }

    /// Runs a loaded iterator over all objects, and hands over what it wrote as it comes, in whole records of `size` bytes.
    ///
    /// # Errors
    ///
    /// When it cannot be attached or read; what was handed over before is not all.
    pub fn walk_by(&mut self, program: &'static str, size: usize, take: &mut dyn FnMut(&[u8])) -> Result<(), LoadError> {
        let found: &mut Iter = self.program(program)?;
        let link = found.attach().and_then(|id| found.take_link(id)).map_err(attach_error(program))?;
        let mut file = link.into_file().map_err(|error| LoadError::Walk { program, source: std::io::Error::other(error) })?;
        let mut piece = vec![0; PIECE];
        // Of a record that is not whole yet.
        let mut begun = 0;
        loop {
            match file.read(&mut piece[begun..]) {
                Ok(0) => return Ok(()),
                Ok(length) => {
                    let read = begun + length;
                    begun = read % size.max(1);
                    take(&piece[..read - begun]);
                    piece.copy_within(read - begun..read, 0);
                }
                // The kernel gives way to others after a million objects and asks to be read again.
                Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {}
                Err(source) => return Err(LoadError::Walk { program, source }),
            }
        }
    }
}
