//! Loads kernel objects, attaches their programs and reads their maps. The only user of aya.

mod attach;
mod batch;
mod iterator;
mod kernel;

use std::{
    ops::Range,
    os::fd::{AsFd, AsRawFd},
};

use aya::{
    Ebpf, EbpfError, Pod,
    maps::{Array, HashMap, MapError, Queue, RingBuf},
    programs::{Program, ProgramError},
};
use thiserror::Error;

use super::hooks::Journal;
pub use kernel::Kernel;

/// Why an object or one of its programs cannot be used.
#[derive(Debug, Error)]
pub enum LoadError {
    /// The kernel's type information cannot be used.
    #[error("cannot read the kernel's type information")]
    Btf(#[source] aya::BtfError),
    /// The object itself or one of its maps.
    #[error("cannot load the object of collector {object}")]
    Object {
        /// Its name.
        object: &'static str,
        /// What aya or the kernel said.
        #[source]
        source: Box<EbpfError>,
    },
    /// The kernel does not take a program.
    #[error("cannot load program {program}")]
    Program {
        /// Its name.
        program: &'static str,
        /// What aya or the kernel said, with the verifier's log.
        #[source]
        source: Box<ProgramError>,
    },
    /// The kernel takes a program but does not run it.
    #[error("cannot attach program {program}")]
    Attach {
        /// Its name.
        program: &'static str,
        /// What aya or the kernel said.
        #[source]
        source: Box<ProgramError>,
    },
    /// An iterator program cannot be read.
    #[error("cannot read what program {program} tells")]
    Walk {
        /// Its name.
        program: &'static str,
        /// What the kernel said.
        #[source]
        source: std::io::Error,
    },
    /// A map cannot be read or written.
    #[error("cannot use map {map}")]
    Map {
        /// Its name.
        map: &'static str,
        /// What aya or the kernel said.
        #[source]
        source: Box<MapError>,
    },
    /// The object is of another build than this program.
    #[error("the object has no {0}")]
    Absent(&'static str),
}

/// A loaded object. Its programs are detached when it is dropped.
pub struct Object {
    name: &'static str,
    ebpf: Ebpf,
    journal: Journal,
    attached: Vec<&'static str>,
}

impl Object {
    /// Creates the maps of an object. `globals` are set before its programs are loaded, `sizes` are entries of maps that depend on
    /// this machine.
    ///
    /// # Errors
    ///
    /// When the object is damaged or a map cannot be created.
    pub fn open(
        kernel: &Kernel,
        object: &'static str,
        bytes: &[u8],
        globals: &[(&'static str, u32)],
        sizes: &[(&'static str, u32)],
    ) -> Result<Self, LoadError> {
        let ebpf = kernel.load(object, bytes, globals, sizes)?;
        Ok(Self { name: object, ebpf, journal: kernel.journal.clone(), attached: vec![] })
    }

    /// Notes what is attached from now on under another collector's name: two may share an object.
    pub fn attach_for(&mut self, collector: &'static str) {
        self.name = collector;
    }

    /// Events that the attached programs that `which` picks did not run for, because one of the same program was interrupted on that
    /// CPU: since 7.0 tracepoint programs can be preempted. `None` when the count of one cannot be read. Kernels before 5.12 neither
    /// skip events nor have the count.
    #[must_use]
    pub fn missed_by(&self, which: impl Fn(&str) -> bool) -> Option<u64> {
        self.attached.iter().filter(|program| which(program)).map(|program| self.missed_by_one(program)).sum()
    }

    fn missed_by_one(&self, program: &str) -> Option<u64> {
        let fd = self.fd_of(program)?;
        let text = crate::platform::Root::default().read(format!("/proc/self/fdinfo/{fd}")).ok()?;
        Some(recursion_misses(&text))
    }

    /// Value of an array's entry.
    ///
    /// # Errors
    ///
    /// When there is no such map or entry.
    pub fn get<V: Pod>(&self, map: &'static str, index: u32) -> Result<V, LoadError> {
        let found = self.ebpf.map(map).ok_or(LoadError::Absent(map))?;
        let array: Array<_, V> = Array::try_from(found).map_err(map_error(map))?;
        array.get(&index, 0).map_err(map_error(map))
    }

    /// Takes all records out of a ring buffer, oldest first.
    ///
    /// # Errors
    ///
    /// When there is no such map or it cannot be read.
    pub fn ring(&mut self, map: &'static str) -> Result<Vec<Vec<u8>>, LoadError> {
        let found = self.ebpf.map_mut(map).ok_or(LoadError::Absent(map))?;
        let mut ring = RingBuf::try_from(found).map_err(map_error(map))?;
        let mut records = Vec::new();
        while let Some(record) = ring.next() {
            records.push(record.to_vec());
        }
        Ok(records)
    }

    /// Sets an array's entry.
    ///
    /// # Errors
    ///
    /// When there is no such map or entry.
    pub fn set<V: Pod>(&mut self, map: &'static str, index: u32, value: V) -> Result<(), LoadError> {
        let found = self.ebpf.map_mut(map).ok_or(LoadError::Absent(map))?;
        let mut array: Array<_, V> = Array::try_from(found).map_err(map_error(map))?;
        array.set(index, value, 0).map_err(map_error(map))
    }

    /// Removes an entry of a hash; one that is not there is no error.
    ///
    /// # Errors
    ///
    /// When there is no such map or it cannot be written.
    pub fn remove<K: Pod, V: Pod>(&mut self, map: &'static str, key: &K) -> Result<(), LoadError> {
        let found = self.ebpf.map_mut(map).ok_or(LoadError::Absent(map))?;
        let mut hash: HashMap<_, K, V> = HashMap::try_from(found).map_err(map_error(map))?;
        match hash.remove(key) {
            Ok(()) | Err(MapError::KeyNotFound) => Ok(()),
            Err(MapError::SyscallError(error)) if error.io_error.kind() == std::io::ErrorKind::NotFound => Ok(()),
            Err(source) => Err(map_error(map)(source)),
        }
    }

    /// Puts numbers into a queue.
    ///
    /// # Errors
    ///
    /// When there is no such map or no room.
    pub fn fill(&mut self, map: &'static str, numbers: Range<u32>) -> Result<(), LoadError> {
        let found = self.ebpf.map_mut(map).ok_or(LoadError::Absent(map))?;
        let mut queue: Queue<_, u32> = Queue::try_from(found).map_err(map_error(map))?;
        numbers.into_iter().try_for_each(|number| queue.push(number, 0)).map_err(map_error(map))
    }

    fn program<'a, P>(&'a mut self, program: &'static str) -> Result<P, LoadError>
    where
        P: TryFrom<&'a mut Program, Error = ProgramError>,
    {
        let found = self.ebpf.program_mut(program).ok_or(LoadError::Absent(program))?;
        found.try_into().map_err(load_error(program))
    }

    fn fd_of(&self, program: &str) -> Option<i32> {
        Some(self.ebpf.program(program)?.fd().ok()?.as_fd().as_raw_fd())
    }
}

fn load_error(program: &'static str) -> impl Fn(ProgramError) -> LoadError {
    move |source| LoadError::Program { program, source: Box::new(source) }
}

fn attach_error(program: &'static str) -> impl Fn(ProgramError) -> LoadError {
    move |source| LoadError::Attach { program, source: Box::new(source) }
}

fn map_error(map: &'static str) -> impl Fn(MapError) -> LoadError {
    move |source| LoadError::Map { map, source: Box::new(source) }
}

fn recursion_misses(fdinfo: &str) -> u64 {
    let value = |line: &str| line.strip_prefix("recursion_misses:")?.trim().parse().ok();
    fdinfo.lines().find_map(value).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn misses_are_read_from_fdinfo() {
        assert_eq!(recursion_misses("pos:\t0\nprog_type:\t26\nrecursion_misses:\t17\nverified_insns:\t9\n"), 17);
        assert_eq!(recursion_misses("pos:\t0\nprog_type:\t26\n"), 0);
    }
}
