//! Attaching and draining the sync programs, and naming what was synced while the process that did it lives.

use std::collections::{BTreeMap, BTreeSet};

use kerno_ebpf_common::block::{
    Counts, FDATASYNC, FSYNC, MSYNC, SYNC_FILE_RANGE, SYNC_ROWS, SYNCFS, SyncKey, SyncTotals, Syncing, WRITE, major, minor,
};
use kerno_signals::{FileSystem, Sync};

use super::{StartError, decode::Sums};
use crate::{
    collector::{
        cgroup_of,
        context::{Context, command},
        load_error::Explained,
        loader::{LoadError, Object},
        running::explained,
    },
    platform::{
        Root, block_device,
        cgroup::Names,
        mounts::Views,
        process::{self, Position},
    },
};

#[cfg(target_arch = "x86_64")]
const ARCHITECTURE: &str = "__x64_sys_";
#[cfg(not(target_arch = "x86_64"))]
const ARCHITECTURE: &str = "__arm64_sys_";

/// Entry program, return program, name of the system call.
const CALLS: [(&str, &str, &str); 5] = [
    ("enter_fsync", "exit_fsync", "fsync"),
    ("enter_fdatasync", "exit_fdatasync", "fdatasync"),
    ("enter_syncfs", "exit_syncfs", "syncfs"),
    ("enter_range", "exit_range", "sync_file_range"),
    ("enter_msync", "exit_msync", "msync"),
];

/// Entry and return of what a synchronous write syncs with.
const VFS: (&str, &str) = ("enter_vfs", "exit_vfs");

/// Whether it is one of the sync programs.
pub fn is_program(program: &str) -> bool {
    program == VFS.0 || CALLS.iter().any(|(enter, _, _)| *enter == program) || is_return(program)
}

fn is_return(program: &str) -> bool {
    program == VFS.1 || CALLS.iter().any(|(_, exit, _)| *exit == program)
}

/// The sync programs and the names found so far.
pub struct Syncs {
    file_systems: BTreeMap<Place, FileSystem>,
    /// By process id and start.
    comms: BTreeMap<(u32, u32), String>,
    /// Why synchronous writes and `msync` are not seen.
    partial: Option<Explained>,
}

impl Syncs {
    /// Attaches the programs. The return of a call first, so that no entry is seen whose return is not.
    pub fn attach(context: &Context, object: &mut Object) -> Result<Self, StartError> {
        let kernel = &context.kernel;
        for (enter, exit, call) in CALLS {
            let function = format!("{ARCHITECTURE}{call}");
            object.attach_exit(kernel, exit, &function)?;
            object.attach_entry(kernel, enter, &function)?;
        }
        let vfs = object
            .attach_exit(kernel, VFS.1, "vfs_fsync_range")
            .and_then(|()| object.attach_entry(kernel, VFS.0, "vfs_fsync_range"));
        Ok(Self { file_systems: BTreeMap::new(), comms: BTreeMap::new(), partial: vfs.err().map(|error| explained(&error)) })
    }

    /// Why synchronous writes and `msync` are not seen, if so.
    pub fn partial(&self) -> Option<Explained> {
        self.partial.clone()
    }

    /// Names the file systems of all syncs so far that have no name yet.
    pub fn name(&mut self, root: &Root, object: &Object) {
        let done = object.entries::<SyncKey, u32>("SYNC_ROW").unwrap_or_default().into_iter().map(|(key, _)| key);
        let open = object.entries::<u64, Syncing>("SYNCING").unwrap_or_default().into_iter().map(|(_, syncing)| syncing.key);
        let mut places = BTreeSet::new();
        for key in done.chain(open).filter(|key| key.device != 0) {
            places.insert(place(&key));
            self.comms.entry((key.tgid, key.start)).or_insert_with(|| process::comm(root, key.tgid).unwrap_or_default());
        }
        // In order of their processes, whose mounts are so read once.
        let mut views = Views::new(root);
        for place in places {
            self.file_systems.entry(place).or_insert_with(|| file_system(root, &mut views, place));
        }
    }

