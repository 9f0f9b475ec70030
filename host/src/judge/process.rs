//! The child that judges, from the outside: how it is started, asked, and ended.

use std::io::{self, BufReader, Read, Write};
use std::os::fd::OwnedFd;
use std::os::unix::net::UnixStream;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::time::{Duration, Instant};

use tracing::level_filters::LevelFilter;

use super::wire::{Precedence, Refusal, Reply, Request, longest_reply, receive, send, send_bytes};
use crate::engine::Limits;

/// The hidden subcommand that it runs.
const COMMAND: &str = "judge";

/// How long an answer may take beyond what a rule may: hosts in trouble are slow.
pub(super) const PATIENCE: Duration = Duration::from_secs(30);

/// What is read at a time, bytes: many reports.
const BUFFER: usize = 64 << 10;

/// Why nothing is judged.
#[derive(Debug, thiserror::Error)]
pub enum JudgeError {
    /// There is no process.
    #[error("the process that judges cannot be started")]
    Start(#[source] io::Error),
    /// It started and could not be shut in.
    #[error("the process that judges cannot be shut in: {0}")]
    Walls(String),
    /// It has no room for rules.
    #[error("{0}")]
    Runtime(String),
    /// It can start no thread.
    #[error("{0}")]
    Threads(String),
    /// It ended again and again.
    #[error("the process that judges {0}")]
    Ended(String),
    /// The snapshot is none.
    #[error("the snapshot cannot be decoded: {0}")]
    Snapshot(String),
}

/// The child, and the connection to it.
pub(super) struct Process {
    child: Child,
    connection: BufReader<Connection>,
    /// Longest answer that it may give, bytes.
    longest: u64,
}

impl Process {
    pub(super) fn start(program: &Path, limits: &Limits, precedence: Precedence) -> Result<Self, JudgeError> {
        let (ours, theirs) = UnixStream::pair().map_err(JudgeError::Start)?;
        let mut command = Command::new(program);
        // Nothing of what this process knows, but what it is to log.
        command.arg0("kerno").arg(COMMAND).env_clear();
        match LevelFilter::current().into_level() {
            Some(level) => command.env("KERNO_LOG", format!("kerno={level}")),
            None => command.stderr(Stdio::null()),
        };
        // Ctrl-C ends the window, not who judges it.
        command.process_group(0).stdin(Stdio::from(OwnedFd::from(theirs))).stdout(Stdio::null());
        let connection = BufReader::with_capacity(BUFFER, Connection { stream: ours, until: Instant::now() });
        let child = command.spawn().map_err(JudgeError::Start)?;
        let mut process = Self { child, connection, longest: longest_reply(limits) };
        // What the child has is its own from now on: its end is told by its socket.
        drop(command);
        let asked = process.ask(&Request::Begin(limits.clone(), precedence));
        match asked.and_then(|()| process.answer(PATIENCE)) {
            Ok(Reply::Begun(Ok(()))) => Ok(process),
            Ok(Reply::Begun(Err(Refusal::Runtime(why)))) => Err(JudgeError::Runtime(why)),
            Ok(Reply::Begun(Err(Refusal::Threads(why)))) => Err(JudgeError::Threads(why)),
            Ok(Reply::Begun(Err(Refusal::Walls(why)))) => Err(JudgeError::Walls(why)),
            Ok(other) => Err(JudgeError::Ended(process.end(&unexpected(&other)))),
            Err(error) => Err(JudgeError::Ended(process.end(&error))),
        }
    }

    pub(super) fn id(&self) -> u32 {
        self.child.id()
    }

    pub(super) fn ask(&mut self, request: &Request) -> io::Result<()> {
        send(self.within(PATIENCE).get_mut(), request)
    }

    pub(super) fn send(&mut self, bytes: &[u8]) -> io::Result<()> {
        send_bytes(self.within(PATIENCE).get_mut(), bytes)
    }

    pub(super) fn answer(&mut self, patience: Duration) -> io::Result<Reply> {
        let longest = self.longest;
        receive(self.within(patience), longest)?.ok_or_else(|| io::ErrorKind::UnexpectedEof.into())
    }

