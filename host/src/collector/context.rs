//! What collectors need to start and to name what they saw: the kernel's types, its control groups, this machine's CPUs.

use std::{cell::OnceCell, cell::RefCell, rc::Rc};

use thiserror::Error;

use super::{
    fields::{self, Field},
    loader::{Kernel, LoadError},
    tasks::{Shared, Tasks},
};
use crate::platform::{
    self, Root,
    btf::{Btf, BtfError},
    cgroup::{Names, Version},
    host,
};

/// Why a collector cannot use eBPF.
#[derive(Debug, Error)]
pub enum StartError {
    /// This kerno was built without the collector's kernel programs.
    #[error("its kernel programs are not built in")]
    NotBuiltIn,
    /// The kernel's type information cannot be read.
    #[error(transparent)]
    Btf(#[from] BtfError),
    /// The kernel has no such struct or member.
    #[error("this kernel has no `{}` in `{}`", .0.path, .0.structure)]
    NoField(Field),
    /// The kernel has no such tracepoint.
    #[error("this kernel has no tracepoint `{0}`")]
    NoTracepoint(&'static str),
    /// An object, program or map cannot be used.
    #[error(transparent)]
    Load(#[from] LoadError),
    /// A fact about this host cannot be read.
    #[error(transparent)]
    Platform(#[from] platform::Error),
}

impl From<Field> for StartError {
    fn from(field: Field) -> Self {
        Self::NoField(field)
    }
}

/// Read once, before any collector starts.
pub struct Context {
    /// The host's files.
    pub root: Root,
    /// The kernel's types.
    pub btf: Btf,
    /// What the loader needs of it.
    pub kernel: Kernel,
    /// CPUs that can exist.
    pub cpus: u32,
    /// Whether the cpu controller is on cgroup v1.
    pub cgroup_v1: bool,
    /// The collector whose programs are to see nothing.
    silence: Option<&'static str>,
    /// The object that two collectors share, once one has opened it.
    tasks: OnceCell<Shared>,
}

impl Context {
    /// Reads it.
    ///
    /// # Errors
    ///
    /// When the kernel has no type information.
    pub fn read(root: &Root, names: Option<&Names>, silence: Option<&'static str>) -> Result<Self, StartError> {
        let btf = Btf::vmlinux()?;
        Ok(Self {
            kernel: Kernel::open(&btf)?,
            btf,
            cpus: host::facts(root, None)?.possible_cpus,
            cgroup_v1: names.is_some_and(|names| names.hierarchy().version == Version::V1),
            root: root.clone(),
            silence,
            tasks: OnceCell::new(),
        })
    }

    /// Globals of every object: kerno's process, and whether a test has silenced this collector.
    #[must_use]
    pub fn common_globals(&self, name: &str) -> Vec<(&'static str, u32)> {
        vec![("OWN_TGID", std::process::id()), ("SILENCED", u32::from(self.silenced(name)))]
    }

    /// Whether a test wants the programs of this collector to see nothing.
    #[must_use]
    pub fn silenced(&self, name: &str) -> bool {
        self.silence == Some(name)
    }

    /// The object that follows tasks, opened by the first that asks.
    ///
    /// # Errors
    ///
    /// When it cannot be opened; the next that asks tries again.
    pub fn tasks(&self) -> Result<Shared, StartError> {
        if let Some(tasks) = self.tasks.get() {
            return Ok(Rc::clone(tasks));
        }
        let opened = Rc::new(RefCell::new(Tasks::open(self)?));
        Ok(Rc::clone(self.tasks.get_or_init(|| opened)))
    }

    /// Copies of a histogram that CPUs share: one per CPU up to `most`, a power of two because programs mask with it.
    #[must_use]
    pub fn shards(&self, most: u32) -> u32 {
        self.cpus.next_power_of_two().min(most)
    }

    /// Globals for the members in `fields`.
    ///
    /// # Errors
    ///
    /// The first member that this kernel does not have.
    pub fn globals(&self, fields: &[Field]) -> Result<Vec<(&'static str, u32)>, StartError> {
        Ok(fields::resolve(&self.btf, fields)?)
    }

    /// Globals for the control group of a task.
    ///
    /// # Errors
    ///
    /// When this kernel's tasks have no control groups.
    pub fn cgroup_globals(&self) -> Result<Vec<(&'static str, u32)>, StartError> {
        const CONTROLLER: Field = Field { global: "CPU_CONTROLLER", structure: "cgroup_subsys_id", path: "cpu_cgrp_id" };
        if !self.cgroup_v1 {
            return self.globals(fields::CGROUP_V2);
        }
        let index = self.btf.enum_value(CONTROLLER.structure, CONTROLLER.path).ok_or(CONTROLLER)?;
        let mut globals = self.globals(fields::CGROUP_V1)?;
        globals.extend([("CGROUP_V1", 1), (CONTROLLER.global, index)]);
        Ok(globals)
    }
}

/// A command name as the kernel keeps it: up to the first NUL.
#[must_use]
pub fn command(comm: &[u8; 16]) -> String {
    let name = comm.split(|byte| *byte == 0).next().unwrap_or_default();
    String::from_utf8_lossy(name).into_owned()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn commands_end_at_the_first_nul() {
        assert_eq!(command(b"postgres\0ostgres"), "postgres");
        assert_eq!(command(b"0123456789abcdef"), "0123456789abcdef");
        assert_eq!(command(&[0; 16]), "");
    }
}
