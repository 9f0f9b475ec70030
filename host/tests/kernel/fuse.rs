//! A file system in user space with one file, whose server answers as late as a test wants.

use std::{
    collections::HashMap,
    fs::{self, File},
    io::{Read, Write},
    os::fd::AsRawFd,
    sync::{Arc, Mutex},
    thread,
    time::Duration,
};

use crate::guest::modprobe;

/// Kinds of requests, as `linux/fuse.h` numbers them.
pub const GETATTR: u32 = 3;
pub const READ: u32 = 15;
const LOOKUP: u32 = 1;
const FORGET: u32 = 2;
const OPEN: u32 = 14;
const RELEASE: u32 = 18;
const FLUSH: u32 = 25;
const INIT: u32 = 26;
const INTERRUPT: u32 = 36;
const BATCH_FORGET: u32 = 42;

const ENOSYS: i32 = 38;
const DIRECT_IO: u32 = 1;

/// How late each kind of request is answered; what is not in it is answered at once.
pub type Delays = Arc<Mutex<HashMap<u32, Duration>>>;

/// Mounts it at `mount`; the file is `mount/file`. A thread of this process serves it.
pub fn mount(mount: &str) -> Delays {
    modprobe("fuse", &[]);
    fs::create_dir_all(mount).unwrap();
    if !std::path::Path::new("/dev/fuse").exists() {
        // SAFETY: a constant string and numbers.
        unsafe { libc::mknod(c"/dev/fuse".as_ptr(), libc::S_IFCHR | 0o600, libc::makedev(10, 229)) };
    }
    let device = File::options().read(true).write(true).open("/dev/fuse").unwrap();
    let options = format!("fd={},rootmode=40000,user_id=0,group_id=0\0", device.as_raw_fd());
    let target = format!("{mount}\0");
    // SAFETY: strings that end in NUL and live until the call returns.
    let mounted =
        unsafe { libc::mount(c"kerno-test".as_ptr(), target.as_ptr().cast(), c"fuse".as_ptr(), 0, options.as_ptr().cast()) };
    assert_eq!(mounted, 0, "{}", std::io::Error::last_os_error());
    let delays = Delays::default();
    let told = Arc::clone(&delays);
    thread::spawn(move || serve(device, &told));
    delays
}

fn serve(mut device: File, delays: &Delays) {
    let mut request = vec![0; 1 << 20];
    while let Ok(length) = device.read(&mut request) {
        let word = |at: usize| u32::from_ne_bytes(request[at..at + 4].try_into().unwrap());
        let long = |at: usize| u64::from_ne_bytes(request[at..at + 8].try_into().unwrap());
        assert!(length >= 40);
        let (kind, unique, node) = (word(4), long(8), long(16));
        let Some(answer) = answer(kind, node) else { continue };
        let delay = delays.lock().unwrap().get(&kind).copied().unwrap_or_default();
        let mut reply = Vec::new();
        let (error, body) = answer.map_or_else(|error| (-error, vec![]), |body| (0, body));
        reply.extend(u32::try_from(16 + body.len()).unwrap().to_ne_bytes());
        reply.extend(error.to_ne_bytes());
        reply.extend(unique.to_ne_bytes());
        reply.extend(body);
        // Others are served meanwhile. One whose caller is gone cannot be answered.
        let mut writer = device.try_clone().unwrap();
        thread::spawn(move || {
            thread::sleep(delay);
            let _ = writer.write_all(&reply);
        });
    }
}

/// `None` for what wants no answer.
fn answer(kind: u32, node: u64) -> Option<Result<Vec<u8>, i32>> {
    Some(match kind {
        FORGET | BATCH_FORGET | INTERRUPT => return None,
        INIT => {
            let mut body = words(&[7, 23, 65_536, 0]);
            body.extend(words(&[0, 65_536, 1]));
            body.resize(64, 0);
            Ok(body)
        }
        LOOKUP => {
            // node, generation, and no time for which it is valid: every call asks.
            let mut body = longs(&[2, 0, 0, 0, 0]);
            body.extend(attributes(2));
            Ok(body)
        }
        GETATTR => {
            let mut body = longs(&[0, 0]);
            body.extend(attributes(node));
            Ok(body)
        }
        OPEN => {
            let mut body = longs(&[1]);
            body.extend(words(&[DIRECT_IO, 0]));
            Ok(body)
        }
        READ => Ok(b"hello".to_vec()),
        FLUSH | RELEASE => Ok(vec![]),
        _ => Err(ENOSYS),
    })
}

fn attributes(node: u64) -> Vec<u8> {
    let mode = if node == 1 { libc::S_IFDIR | 0o755 } else { libc::S_IFREG | 0o644 };
    let mut body = longs(&[node, 5, 1, 0, 0, 0]);
    body.extend(words(&[0, 0, 0, mode, 1, 0, 0, 0, 4096, 0]));
    body
}

fn words(numbers: &[u32]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
}

fn longs(numbers: &[u64]) -> Vec<u8> {
    numbers.iter().flat_map(|number| number.to_ne_bytes()).collect()
}
