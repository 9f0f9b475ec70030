//! Kernel records of the sched collector.
