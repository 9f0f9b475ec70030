//! Many entries of a map with one call: `BPF_MAP_LOOKUP_BATCH` (5.6), which aya does not have.

use std::{
    io,
    ops::Range,
    os::fd::{AsFd, AsRawFd, BorrowedFd},
};

use aya::{
    Pod,
    maps::{Array, HashMap, IterableMap, MapError},
    sys::SyscallError,
};

use super::{LoadError, Object, map_error};

/// The call, as `bpf` numbers them.
const BPF_MAP_LOOKUP_BATCH: libc::c_int = 24;

/// Bytes of values that are read at once.
const PIECE: usize = 64 << 10;

impl Object {
    /// Hands over entries of an array, in order.
    ///
    /// # Errors
    ///
    /// When there is no such map or entry, or it cannot be read.
    pub fn each<V: Pod>(&self, map: &'static str, rows: Range<u32>, mut take: impl FnMut(u32, &V)) -> Result<(), LoadError> {
        let found = self.ebpf.map(map).ok_or(LoadError::Absent(map))?;
        let array: Array<_, V> = Array::try_from(found).map_err(map_error(map))?;
        let mut batch = Batch::<u32, V>::new(rows.len());
        // The kernel goes on after the key that it is given.
        let mut last = rows.start.wrapping_sub(1);
        let mut left = rows.len();
        while left > 0 {
            batch.read(array.map().fd().as_fd(), Some(last), left).map_err(call_error(map))?;
            let read = batch.keys.len();
            let Some(key) = batch.keys.last().filter(|_| read <= left) else {
                return Err(call_error(map)(io::ErrorKind::UnexpectedEof.into()));
            };
            last = *key;
            left -= read;
            batch.keys.iter().zip(&batch.values).for_each(|(row, value)| take(*row, value));
        }
        Ok(())
    }

    /// Entries of an array.
    ///
    /// # Errors
    ///
    /// When there is no such map or entry, or it cannot be read.
    pub fn rows<V: Pod>(&self, map: &'static str, rows: Range<u32>) -> Result<Vec<V>, LoadError> {
        let mut values = Vec::with_capacity(rows.len());
        self.each(map, rows, |_, value| values.push(*value))?;
        Ok(values)
    }

    /// Hands over rows of an array that holds several `(copies, each of so many rows)` of them, one copy after the other.
    ///
    /// # Errors
    ///
    /// When there is no such map or entry, or it cannot be read.
    pub fn copies<V: Pod>(
        &self,
        map: &'static str,
        (copies, size): (u32, u32),
        rows: Range<u32>,
        mut take: impl FnMut(usize, &V),
    ) -> Result<(), LoadError> {
        (0..copies).map(|copy| copy * size).try_for_each(|first| {
            self.each(map, first + rows.start..first + rows.end, |row, value| take((row - first) as usize, value))
        })
    }

    /// All entries of a hash. Entries that come and go meanwhile may be left out, or be there twice.
    ///
    /// # Errors
    ///
    /// When there is no such map or it cannot be read.
    pub fn entries<K: Pod, V: Pod>(&self, map: &'static str) -> Result<Vec<(K, V)>, LoadError> {
        let found = self.ebpf.map(map).ok_or(LoadError::Absent(map))?;
        let hash: HashMap<_, K, V> = HashMap::try_from(found).map_err(map_error(map))?;
        let mut entries = Vec::new();
        let mut batch = Batch::<K, V>::new(usize::MAX);
        let mut next = None;
        loop {
            match batch.read(hash.map().fd().as_fd(), next, usize::MAX) {
                Ok(cursor) => {
                    entries.extend(batch.keys.iter().copied().zip(batch.values.iter().copied()));
                    next = cursor;
                    if next.is_none() {
                        return Ok(entries);
                    }
                }
                // A bucket has more entries than there was room for.
                Err(error) if error.raw_os_error() == Some(libc::ENOSPC) => batch.room *= 2,
                Err(error) => return Err(call_error(map)(error)),
            }
        }
    }
}

/// Entries that were read at once.
struct Batch<K, V> {
    keys: Vec<K>,
    values: Vec<V>,
    room: usize,
}

/// What the kernel is asked, as in `union bpf_attr`.
#[repr(C)]
struct Attributes {
    from: u64,
    next: u64,
    keys: u64,
    values: u64,
    count: u32,
    map: u32,
    element_flags: u64,
    flags: u64,
}

impl<K: Pod, V: Pod> Batch<K, V> {
    /// With room for a piece of `most` entries.
    fn new(most: usize) -> Self {
        let room = (PIECE / size_of::<V>().max(1)).clamp(1, most.max(1));
        Self { keys: Vec::new(), values: Vec::new(), room }
    }

    /// Reads up to `most` entries from where the last read ended; where the next one begins, `None` when there is none.
    fn read(&mut self, map: BorrowedFd<'_>, from: Option<u32>, most: usize) -> io::Result<Option<u32>> {
        let room = self.room.min(most);
        self.keys.clear();
        self.values.clear();
        self.keys.reserve(room);
        self.values.reserve(room);
        let mut next = 0_u32;
        let mut attributes = Attributes {
            from: from.as_ref().map_or(0, |from| &raw const *from as u64),
            next: &raw mut next as u64,
            keys: self.keys.as_mut_ptr() as u64,
            values: self.values.as_mut_ptr() as u64,
            count: u32::try_from(room).unwrap_or(u32::MAX),
            map: map.as_raw_fd().cast_unsigned(),
            element_flags: 0,
            flags: 0,
        };
        // SAFETY: the kernel writes a cursor of four bytes, and `count` keys and values at most: both have that much room, and the
        // map's sizes of both were compared with the types' when it was opened.
        let result = unsafe { libc::syscall(libc::SYS_bpf, BPF_MAP_LOOKUP_BATCH, &raw mut attributes, size_of::<Attributes>()) };
        let error = if result == 0 { None } else { Some(io::Error::last_os_error()) };
        let is_last = error.as_ref().is_some_and(|error| error.raw_os_error() == Some(libc::ENOENT));
        if let Some(error) = error.filter(|_| !is_last) {
            return Err(error);
        }
        let read = (attributes.count as usize).min(room);
        // SAFETY: the kernel has written so many of each, and any bytes are a value of a `Pod`.
        unsafe {
            self.keys.set_len(read);
            self.values.set_len(read);
        }
        Ok((!is_last).then_some(next))
    }
}

fn call_error(map: &'static str) -> impl Fn(io::Error) -> LoadError {
    move |io_error| map_error(map)(MapError::SyscallError(SyscallError { call: "bpf(BPF_MAP_LOOKUP_BATCH)", io_error }))
}