    fn within(&mut self, patience: Duration) -> &mut BufReader<Connection> {
        self.connection.get_mut().until = Instant::now() + patience;
        &mut self.connection
    }

    /// Ends it, and tells how it ended or why it had to.
    pub(super) fn end(mut self, error: &io::Error) -> String {
        // One that has ended by itself keeps its status; one that only closed its connection would never end.
        let status = self.child.kill().and_then(|()| self.child.wait());
        match error.kind() {
            io::ErrorKind::UnexpectedEof | io::ErrorKind::BrokenPipe | io::ErrorKind::ConnectionReset => match status {
                Ok(status) => format!("ended ({status})"),
                Err(_) => "ended".to_owned(),
            },
            _ if is_late(error) => "did not answer in time and was stopped".to_owned(),
            _ => format!("broke off ({error})"),
        }
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // It has nothing to lose, and must not be left as a zombie.
        let _ = self.child.kill();
        let _ = self.child.wait();
    }
}

/// Whether what was waited for did not come in time.
pub(super) fn is_late(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut)
}

/// The connection, until a moment: however little of a message comes at a time.
struct Connection {
    stream: UnixStream,
    until: Instant,
}

impl Connection {
    fn left(&self) -> io::Result<Option<Duration>> {
        let left = self.until.saturating_duration_since(Instant::now());
        if left.is_zero() { Err(io::ErrorKind::TimedOut.into()) } else { Ok(Some(left)) }
    }
}

impl Read for Connection {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        self.stream.set_read_timeout(self.left()?)?;
        self.stream.read(buffer)
    }
}

impl Write for Connection {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.stream.set_write_timeout(self.left()?)?;
        self.stream.write(bytes)
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

pub(super) fn unexpected(reply: &Reply) -> io::Error {
    let name = match reply {
        Reply::Begun(_) => "a beginning",
        Reply::Added(_) => "a rule",
        Reply::Taken(_) => "a receipt",
        Reply::Report(..) => "a report",
        Reply::Bench(_) => "a measurement",
        Reply::Component(_) => "a component",
        Reply::Compiled(_) => "native code",
    };
    io::Error::new(io::ErrorKind::InvalidData, format!("it answered with {name} out of turn"))
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    /// What comes of an answer for which nobody waits longer than this.
    const SHORT: Duration = Duration::from_millis(200);

    fn answered(answer: impl FnOnce(UnixStream) + Send) -> (io::Result<Option<Reply>>, Duration) {
        let (ours, theirs) = UnixStream::pair().unwrap();
        let begun = Instant::now();
        let mut connection = BufReader::with_capacity(BUFFER, Connection { stream: ours, until: begun + SHORT });
        thread::scope(|scope| {
            scope.spawn(|| answer(theirs));
            let answer = receive(&mut connection, 1 << 20);
            // Who answers is told by it that nobody listens.
            drop(connection);
            (answer, begun.elapsed())
        })
    }

    /// Writes until nobody listens.
    fn without_end(mut stream: UnixStream, part: &[u8], pause: Duration) {
        while stream.write_all(part).is_ok() {
            thread::sleep(pause);
        }
    }

    #[test]
    fn an_answer_that_drips_is_waited_for_no_longer_than_one_that_does_not_come() {
        let (answer, took) = answered(|stream| {
            let mut stream = stream;
            stream.write_all(&1_000_000_u64.to_le_bytes()).unwrap();
            without_end(stream, b".", SHORT / 20);
        });
        assert!(is_late(&answer.unwrap_err()));
        assert!(took >= SHORT && took < SHORT * 100, "{took:?}");
        let (answer, _) = answered(|stream| drop((stream.try_clone(), thread::sleep(SHORT * 2))));
        assert!(is_late(&answer.unwrap_err()));
    }

    #[test]
    fn an_answer_that_never_ends_is_not_taken_in() {
        let (answer, _) = answered(|stream| without_end(stream, &[0xff; 4096], Duration::ZERO));
        assert_eq!(answer.unwrap_err().kind(), io::ErrorKind::InvalidData);
    }
}
