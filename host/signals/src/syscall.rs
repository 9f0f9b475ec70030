//! System calls: counts, errors, and where their time went.

use serde::{Deserialize, Serialize};

/// System calls over the window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Syscall {}
