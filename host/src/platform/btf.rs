//! Reader of the kernel's own type information, `/sys/kernel/btf/vmlinux`: where a struct's member is, what a tracepoint's
//! arguments are, how an enum counts.
//!
//! Format: `Documentation/bpf/btf.rst`. Only what the collectors ask for is decoded; everything else is stepped over.

mod targets;

use std::{io, ops::Range, path::Path};

use thiserror::Error;

const VMLINUX: &str = "/sys/kernel/btf/vmlinux";
const MAGIC: u16 = 0xeb9f;
/// Nesting of anonymous structs and chains of typedefs that a malformed file could make endless.
const MAX_DEPTH: u32 = 32;

const KIND_INT: u32 = 1;
const KIND_ARRAY: u32 = 3;
const KIND_STRUCT: u32 = 4;
const KIND_UNION: u32 = 5;
const KIND_ENUM: u32 = 6;
const KIND_TYPEDEF: u32 = 8;
const KIND_VOLATILE: u32 = 9;
const KIND_CONST: u32 = 10;
const KIND_RESTRICT: u32 = 11;
const KIND_FUNC: u32 = 12;
const KIND_FUNC_PROTO: u32 = 13;
const KIND_VAR: u32 = 14;
const KIND_DATASEC: u32 = 15;
const KIND_DECL_TAG: u32 = 17;
const KIND_TYPE_TAG: u32 = 18;
const KIND_ENUM64: u32 = 19;

/// Why there is no type information.
#[derive(Debug, Error)]
pub enum BtfError {
    /// The file is absent or unreadable.
    #[error("cannot read {VMLINUX}")]
    Read(#[source] io::Error),
    /// The file is not what the format says.
    #[error("{VMLINUX} is malformed: {0}")]
    Malformed(&'static str),
}

/// The types of a kernel.
pub struct Btf {
    data: Vec<u8>,
    strings: Range<usize>,
    /// Where each type is, by id; id 0 is `void`.
    types: Vec<u32>,
    structs: Vec<u32>,
    enums: Vec<u32>,
    typedefs: Vec<u32>,
    functions: Vec<u32>,
}

impl Btf {
    /// The running kernel's.
    ///
    /// # Errors
    ///
    /// When the kernel has none (`CONFIG_DEBUG_INFO_BTF`) or the file cannot be read.
    pub fn vmlinux() -> Result<Self, BtfError> {
        Self::parse(std::fs::read(Path::new(VMLINUX)).map_err(BtfError::Read)?)
    }

    /// From the bytes of such a file, in this machine's byte order.
    ///
    /// # Errors
    ///
    /// When they are not BTF.
    pub fn parse(data: Vec<u8>) -> Result<Self, BtfError> {
        let header = |offset| read_u32(&data, offset).ok_or(BtfError::Malformed("it ends inside the header"));
        if header(0)? & 0xffff != u32::from(MAGIC) {
            return Err(BtfError::Malformed("wrong magic number"));
        }
        let base = header(4)? as usize;
        let section = |offset: u32, length: u32| {
            let start = base.checked_add(offset as usize)?;
            let end = start.checked_add(length as usize)?;
            (end <= data.len()).then_some(start..end)
        };
        let types = section(header(8)?, header(12)?).ok_or(BtfError::Malformed("its types are cut off"))?;
        let strings = section(header(16)?, header(20)?).ok_or(BtfError::Malformed("its strings are cut off"))?;
        let mut btf = Self { data, strings, types: vec![0], structs: vec![], enums: vec![], typedefs: vec![], functions: vec![] };
        btf.index(types)?;
        Ok(btf)
    }

    /// Byte offset of a member of a struct, `path` being member names joined by dots. Members of anonymous structs and unions
    /// count as the outer one's. `None` when this kernel has no such struct or member.
    #[must_use]
    pub fn offset(&self, structure: &str, path: &str) -> Option<u32> {
        self.ids(&self.structs, structure).find_map(|id| {
            let (mut id, mut offset) = (id, 0);
            for name in path.split('.') {
                let (member, inner) = self.member(id, name, 0)?;
                offset += member;
                id = inner;
            }
            Some(offset)
        })
    }

    /// Bytes of a struct. `None` when this kernel has no such struct.
    #[must_use]
    pub fn size(&self, structure: &str) -> Option<u32> {
        self.word(self.ids(&self.structs, structure).next()?, 8)
    }

    /// Number of arguments that a tracepoint hands to its programs. `None` when this kernel has no such tracepoint.
    #[must_use]
    pub fn tracepoint_arguments(&self, tracepoint: &str) -> Option<u32> {
        let typedef = self.ids(&self.typedefs, &format!("btf_trace_{tracepoint}")).next()?;
        let pointer = self.resolve(typedef)?;
        let prototype = self.resolve(self.word(pointer, 8)?)?;
        if self.kind(prototype)? != KIND_FUNC_PROTO {
            return None;
        }
        // The first parameter is the tracepoint's private data, which programs do not see.
        self.length(prototype)?.checked_sub(1)
    }

    /// Value of an enumerator. `None` when this kernel has no such enum or enumerator.
    #[must_use]
    pub fn enum_value(&self, enumeration: &str, name: &str) -> Option<u32> {
        self.ids(&self.enums, enumeration).find_map(|id| {
            let size = if self.kind(id)? == KIND_ENUM64 { 12 } else { 8 };
            (0..self.length(id)?).find_map(|index| {
                let entry = 12 + size * index as usize;
                self.name_is(self.word(id, entry)?, name).then(|| self.word(id, entry + 4))?
            })
        })
    }

    /// Whether the kernel has a function that programs can be attached to by this name.
    #[must_use]
    pub fn has_function(&self, name: &str) -> bool {
        self.ids(&self.functions, name).next().is_some()
    }

    /// Notes where every type begins.
    fn index(&mut self, types: Range<usize>) -> Result<(), BtfError> {
        let mut at = types.start;
        while at < types.end {
            let info = read_u32(&self.data, at + 4).ok_or(BtfError::Malformed("a type is cut off"))?;
            let (kind, length) = ((info >> 24) & 0x1f, (info & 0xffff) as usize);
            let id = self.types.len() as u32;
            let extra = match kind {
                KIND_INT | KIND_VAR | KIND_DECL_TAG => 4,
                KIND_ARRAY => 12,
                KIND_STRUCT | KIND_UNION | KIND_DATASEC | KIND_ENUM64 => 12 * length,
                KIND_ENUM | KIND_FUNC_PROTO => 8 * length,
                _ if kind == 0 || kind > KIND_ENUM64 => return Err(BtfError::Malformed("a kind of type that is not known")),
                _ => 0,
            };
            match kind {
                // Without members it is only a declaration.
                KIND_STRUCT | KIND_UNION if length > 0 => self.structs.push(id),
                KIND_ENUM | KIND_ENUM64 if length > 0 => self.enums.push(id),
                KIND_TYPEDEF => self.typedefs.push(id),
                KIND_FUNC => self.functions.push(id),
                _ => {}
            }
            self.types.push(at as u32);
            at += 12 + extra;
        }
        if at == types.end { Ok(()) } else { Err(BtfError::Malformed("the last type is cut off")) }
    }

    fn ids<'a>(&'a self, of: &'a [u32], name: &'a str) -> impl Iterator<Item = u32> + 'a {
        of.iter().copied().filter(move |id| self.word(*id, 0).is_some_and(|offset| self.name_is(offset, name)))
    }

