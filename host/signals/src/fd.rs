//! Open file descriptors and their growth.

use serde::{Deserialize, Serialize};

/// Descriptors over the window.
#[derive(Clone, Debug, Default, PartialEq, Serialize, Deserialize)]
pub struct Fd {}
