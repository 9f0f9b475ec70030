//! TCP connections: segments, round trips, how connects ended.

use serde::{Deserialize, Serialize};

/// TCP over the window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Tcp {}