    /// Offset and type of a member, looked for in anonymous members as well.
    fn member(&self, id: u32, name: &str, depth: u32) -> Option<(u32, u32)> {
        let id = self.resolve(id)?;
        if depth > MAX_DEPTH || !matches!(self.kind(id)?, KIND_STRUCT | KIND_UNION) {
            return None;
        }
        // With this flag the upper byte of an offset is the size of a bit field.
        let bit_fields = self.word(id, 4)? >> 31 != 0;
        (0..self.length(id)? as usize).find_map(|index| {
            let entry = 12 + 12 * index;
            let (member, inner, bits) = (self.word(id, entry)?, self.word(id, entry + 4)?, self.word(id, entry + 8)?);
            let bytes = if bit_fields { bits & 0xff_ffff } else { bits } / 8;
            if member == 0 {
                let (offset, inner) = self.member(inner, name, depth + 1)?;
                return Some((bytes + offset, inner));
            }
            self.name_is(member, name).then_some((bytes, inner))
        })
    }

    /// The type behind typedefs, qualifiers and tags.
    fn resolve(&self, mut id: u32) -> Option<u32> {
        for _ in 0..MAX_DEPTH {
            match self.kind(id)? {
                KIND_TYPEDEF | KIND_VOLATILE | KIND_CONST | KIND_RESTRICT | KIND_TYPE_TAG => id = self.word(id, 8)?,
                _ => return Some(id),
            }
        }
        None
    }

    fn kind(&self, id: u32) -> Option<u32> {
        Some((self.word(id, 4)? >> 24) & 0x1f)
    }

    fn length(&self, id: u32) -> Option<u32> {
        Some(self.word(id, 4)? & 0xffff)
    }

    fn word(&self, id: u32, offset: usize) -> Option<u32> {
        let at = *self.types.get(id as usize).filter(|at| **at != 0)?;
        read_u32(&self.data, at as usize + offset)
    }

    fn name_is(&self, offset: u32, name: &str) -> bool {
        let strings = self.data.get(self.strings.clone()).unwrap_or_default();
        strings
            .get(offset as usize..)
            .and_then(|rest| rest.strip_prefix(name.as_bytes()))
            .is_some_and(|rest| rest.first() == Some(&0))
    }
}

fn read_u32(data: &[u8], offset: usize) -> Option<u32> {
    let bytes = data.get(offset..offset.checked_add(4)?)?;
    Some(u32::from_ne_bytes(bytes.try_into().ok()?))
}

#[cfg(test)]
mod tests;
