//! What kernel programs and user space agree on: the bytes of each map's records and the histogram's bucket rule.
#![no_std]

pub mod block;
pub mod fd;
pub mod histogram;
pub mod oom;
pub mod sched;
pub mod start;
pub mod syscall;
pub mod tcp;
