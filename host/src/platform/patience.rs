//! Reads of files that may wait for what a process waits for: its memory map or its `exec`, held by a thread that a dead file server
//! keeps asleep. They are read by a thread of their own, which is given up when it takes too long.

use std::cell::RefCell;
use std::fs::File;
use std::io::{self, ErrorKind, Read};
use std::path::PathBuf;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::{Builder, JoinHandle};
use std::time::Duration;

/// As long as a read may take. A busy machine is to get it done.
const PATIENCE: Duration = Duration::from_secs(1);

/// So many threads may be stuck at a time: as long as they are, such files are not read.
const STUCK: usize = 8;

thread_local! {
    static READER: RefCell<Readers> = const { RefCell::new(Readers { free: None, stuck: Vec::new() }) };
}

struct Readers {
    /// Asked last, and answered.
    free: Option<Reader>,
    /// Given up.
    stuck: Vec<JoinHandle<()>>,
}

struct Reader {
    questions: Sender<(PathBuf, u64)>,
    answers: Receiver<io::Result<Vec<u8>>>,
    thread: JoinHandle<()>,
}

/// The first `most` bytes of a file.
///
/// # Errors
///
/// When it cannot be read, or not within a second.
pub fn read(path: PathBuf, most: u64) -> io::Result<Vec<u8>> {
    read_within(PATIENCE, path, most)
}

fn read_within(patience: Duration, path: PathBuf, most: u64) -> io::Result<Vec<u8>> {
    READER.with_borrow_mut(|Readers { free, stuck }| {
        stuck.retain(|thread| !thread.is_finished());
        if stuck.len() >= STUCK {
            return Err(ErrorKind::TimedOut.into());
        }
        let reader = free.take().map_or_else(start, Ok)?;
        let answer = reader.questions.send((path, most)).ok().and_then(|()| reader.answers.recv_timeout(patience).ok());
        let Some(answer) = answer else {
            stuck.push(reader.thread);
            return Err(ErrorKind::TimedOut.into());
        };
        *free = Some(reader);
        answer
    })
}

/// Ends this thread's reader: it has the rights that this thread had when it was started. The next read starts another.
pub fn end() {
    if let Some(Reader { questions, thread, .. }) = READER.with_borrow_mut(|readers| readers.free.take()) {
        drop(questions);
        // It waits for nothing but questions.
        let _ = thread.join();
    }
}

fn start() -> io::Result<Reader> {
    let ((questions, asked), (tell, answers)) = (channel::<(PathBuf, u64)>(), channel());
    // It ends when nobody asks or listens any more.
    let work = move || {
        for (path, most) in asked {
            let mut bytes = Vec::new();
            let read = File::open(path).and_then(|file| file.take(most).read_to_end(&mut bytes));
            if tell.send(read.map(|_| bytes)).is_err() {
                break;
            }
        }
    };
    let thread = Builder::new().name("kerno-reader".to_owned()).spawn(work)?;
    Ok(Reader { questions, answers, thread })
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn a_file_is_read_up_to_its_bound() {
        let directory = tempfile::tempdir().unwrap();
        let file = directory.path().join("file");
        fs::write(&file, "0123456789").unwrap();
        let minute = Duration::from_secs(60);
        assert_eq!(read_within(minute, file.clone(), 100).unwrap(), b"0123456789");
        assert_eq!(read_within(minute, file, 4).unwrap(), b"0123");
        let none = directory.path().join("none");
        assert_eq!(read_within(minute, none, 4).unwrap_err().kind(), ErrorKind::NotFound);
    }

    #[test]
    fn one_that_never_answers_is_given_up_and_others_are_read_all_the_same() {
        let directory = tempfile::tempdir().unwrap();
        let (pipe, file) = (directory.path().join("pipe"), directory.path().join("file"));
        // Opening a pipe waits for whoever writes to it.
        assert!(std::process::Command::new("mkfifo").arg(&pipe).status().unwrap().success());
        fs::write(&file, "x").unwrap();
        let minute = Duration::from_secs(60);
        for _ in 0..STUCK {
            assert_eq!(read_within(minute, file.clone(), 4).unwrap(), b"x");
            let never = read_within(Duration::from_millis(20), pipe.clone(), 4);
            assert_eq!(never.unwrap_err().kind(), ErrorKind::TimedOut);
        }
        end();
        assert_eq!(read_within(minute, file.clone(), 4).unwrap_err().kind(), ErrorKind::TimedOut, "too many are stuck");
        // Whoever waits for a writer goes on, also when that has gone.
        drop(fs::OpenOptions::new().read(true).write(true).open(&pipe).unwrap());
        while read_within(minute, file.clone(), 4).is_err() {
            std::thread::sleep(Duration::from_millis(10));
        }
    }
}
