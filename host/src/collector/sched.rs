//! Run-queue delay.

pub mod fallback;
