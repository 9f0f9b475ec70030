//! Each target as a function that takes any bytes, panics where it finds a fault, and tells whether the bytes came through. A test of the
//! host includes the same files and gives them all that is kept in `corpus`.

pub mod manifest;
pub mod module;
pub mod recording;
pub mod wire;
