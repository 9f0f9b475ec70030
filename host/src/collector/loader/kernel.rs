//! What every object needs of the kernel, read once: its types, and aya's loader.

use std::{
    cell::RefCell,
    collections::{BTreeMap, BTreeSet, HashMap},
};

use aya::{Btf, Ebpf, EbpfError, EbpfLoader, Endianness};
use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use super::{super::hooks::Journal, LoadError};
use crate::platform::btf;

/// What every object needs of the kernel.
pub struct Kernel {
    /// Functions and tracepoints that programs attach to.
    pub(super) targets: Btf,
    /// What was attached.
    pub(super) journal: Journal,
    loader: RefCell<Loader>,
    /// Larger globals, by name.
    tables: RefCell<BTreeMap<&'static str, &'static [u8]>>,
}

impl Kernel {
    /// Takes over the kernel's types, and lifts the limit on locked memory, which kernels before 5.11 charge maps and programs to.
    ///
    /// # Errors
    ///
    /// When the types cannot be used.
    pub fn open(types: &btf::Btf) -> Result<Self, LoadError> {
        lift_memory_limit();
        let targets = Btf::parse(&types.targets(), Endianness::default()).map_err(LoadError::Btf)?;
        Ok(Self { targets, journal: Journal::default(), loader: RefCell::new(Loader::new()), tables: RefCell::default() })
    }

    /// What was attached so far, and will be.
    #[must_use]
    pub fn journal(&self) -> &Journal {
        &self.journal
    }

    /// Gives the bytes of a global to every object that has it.
    pub fn table(&self, global: &'static str, bytes: &'static [u8]) {
        self.tables.borrow_mut().insert(global, bytes);
    }

    /// Creates the maps of an object.
    pub(super) fn load(
        &self,
        object: &'static str,
        bytes: &[u8],
        globals: &[(&'static str, u32)],
        sizes: &[(&'static str, u32)],
    ) -> Result<Ebpf, LoadError> {
        let failed = |source| LoadError::Object { object, source: Box::new(source) };
        let (mut loader, tables) = (self.loader.borrow_mut(), self.tables.borrow());
        let load = |loader: &mut Loader| {
            for (global, bytes) in tables.iter() {
                loader.aya.override_global(global, *bytes, false);
            }
            loader.load(bytes, globals, sizes).map_err(failed)
        };
        let mut loaded = load(&mut loader)?;
        // aya does not forget the size that a map of an earlier object was given: one of that name has a size of its own here.
        let is_given = |map: &str| sizes.iter().any(|(given, _)| *given == map);
        if loader.sized.iter().any(|map| !is_given(map) && loaded.map(map).is_some()) {
            *loader = Loader::new();
            loaded = load(&mut loader)?;
        }
        loader.sized.extend(sizes.iter().map(|(map, _)| *map));
        Ok(loaded)
    }
}

/// One loader for all objects: each that is made reads all of the kernel's types, wanted or not.
struct Loader {
    aya: EbpfLoader<'static>,
    /// Globals that were set for the object before.
    set: BTreeSet<&'static str>,
    /// Maps that were given a size for any object.
    sized: BTreeSet<&'static str>,
    numbers: HashMap<u32, &'static u32>,
}

impl Loader {
    fn new() -> Self {
        let mut aya = EbpfLoader::new();
        // Objects made from Rust have no relocations against the kernel's types: what was just read is given back.
        aya.btf(None);
        Self { aya, set: BTreeSet::new(), sized: BTreeSet::new(), numbers: HashMap::new() }
    }

    fn load(&mut self, bytes: &[u8], globals: &[(&'static str, u32)], sizes: &[(&'static str, u32)]) -> Result<Ebpf, EbpfError> {
        // What the object before was given is 0 again, as every global is by itself.
        for name in std::mem::take(&mut self.set) {
            let zero = self.number(0);
            self.aya.override_global(name, zero, false);
        }
        for (name, value) in globals {
            let value = self.number(*value);
            self.aya.override_global(name, value, true);
            self.set.insert(*name);
        }
        for (map, entries) in sizes {
            self.aya.map_max_entries(map, *entries);
        }
        self.aya.load(bytes)
    }

    /// The number at a place that outlives the loader, which keeps references: a few hundred bytes in all, never given back.
    fn number(&mut self, value: u32) -> &'static u32 {
        self.numbers.entry(value).or_insert_with(|| Box::leak(Box::new(value)))
    }
}

/// As far as this process may. Where that is not far enough, creating a map fails and is explained.
fn lift_memory_limit() {
    let unlimited = Rlimit { current: None, maximum: None };
    if setrlimit(Resource::Memlock, unlimited).is_err() {
        let Rlimit { maximum, .. } = getrlimit(Resource::Memlock);
        let _ = setrlimit(Resource::Memlock, Rlimit { current: maximum, maximum });
    }
}
