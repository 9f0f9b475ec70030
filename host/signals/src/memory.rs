//! Memory of the host and its control groups.

use serde::{Deserialize, Serialize};

/// Memory over the window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Memory {}
