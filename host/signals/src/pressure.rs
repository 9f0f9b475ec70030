//! Pressure stall information: time in which work stood still for want of a resource.

use serde::{Deserialize, Serialize};

/// Stall time in the window, nanoseconds of wall-clock time.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Stall {
    /// Time in which at least one task waited for the resource.
    pub some_ns: u64,
    /// Time in which all tasks that were not idle did. `None` where the kernel does not tell (`cpu` before 5.13).
    pub full_ns: Option<u64>,
}
