//! Block requests and the fsync family.

pub mod fallback;
