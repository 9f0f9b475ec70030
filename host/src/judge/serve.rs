//! The process that judges, from the inside: takes rules and snapshots from whom it belongs to, and answers with what they say.

use std::io::{self, Write};
use std::os::fd::AsFd;
use std::os::unix::net::UnixStream;
use std::sync::Arc;
use std::time::{Duration, Instant};

use kerno_signals::Snapshot;

use super::confine;
use super::wire::{LONGEST_REQUEST, Plain, Precedence, Refusal, Reply, Request, Telling, receive, receive_bytes, send};
use crate::engine::{self, Limits, RuleSet, Runtime, Settings};
use crate::platform::privileges;

/// Reports that are told together, bytes; and how long the first of them waits for the others.
const ENOUGH: usize = 64 << 10;
const LATE: Duration = Duration::from_millis(20);

/// Niceness of what nobody waits for: from 10 on, who waits for a CPU is background work.
const BEHIND: i32 = 10;

/// Judges for the process at the other end of standard input, until that goes away.
///
/// # Errors
/// It is asked for what it does not know, or cannot answer.
pub fn serve() -> io::Result<()> {
    privileges::close_others()?;
    let stdin = io::stdin();
    let stream = UnixStream::from(stdin.as_fd().try_clone_to_owned()?);
    // A terminal or a pipe has nobody at its end who speaks to it.
    stream.peer_addr()?;
    // Read and written with the plainest calls there are.
    let mut stream = Plain(stream.into());
    let Some(Request::Begin(limits, precedence)) = receive(&mut stream, LONGEST_REQUEST)? else { return Ok(()) };
    if precedence == Precedence::Behind {
        // Compiling goes on all the same where that cannot be had.
        let _ = rustix::process::setpriority_process(None, BEHIND);
    }
    let runtime = begin(&limits);
    let refusal = runtime.as_ref().err().cloned();
    send(&mut stream, &Reply::Begun(refusal.map_or(Ok(()), Err)))?;
    let Ok(runtime) = runtime else { return Ok(()) };
    let mut rules = runtime.without_rules(Settings::default(), Default::default());
    let mut snapshot = None;
    while let Some(request) = receive(&mut stream, LONGEST_REQUEST)? {
        match request {
            Request::Begin(..) => return Err(io::Error::other("it was begun twice")),
            Request::Rules(settings, off) => rules = rules.emptied(settings, off),
            Request::Add(candidate) => send(&mut stream, &Reply::Added(rules.add(candidate)))?,
            Request::Snapshot => {
                let bytes = receive_bytes(&mut stream, LONGEST_REQUEST)?.unwrap_or_default();
                let taken = Snapshot::from_postcard(&bytes).map(|taken| snapshot = Some(Arc::new(taken)));
                send(&mut stream, &Reply::Taken(taken.map_err(|error| error.to_string())))?;
            }
            Request::Judge(which, telling) => judge(&mut stream, &rules, which, telling, there(snapshot.as_ref())?)?,
            Request::Bench(index, candidate) => {
                send(&mut stream, &Reply::Bench(rules.bench(index, candidate, there(snapshot.as_ref())?)))?;
            }
            Request::Component(bytes) => send(&mut stream, &Reply::Component(engine::component_of(bytes)))?,
            Request::Compile(candidate) => send(&mut stream, &Reply::Compiled(rules.compile(candidate)))?,
        }
    }
    Ok(())
}

/// All that needs a thread or a file is made between the walls and the last of them.
fn begin(limits: &Limits) -> Result<Runtime, Refusal> {
    let walls = |error: io::Error| Refusal::Walls(error.to_string());
    confine::enclose(limits).map_err(walls)?;
    let runtime = Runtime::new(limits).map_err(|error| Refusal::Runtime(error.to_string()))?;
    runtime.start_threads().map_err(|error| Refusal::Threads(error.to_string()))?;
    confine::seal(limits).map_err(walls)?;
    Ok(runtime)
}

fn judge(stream: &mut Plain, rules: &RuleSet, which: Vec<usize>, telling: Telling, snapshot: &Arc<Snapshot>) -> io::Result<()> {
    let (mut together, mut told) = (Vec::new(), Instant::now());
    rules.judge_each(which.into_iter(), snapshot, |report, stopped| {
        send(&mut together, &Reply::Report(report, stopped))?;
        if telling == Telling::AtOnce || together.len() > ENOUGH || told.elapsed() > LATE {
            stream.write_all(&together)?;
            together.clear();
            told = Instant::now();
        }
        Ok::<_, io::Error>(())
    })?;
    stream.write_all(&together)
}

fn there(snapshot: Option<&Arc<Snapshot>>) -> io::Result<&Arc<Snapshot>> {
    snapshot.ok_or_else(|| io::Error::other("it has no snapshot to judge"))
}
