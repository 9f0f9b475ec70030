//! kerno: watches the kernel through eBPF and tells what is wrong below the application.
//!
//! Flow runs one way: kernel maps → [`collector`] → [`kerno_signals::Snapshot`] → [`engine`], in the process
//! of [`judge`] → [`findings`] → [`report`].
//! [`agent`] and [`cli`] put the parts together; `tests/architecture.rs` keeps the arrows.

pub mod agent;
pub mod artifacts;
pub mod bundle;
pub mod check;
pub mod cli;
pub mod collector;
pub mod engine;
pub mod findings;
pub mod judge;
pub mod platform;
pub mod predict;
pub mod reload;
pub mod report;
mod yaml;
