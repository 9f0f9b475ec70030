//! Which capabilities are kept at which stage of a window; what is given up does not come back.

use std::io;

use crate::platform::{capabilities::Capability, patience, privileges};

/// What the collectors' readers of `/proc` and of other users' files need to the end.
const READING: [Capability; 2] = [Capability::SysPtrace, Capability::DacReadSearch];

/// Programs are attached: from now on kerno only reads. `CAP_BPF` stays where the kernel wants it for reading maps,
/// `CAP_DAC_OVERRIDE` where a recording is still to be written, into a directory that may be another user's.
pub(super) fn measuring(recording: bool) {
    let mut kept = READING.to_vec();
    kept.extend(recording.then_some(Capability::DacOverride));
    patience::end();
    give_up(privileges::needed_for_maps().and_then(|needed| {
        kept.extend(needed);
        privileges::keep(&kept)
    }));
}

/// Everything is read: rules are judged without any right over other processes or the kernel. Their directories may still be
/// another user's.
pub(super) fn judging() {
    patience::end();
    give_up(privileges::keep(&[Capability::DacReadSearch]));
}

/// Files are read and written for whoever asked for it, with no right that is not theirs: of root's own that over others' files.
pub(super) fn changing() {
    patience::end();
    let kept: &[Capability] = if privileges::is_root() { &[Capability::DacOverride] } else { &[] };
    give_up(privileges::keep(kept));
}

/// A thread that only listens.
pub(super) fn listening() {
    give_up(privileges::keep(&[]));
}

fn give_up(result: io::Result<()>) {
    if let Err(error) = result {
        tracing::warn!(%error, "capabilities that are not needed any more are kept");
    }
}
