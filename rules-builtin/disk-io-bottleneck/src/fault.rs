//! Signals of the same storage are one fault: fsync, writes and reads of a device, and what is stacked on it.

use kerno_rules_sdk::prelude::*;

use crate::breach::{Breach, Subject};

/// One slow piece of storage.
pub(crate) struct Fault {
    /// Never empty; the worst is first.
    pub breaches: Vec<Breach>,
}

impl Fault {
    pub fn worst(&self) -> &Breach {
        &self.breaches[0]
    }

    /// The slow device that serves most mounts: the lowest of those that are slow.
    pub fn device(&self) -> Option<&Device> {
        let mut lowest: Option<&Device> = None;
        for breach in &self.breaches {
            if let Subject::Requests(requests) = &breach.subject
                && lowest.is_none_or(|device| requests.device.mounts.len() > device.mounts.len())
            {
                lowest = Some(&requests.device);
            }
        }
        lowest
    }

    /// The slowest file system of it.
    pub fn file_system(&self) -> Option<&FileSystemSync> {
        self.breaches.iter().find_map(|breach| match &breach.subject {
            Subject::Syncs(system) => Some(system),
            Subject::Requests(_) => None,
        })
    }
}

/// Faults, worst first.
pub(crate) fn group(breaches: Vec<Breach>) -> Vec<Fault> {
    let mut faults: Vec<Fault> = Vec::new();
    for breach in breaches {
        let (mut same, others): (Vec<Fault>, Vec<Fault>) =
            faults.into_iter().partition(|fault| fault.breaches.iter().any(|known| is_same_storage(known, &breach)));
        faults = others;
        let mut merged: Vec<Breach> = same.drain(..).flat_map(|fault| fault.breaches).collect();
        merged.push(breach);
        faults.push(Fault { breaches: merged });
    }
    for fault in &mut faults {
        worst_first(&mut fault.breaches, Breach::is_worse_than);
    }
    worst_first(&mut faults, |a, b| a.worst().is_worse_than(b.worst()));
    faults
}

fn is_same_storage(a: &Breach, b: &Breach) -> bool {
    match (&a.subject, &b.subject) {
        (Subject::Requests(a), Subject::Requests(b)) => {
            a.device.name == b.device.name || a.device.mounts.iter().any(|mount| b.device.mounts.contains(mount))
        }
        (Subject::Requests(device), Subject::Syncs(system)) | (Subject::Syncs(system), Subject::Requests(device)) => {
            serves(&device.device, &system.file_system)
        }
        (Subject::Syncs(a), Subject::Syncs(b)) => a.file_system.device.is_some() && a.file_system.device == b.file_system.device,
    }
}

/// A device serves a file system that is mounted from it, from a partition, or from a device stacked on it.
pub(crate) fn serves(device: &Device, system: &FileSystem) -> bool {
    system.device.as_deref() == Some(device.name.as_str())
        || (system.major, system.minor) == (device.major, device.minor)
        || system.mount.as_ref().is_some_and(|mount| device.mounts.contains(mount))
}
