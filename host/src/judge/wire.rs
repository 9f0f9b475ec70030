//! What kerno and the process that judges say to each other: postcard, each message with its length before it.

use std::collections::BTreeMap;
use std::io::{self, Read, Write};
use std::os::fd::OwnedFd;

use serde::de::DeserializeOwned;
use serde::{Deserialize, Serialize};

use crate::engine::{Bench, Bytes, Candidate, Described, Limits, NoComponent, Settings};
use crate::findings::RuleReport;

/// What is asked of the process that judges.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Request {
    /// The first: what rules may use, and whether others come before it. Answered by [`Reply::Begun`].
    Begin(Limits, Precedence),
    /// Forget all rules; those that come now are set like this, and those with these ids are not used, for a reason.
    Rules(Settings, BTreeMap<String, String>),
    /// One more rule. Answered by [`Reply::Added`].
    Add(Candidate),
    /// What is judged from now on: a snapshot's bytes follow, as a message of their own. Answered by [`Reply::Taken`].
    Snapshot,
    /// Judge it by these rules. Answered by one [`Reply::Report`] a rule.
    Judge(Vec<usize>, Telling),
    /// Measure one rule, whose file holds this, on the snapshot. Answered by [`Reply::Bench`].
    Bench(usize, Candidate),
    /// Make a component of a module. Answered by [`Reply::Component`].
    Component(Vec<u8>),
    /// Make native code of a rule, and run nothing of it. Answered by [`Reply::Compiled`].
    Compile(Candidate),
}

/// When a report is told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Telling {
    /// With others: waking who waits for it takes longer than most rules do.
    Together,
    /// Before the next rule runs, so that it is known which one ends the process.
    AtOnce,
}

/// Whether others come before the process.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub(super) enum Precedence {
    /// Somebody waits for what it says.
    Same,
    /// Nobody waits, and nobody is to wait for a CPU because of it.
    Behind,
}

/// What it answers.
#[derive(Debug, Serialize, Deserialize)]
pub(super) enum Reply {
    /// The walls stand; or why it cannot judge.
    Begun(Result<(), Refusal>),
    Added(Described),
    /// Or why the snapshot cannot be decoded.
    Taken(Result<(), String>),
    /// What a rule said; and whether it trapped, or was stopped at one of its limits.
    Report(RuleReport, bool),
    Bench(Bench),
    Component(Result<Vec<u8>, NoComponent>),
    /// Or why there can be none.
    Compiled(Result<Bytes, String>),
}

/// Why nothing can be judged.
#[derive(Clone, Debug, Serialize, Deserialize)]
pub(super) enum Refusal {
    /// Rules cannot be run.
    Runtime(String),
    /// It can start no thread.
    Threads(String),
    /// It could not be shut in.
    Walls(String),
}

/// A connection that is read and written with the plainest calls there are: no other ones are left to the process that judges.
pub(super) struct Plain(pub(super) OwnedFd);

impl Read for Plain {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        Ok(rustix::io::read(&self.0, buffer)?)
    }
}

impl Write for Plain {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        Ok(rustix::io::write(&self.0, bytes)?)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

/// Longest question that is read: more than any snapshot, less than what would take the memory of a host.
pub(super) const LONGEST_REQUEST: u64 = 1 << 30;
/// Longest answer: more than a rule may say, and than the native code of the largest module; what it unfolds to is some times as much.
pub(super) const fn longest_reply(limits: &Limits) -> u64 {
    (1 << 20) + 16 * limits.module + 2 * limits.result as u64
}

pub(super) fn send<T: Serialize>(stream: &mut impl Write, message: &T) -> io::Result<()> {
    send_bytes(stream, &postcard::to_allocvec(message).map_err(io::Error::other)?)
}

pub(super) fn send_bytes(stream: &mut impl Write, bytes: &[u8]) -> io::Result<()> {
    stream.write_all(&(bytes.len() as u64).to_le_bytes())?;
    stream.write_all(bytes)
}

/// The next message; `None` when the other side has gone.
pub(super) fn receive<T: DeserializeOwned>(stream: &mut impl Read, longest: u64) -> io::Result<Option<T>> {
    let Some(bytes) = receive_bytes(stream, longest)? else { return Ok(None) };
    postcard::from_bytes(&bytes).map(Some).map_err(|error| io::Error::new(io::ErrorKind::InvalidData, error))
}

pub(super) fn receive_bytes(stream: &mut impl Read, longest: u64) -> io::Result<Option<Vec<u8>>> {
    let mut length = [0; 8];
    match stream.read_exact(&mut length) {
        Err(error) if error.kind() == io::ErrorKind::UnexpectedEof => return Ok(None),
        read => read?,
    }
    let length = u64::from_le_bytes(length);
    if length > longest {
        return Err(io::Error::new(io::ErrorKind::InvalidData, format!("a message of {length} bytes")));
    }
    // Room is made for what comes, not for what is announced.
    let mut bytes = Vec::new();
    stream.take(length).read_to_end(&mut bytes)?;
    if bytes.len() as u64 == length { Ok(Some(bytes)) } else { Err(io::ErrorKind::UnexpectedEof.into()) }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn a_message_comes_out_as_it_went_in_and_the_end_is_told_from_a_torn_one() {
        let mut sent = Vec::new();
        send(&mut sent, &Request::Judge(vec![7], Telling::Together)).unwrap();
        send_bytes(&mut sent, b"abc").unwrap();
        let mut stream = &sent[..];
        assert!(matches!(receive(&mut stream, 99).unwrap(), Some(Request::Judge(which, Telling::Together)) if which == [7]));
        assert_eq!(receive_bytes(&mut stream, 99).unwrap().as_deref(), Some(&b"abc"[..]));
        assert!(receive::<Request>(&mut stream, 99).unwrap().is_none());
        let torn = &sent[..sent.len() - 1];
        let mut stream = &torn[sent.len() - 11..];
        assert_eq!(receive_bytes(&mut stream, 99).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        let mut endless = &u64::MAX.to_le_bytes()[..];
        assert_eq!(receive_bytes(&mut endless, 99).unwrap_err().kind(), io::ErrorKind::InvalidData);
    }

    proptest! {
        #[test]
        fn any_bytes_are_a_message_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..200)) {
            let _ = receive::<Reply>(&mut &bytes[..], 1 << 20);
            let mut framed = Vec::new();
            send_bytes(&mut framed, &bytes).unwrap();
            let _ = receive::<Reply>(&mut &framed[..], 1 << 20);
            let _ = receive::<Request>(&mut &framed[..], 1 << 20);
        }
    }
}
