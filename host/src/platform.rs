//! Facts about this host. The only readers of `/proc`, `/sys`, control groups, PSI and the clock.
//!
//! Every reader takes a [`Root`], so that tests read a directory of their own, and hands the text to a pure parser. A file that
//! cannot be read or understood is an [`Error`] that names it, never a zero.

pub mod block_device;
pub mod btf;
pub mod capabilities;
pub mod cgroup;
pub mod clock;
pub mod descriptors;
pub mod diskstats;
pub mod escape;
pub mod host;
pub mod kernel;
pub mod kmsg;
pub mod meminfo;
pub mod memory;
pub mod mounts;
pub mod net;
pub mod oom;
pub mod patience;
pub mod privileges;
pub mod process;
pub mod psi;
mod root;
pub mod schedstat;
pub mod stat;
pub mod sysctl;
pub mod thread;
pub mod threads;
pub mod vmstat;
pub mod zoneinfo;

pub use root::{Error, Root};
