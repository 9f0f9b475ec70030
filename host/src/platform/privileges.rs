//! What this process may still do: gives up capabilities that are not needed any more, for good.

use std::io;

use super::capabilities::{Capabilities, Capability};

/// Forbids this thread, and those it starts from now on, to gain privileges by running another program.
///
/// # Errors
///
/// What the kernel says; none is known that would.
pub fn forbid_new_privileges() -> io::Result<()> {
    // SAFETY: a call with five numbers.
    told(unsafe { libc::prctl(libc::PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) }.into())
}

/// Closes what whoever started this process has left open, but the standard streams. To be called before anything is opened.
///
/// # Errors
///
/// What the kernel says; it knows the call from 5.9 on.
pub fn close_others() -> io::Result<()> {
    // SAFETY: a call with three numbers, before this process has made any of those files its own.
    told(unsafe { libc::syscall(libc::SYS_close_range, 3, libc::c_uint::MAX, 0) })
}

/// Has this process known by a name, and ended by whoever started it alone: what is sent to all of a terminal's or a unit's processes
/// is not meant for it.
pub fn belong(name: &std::ffi::CStr) {
    // SAFETY: calls with numbers, and with a text that ends.
    unsafe {
        libc::prctl(libc::PR_SET_NAME, name.as_ptr());
        for signal in [libc::SIGINT, libc::SIGTERM, libc::SIGHUP] {
            libc::signal(signal, libc::SIG_IGN);
        }
    }
}

/// Gives up all capabilities but these, for this thread and those that it starts from now on.
///
/// # Errors
///
/// What the kernel says; giving up is always allowed.
pub fn keep(wanted: &[Capability]) -> io::Result<()> {
    let held = Sets::of_this_thread()?.permitted;
    let mask = wanted.iter().fold(0, |mask, capability| mask | 1 << *capability as u64) & held;
    Sets { effective: mask, permitted: mask }.set()
}

/// Whether root runs this, and not somebody whom a file's capabilities make strong.
#[must_use]
pub fn is_root() -> bool {
    rustix::process::getuid().is_root()
}

/// The capability that this thread must keep to read maps it has opened, `None` when it needs none. Where
/// `kernel.unprivileged_bpf_disabled` is set, kernels before 5.19 (c8644cd0efe7) refuse every command of bpf(), later ones only
/// those that make something new. Asked of the kernel, because distributions change both.
///
/// # Errors
///
/// What the kernel says when capabilities are put aside for the question.
pub fn needed_for_maps() -> io::Result<Option<Capability>> {
    let held = Sets::of_this_thread()?;
    let able = [Capability::Bpf, Capability::SysAdmin];
    let others = able.iter().fold(held.effective, |mask, capability| mask & !(1 << *capability as u64));
    Sets { effective: others, permitted: held.permitted }.set()?;
    let refused = is_refused();
    held.set()?;
    Ok(able.into_iter().find(|capability| refused && Capabilities(held.effective).has(*capability)))
}

/// Whether bpf() refuses to look into a map, tried on none: who may gets `EBADF`.
fn is_refused() -> bool {
    const LOOK_UP: libc::c_long = 1;
    /// `union bpf_attr` for an element of a map.
    #[repr(C)]
    struct Element {
        map: u32,
        padding: u32,
        key: u64,
        value: u64,
        flags: u64,
    }
    let element = Element { map: u32::MAX, padding: 0, key: 0, value: 0, flags: 0 };
    // SAFETY: the kernel reads `element`, whose size is given, and finds no map by this number: it goes no further.
    let result = unsafe { libc::syscall(libc::SYS_bpf, LOOK_UP, &raw const element, size_of::<Element>()) };
    result < 0 && io::Error::last_os_error().raw_os_error() == Some(libc::EPERM)
}

/// The two sets of a thread that are given up together. Nothing is left to be inherited.
struct Sets {
    effective: u64,
    permitted: u64,
}

/// `struct __user_cap_header_struct`.
#[repr(C)]
struct Header {
    version: u32,
    pid: i32,
}

/// `_LINUX_CAPABILITY_VERSION_3` of the calling thread: 64 bits in two halves.
const HEADER: Header = Header { version: 0x2008_0522, pid: 0 };

/// `struct __user_cap_data_struct`: one half of each set.
#[repr(C)]
#[derive(Clone, Copy, Default)]
struct Half {
    effective: u32,
    permitted: u32,
    inheritable: u32,
}

impl Sets {
    fn of_this_thread() -> io::Result<Self> {
        let (header, mut halves) = (HEADER, [Half::default(); 2]);
        // SAFETY: both places are valid for what version 3 reads and writes: a header and two halves.
        told(unsafe { libc::syscall(libc::SYS_capget, &raw const header, halves.as_mut_ptr()) })?;
        let whole = |of: fn(&Half) -> u32| u64::from(of(&halves[1])) << 32 | u64::from(of(&halves[0]));
        Ok(Self { effective: whole(|half| half.effective), permitted: whole(|half| half.permitted) })
    }

    fn set(&self) -> io::Result<()> {
        let half = |shift: u32| Half {
            effective: (self.effective >> shift) as u32,
            permitted: (self.permitted >> shift) as u32,
            inheritable: 0,
        };
        let (header, halves) = (HEADER, [half(0), half(32)]);
        // SAFETY: both places are valid for what version 3 reads: a header and two halves.
        told(unsafe { libc::syscall(libc::SYS_capset, &raw const header, halves.as_ptr()) })
    }
}

fn told(result: libc::c_long) -> io::Result<()> {
    if result < 0 { Err(io::Error::last_os_error()) } else { Ok(()) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::platform::Root;

    /// Capabilities of the calling thread, as the kernel shows them.
    fn shown(line: &str) -> u64 {
        let status = Root::default().read("/proc/thread-self/status").unwrap();
        let value = status.lines().find_map(|text| text.strip_prefix(line)).unwrap().trim();
        u64::from_str_radix(value, 16).unwrap()
    }

    #[test]
    fn what_is_given_up_is_gone_and_the_rest_is_kept() {
        // A thread of its own: the other tests keep theirs.
        let thread = std::thread::spawn(|| {
            let before = shown("CapPrm:");
            keep(&[Capability::SysPtrace, Capability::DacReadSearch]).unwrap();
            let expected = before & (1 << 19 | 1 << 2);
            assert_eq!((shown("CapPrm:"), shown("CapEff:"), shown("CapInh:")), (expected, expected, 0));
            forbid_new_privileges().unwrap();
            assert_eq!(shown("NoNewPrivs:"), 1);
            keep(&[Capability::Bpf]).unwrap();
            assert_eq!(shown("CapPrm:"), 0, "nothing comes back");
        });
        thread.join().unwrap();
    }

    #[test]
    fn asking_what_maps_need_changes_nothing() {
        let thread = std::thread::spawn(|| {
            let before = (shown("CapPrm:"), shown("CapEff:"));
            let needed = needed_for_maps().unwrap();
            assert_eq!((shown("CapPrm:"), shown("CapEff:")), before);
            assert!(needed.is_none_or(|capability| Capabilities(before.1).has(capability)), "{needed:?}");
        });
        thread.join().unwrap();
    }
}
