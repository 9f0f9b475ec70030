//! Children that make system calls in a control group of their own: kerno's own calls are told apart by its process.

use std::{fs, os::fd::AsRawFd};

use crate::guest::cgroup;

/// A forked child; killed when it is dropped.
pub struct Child(libc::pid_t);

impl Child {
    /// Runs `work` in a child in a control group. It must not use what another thread of this process could hold.
    pub fn start(group: &str, work: impl FnOnce()) -> Self {
        let procs = fs::File::options().write(true).open(cgroup(group).join("cgroup.procs")).unwrap();
        // SAFETY: the child goes on in its own copy of this process, and ends inside.
        let child = unsafe { libc::fork() };
        if child == 0 {
            // SAFETY: calls with numbers and a constant string.
            unsafe {
                if libc::write(procs.as_raw_fd(), c"0".as_ptr().cast(), 1) == 1 {
                    // Its calls are counted in the new group from when it gets a CPU again.
                    libc::usleep(1_000);
                    work();
                    libc::_exit(0);
                }
                libc::_exit(1);
            }
        }
        assert!(child > 0);
        Self(child)
    }

    pub fn pid(&self) -> u32 {
        self.0.unsigned_abs()
    }

    /// Waits for its end.
    pub fn wait(self) {
        let status = self.ended();
        assert_eq!(status, 0, "the child failed");
    }

    /// Waits for its end, and tells how it ended.
    pub fn ended(self) -> i32 {
        let mut status = 0;
        // SAFETY: the status lives until the call returns.
        assert_eq!(unsafe { libc::waitpid(self.0, &raw mut status, 0) }, self.0);
        std::mem::forget(self);
        status
    }
}

impl Drop for Child {
    fn drop(&mut self) {
        // SAFETY: calls with numbers; what cannot be killed is not waited for.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), libc::WNOHANG);
        }
    }
}

/// Runs `work` in a child in a control group, and waits for its end.
pub fn in_group(group: &str, work: impl FnOnce()) {
    Child::start(group, work).wait();
}
