//! Out-of-memory kills.

use serde::{Deserialize, Serialize};

/// Kills of the window, and those just before it.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Oom {}
