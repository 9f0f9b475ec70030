//! Collectors: one per family of signals.

pub mod block;
pub mod load_error;
pub mod sched;
