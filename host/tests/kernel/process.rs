//! Processes whose descriptors tests decide: copies of the test process that do one thing and then sleep.

use std::{
    fs::File,
    io::{Read, Write},
    mem::forget,
    os::fd::FromRawFd,
    panic::{AssertUnwindSafe, catch_unwind},
    time::{Duration, Instant},
};

/// A process that ends when this is dropped.
pub struct Process {
    pid: libc::pid_t,
    /// Tells it to go on.
    go: File,
    /// Tells that it did.
    done: File,
}

impl Process {
    /// Starts one that does `work`, and waits until it is done or has been at it for half a second.
    pub fn start(work: impl FnOnce()) -> Self {
        Self::start_then(work, || {})
    }

    /// The same, which does `then` after it said that it is done.
    pub fn start_then(work: impl FnOnce(), then: impl FnOnce()) -> Self {
        let mut process = Self::fork(|go, mut done| {
            work();
            let _ = done.write_all(&[1]);
            // Its descriptors stay as they are from here on.
            forget((go, done));
            then();
        });
        process.wait();
        process
    }

    /// Starts one that does `work`, and `next` when it is told to.
    pub fn stepped(work: impl FnOnce(), next: impl FnOnce()) -> Self {
        let mut process = Self::fork(|mut go, mut done| {
            work();
            done.write_all(&[1]).unwrap();
            go.read_exact(&mut [0]).unwrap();
            next();
            done.write_all(&[1]).unwrap();
            forget((go, done));
        });
        process.wait();
        process
    }

    pub fn pid(&self) -> u32 {
        self.pid.unsigned_abs()
    }

    /// Has it do what comes next.
    pub fn step(&mut self) {
        self.go.write_all(&[1]).unwrap();
        self.wait();
    }

    /// Waits until something else has ended it.
    pub fn wait_for_death(mut self, longest: Duration) {
        let begin = Instant::now();
        // SAFETY: calls with numbers and a null pointer.
        while unsafe { libc::waitpid(self.pid, std::ptr::null_mut(), libc::WNOHANG) } == 0 {
            assert!(begin.elapsed() < longest, "{} lives", self.pid);
            std::thread::sleep(Duration::from_millis(1));
        }
        self.pid = 0;
    }

    fn wait(&mut self) {
        let mut ready = libc::pollfd { fd: std::os::fd::AsRawFd::as_raw_fd(&self.done), events: libc::POLLIN, revents: 0 };
        // SAFETY: one entry that lives until the call returns.
        if unsafe { libc::poll(&raw mut ready, 1, 500) } == 1 {
            // Nothing to read: it has closed the pipe by exec.
            let _ = self.done.read(&mut [0]).unwrap();
        }
    }

    fn fork(child: impl FnOnce(File, File)) -> Self {
        let ((go_from, go), (done, done_to)) = (pipe(), pipe());
        // SAFETY: the child goes on with what this thread has; the test harness's other thread only waits.
        match unsafe { libc::fork() } {
            0 => {
                drop((go, done));
                let work = AssertUnwindSafe(|| child(go_from, done_to));
                if catch_unwind(work).is_err() {
                    // SAFETY: a call with a number.
                    unsafe { libc::_exit(101) };
                }
                loop {
                    // SAFETY: a call without arguments.
                    unsafe { libc::pause() };
                }
            }
            pid => {
                assert!(pid > 0, "fork failed");
                Self { pid, go, done }
            }
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        if self.pid == 0 {
            return;
        }
        // SAFETY: calls with numbers and a null pointer.
        unsafe {
            libc::kill(self.pid, libc::SIGKILL);
            libc::waitpid(self.pid, std::ptr::null_mut(), 0);
        }
    }
}

fn pipe() -> (File, File) {
    let mut ends = [0; 2];
    // SAFETY: room for the two descriptors that the call writes, which nobody else owns.
    unsafe {
        assert_eq!(libc::pipe2(ends.as_mut_ptr(), libc::O_CLOEXEC), 0);
        (File::from_raw_fd(ends[0]), File::from_raw_fd(ends[1]))
    }
}

pub fn open_null() -> File {
    File::open("/dev/null").unwrap()
}

/// Names this thread; its process as well where it is the first.
pub fn set_name(name: &std::ffi::CStr) {
    // SAFETY: a string that ends in NUL.
    unsafe { libc::prctl(libc::PR_SET_NAME, name.as_ptr()) };
}

/// The next process gets this pid.
pub fn set_next_pid(pid: u32) {
    std::fs::write("/proc/sys/kernel/ns_last_pid", (pid - 1).to_string()).unwrap();
}

/// Starts a process that has this one's descriptor table.
pub fn clone_sharing_files() {
    // SAFETY: without a stack of its own the child goes on with a copy of this one's, as after a fork.
    let pid = unsafe { libc::syscall(libc::SYS_clone, libc::CLONE_FILES | libc::SIGCHLD, 0, 0, 0, 0) };
    assert!(pid >= 0);
    if pid == 0 {
        loop {
            // SAFETY: a call without arguments.
            unsafe { libc::pause() };
        }
    }
}
