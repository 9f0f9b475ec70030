//! CPU quotas, usage and pressure.

use serde::{Deserialize, Serialize};

/// CPU time over the window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Cpu {}