    /// Every process's syncs on every file system. `now` is the window's end.
    pub fn drain(
        &self,
        root: &Root,
        object: &Object,
        cpus: u32,
        names: Option<&Names>,
        now: u64,
    ) -> Result<Vec<Sync>, LoadError> {
        let mut all: BTreeMap<SyncKey, Sync> = BTreeMap::new();
        let mut views = Views::new(root);
        let mut named = |key: &SyncKey, comm, sums: &Sums| self.sync(root, &mut views, key, comm, names, sums);
        let known = object.entries::<SyncKey, u32>("SYNC_ROW")?;
        let used = 0..known.iter().map(|(_, row)| row + 1).max().unwrap_or(0);
        let mut rows = vec![Sums::default(); used.end as usize];
        object.each("SYNC_HIST", used.clone(), |row, counts: &Counts| rows[row as usize].add_counts(counts))?;
        object.copies("SYNC_TOTALS", (cpus, SYNC_ROWS), used.clone(), |row, totals: &SyncTotals| {
            rows[row].add_sync_totals(totals);
        })?;
        let comms = object.rows::<[u8; 16]>("SYNC_COMM", used)?;
        for (key, row) in known {
            all.insert(key, named(&key, command(&comms[row as usize]), &rows[row as usize]));
        }
        let certain = object.missed_by(is_return) == Some(0);
        for (thread, syncing) in object.entries::<u64, Syncing>("SYNCING")? {
            if syncing.key.device == 0 || !is_in_progress(root, thread, syncing.call, certain) {
                continue;
            }
            let comm = self.comms.get(&(syncing.key.tgid, syncing.key.start)).cloned().unwrap_or_default();
            let sync = all.entry(syncing.key).or_insert_with(|| named(&syncing.key, comm, &Sums::default()));
            sync.in_flight += 1;
            sync.oldest_in_flight_ns = sync.oldest_in_flight_ns.max(Some(now.saturating_sub(syncing.at)));
        }
        Ok(all.into_values().collect())
    }

    fn sync(&self, root: &Root, views: &mut Views<'_>, key: &SyncKey, comm: String, names: Option<&Names>, sums: &Sums) -> Sync {
        Sync {
            pid: key.tgid,
            comm,
            cgroup: cgroup_of(names, key.group),
            file_system: self.file_systems.get(&place(key)).cloned().unwrap_or_else(|| file_system(root, views, place(key))),
            latency: sums.latency(),
            errors: sums.errors(),
            in_flight: 0,
            oldest_in_flight_ns: None,
            own: key.tgid == std::process::id(),
        }
    }
}

/// What a file system is named by: the process whose view it is and its start, the device, whether the device itself is written to.
type Place = (u32, u32, u32, u32);

fn place(key: &SyncKey) -> Place {
    (key.tgid, key.start, key.device, key.raw)
}

fn file_system(root: &Root, views: &mut Views<'_>, (tgid, _, device, raw): Place) -> FileSystem {
    let (major, minor) = (major(device), minor(device));
    if raw == 0 {
        return views.file_system(tgid, major, minor);
    }
    let device = block_device::name(root, major, minor);
    let source = device.as_ref().map(|name| format!("/dev/{name}"));
    FileSystem { major, minor, kind: None, mount: None, source, device, in_memory: false }
}

/// Whether the thread is in the call that the entry says. A return that the programs missed leaves an entry behind; it must never
/// be told as a hung sync. `certain` says that no return was missed.
fn is_in_progress(root: &Root, thread: u64, call: u32, certain: bool) -> bool {
    let (tgid, tid) = ((thread >> 32) as u32, thread as u32);
    match process::position(root, tgid, tid) {
        Ok(position) => fits(position, call, certain),
        Err(error) if error.is_not_found() => false,
        // Not allowed to look: uninterruptible sleep is what a sync that hangs does.
        Err(_) => process::thread_stat(root, tgid, tid).is_ok_and(|stat| stat.state == 'D'),
    }
}

/// Calls that write to a file, and with `O_SYNC` sync it.
const WRITES: [i64; 8] = [
    libc::SYS_write,
    libc::SYS_pwrite64,
    libc::SYS_writev,
    libc::SYS_pwritev,
    libc::SYS_pwritev2,
    libc::SYS_copy_file_range,
    libc::SYS_splice,
    libc::SYS_sendfile,
];

fn fits(position: Position, call: u32, certain: bool) -> bool {
    match position {
        // The kernel does not tell the call of a thread that runs.
        Position::Running => certain,
        // A worker of io_uring is in no call of its own.
        Position::Blocked => call == WRITE && certain,
        Position::InSyscall(number) => match call {
            FSYNC => number == libc::SYS_fsync,
            FDATASYNC => number == libc::SYS_fdatasync,
            SYNCFS => number == libc::SYS_syncfs,
            SYNC_FILE_RANGE => number == libc::SYS_sync_file_range,
            MSYNC => number == libc::SYS_msync,
            _ => WRITES.contains(&number),
        },
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_thread_in_another_call_is_not_syncing() {
        let fits = |position, call| fits(position, call, true);
        assert!(fits(Position::InSyscall(libc::SYS_fsync), FSYNC));
        assert!(!fits(Position::InSyscall(libc::SYS_futex), FSYNC));
        assert!(!fits(Position::InSyscall(libc::SYS_fsync), FDATASYNC));
        assert!(fits(Position::InSyscall(libc::SYS_pwrite64), WRITE));
        assert!(!fits(Position::InSyscall(libc::SYS_read), WRITE));
        assert!(fits(Position::Running, MSYNC) && !super::fits(Position::Running, MSYNC, false));
        assert!(fits(Position::Blocked, WRITE) && !super::fits(Position::Blocked, WRITE, false));
        assert!(!fits(Position::Blocked, FSYNC), "a page fault is no fsync");
    }
}
