//! Kernel records of the block collector.
