//! A file opened through io_uring, without a call to `open`.

use std::{mem::forget, os::fd::FromRawFd, ptr};

/// `struct io_uring_params` as far as it is used: sizes and flags, then the offsets of both rings.
#[repr(C)]
#[derive(Default)]
struct Parameters {
    /// `sq_entries cq_entries flags sq_thread_cpu sq_thread_idle features wq_fd resv[3]`.
    head: [u32; 10],
    /// `head tail ring_mask ring_entries flags dropped array resv1 user_addr(2)`.
    submission: [u32; 10],
    /// `head tail ring_mask ring_entries overflow cqes flags resv1 user_addr(2)`.
    completion: [u32; 10],
}

const SETUP: libc::c_long = 425;
const ENTER: libc::c_long = 426;
const OPENAT: u8 = 18;
const GET_EVENTS: u32 = 1;
const ENTRIES: u32 = 4;
const QUEUE_OFFSET: i64 = 0;
const ENTRIES_OFFSET: i64 = 0x1000_0000;

/// Makes a ring, which is one descriptor, and has it open a file, which is another.
pub fn open() {
    let mut parameters = Parameters::default();
    // SAFETY: the kernel writes the parameters, whose offsets are those of the memory that it shares; both mappings are larger
    // than what is read and written here.
    unsafe {
        let ring = libc::syscall(SETUP, ENTRIES, &raw mut parameters);
        assert!(ring >= 0, "no io_uring: {}", std::io::Error::last_os_error());
        let ring = ring as i32;
        let map = |offset| {
            let address = libc::mmap(ptr::null_mut(), 4096, libc::PROT_READ | libc::PROT_WRITE, libc::MAP_SHARED, ring, offset);
            assert_ne!(address, libc::MAP_FAILED, "{}", std::io::Error::last_os_error());
            address.cast::<u8>()
        };
        // With IORING_FEAT_SINGLE_MMAP (5.4) both rings are in one mapping.
        let (queues, entry) = (map(QUEUE_OFFSET), map(ENTRIES_OFFSET));
        entry.write(OPENAT);
        entry.add(4).cast::<i32>().write(libc::AT_FDCWD);
        entry.add(16).cast::<u64>().write(c"/dev/null".as_ptr() as u64);
        entry.add(28).cast::<u32>().write(libc::O_RDONLY as u32);
        let [_, tail, _, _, _, _, array, ..] = parameters.submission;
        queues.add(array as usize).cast::<u32>().write_volatile(0);
        queues.add(tail as usize).cast::<u32>().write_volatile(1);
        assert_eq!(libc::syscall(ENTER, ring, 1, 1, GET_EVENTS, ptr::null::<u8>(), 0), 1);
        let completions = parameters.completion[5] as usize;
        let file = queues.add(completions + 8).cast::<i32>().read_volatile();
        assert!(file >= 0, "open through io_uring: {file}");
        forget(std::fs::File::from_raw_fd(file));
        libc::munmap(queues.cast(), 4096);
        libc::munmap(entry.cast(), 4096);
    }
}
