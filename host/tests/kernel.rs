//! What can only be tested on a real kernel. Each test runs as root in a guest of its own, which `cargo xtask vm` boots; it may
//! load modules, make control groups and devices, and leave them behind.
#![expect(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on says where it stopped, and one that measures prints what it found"
)]

#[path = "kernel/bench.rs"]
mod bench;
#[path = "kernel/block.rs"]
mod block;
#[path = "kernel/canary.rs"]
mod canary;
#[path = "kernel/cgroup.rs"]
mod cgroup;
#[path = "kernel/child.rs"]
mod child;
#[path = "kernel/continuous.rs"]
mod continuous;
#[path = "kernel/cpu.rs"]
mod cpu;
#[path = "kernel/crowds.rs"]
mod crowds;
#[path = "kernel/entities.rs"]
mod entities;
#[path = "kernel/fd.rs"]
mod fd;
#[path = "kernel/footprint.rs"]
mod footprint;
#[path = "kernel/fuse.rs"]
mod fuse;
#[path = "kernel/guest.rs"]
mod guest;
#[path = "kernel/hierarchies.rs"]
mod hierarchies;
#[path = "kernel/launch.rs"]
mod launch;
#[path = "kernel/load.rs"]
mod load;
#[path = "kernel/measure.rs"]
mod measure;
#[path = "kernel/memory.rs"]
mod memory;
#[path = "kernel/names.rs"]
mod names;
#[path = "kernel/offsets.rs"]
mod offsets;
#[path = "kernel/oom.rs"]
mod oom;
#[path = "kernel/predict.rs"]
mod predict;
#[path = "kernel/privilege.rs"]
mod privilege;
#[path = "kernel/process.rs"]
mod process;
#[path = "kernel/reuse.rs"]
mod reuse;
#[path = "kernel/rights.rs"]
mod rights;
#[path = "kernel/sched.rs"]
mod sched;
#[path = "kernel/starts.rs"]
mod starts;
#[path = "kernel/sync.rs"]
mod sync;
#[path = "kernel/syscall.rs"]
mod syscall;
#[path = "kernel/syscall_counts.rs"]
mod syscall_counts;
#[path = "kernel/syscall_time.rs"]
mod syscall_time;
#[path = "kernel/tcp.rs"]
mod tcp;
