//! Requests and answers over TCP: one side serves, the other asks.

use std::io::{self, Read, Write};
use std::net::{TcpListener, TcpStream};
use std::thread;
use std::time::Duration;

use crate::progress::{Progress, pause};

/// What is asked, how often.
#[derive(Clone, Copy)]
pub struct Question {
    /// Bytes of a request, at least 8.
    pub request: u32,
    /// Bytes of an answer.
    pub answer: u32,
    /// Between an answer and the next request.
    pub pause_ms: u64,
    /// Requests until a new connection is made; 0: never.
    pub per_connection: u64,
}

/// Answers every connection's requests after so long.
pub fn serve(address: &str, think_ms: u64) -> io::Result<()> {
    let listener = TcpListener::bind(address)?;
    loop {
        let (stream, _) = listener.accept()?;
        thread::Builder::new().stack_size(64 << 10).spawn(move || answer(stream, Duration::from_millis(think_ms)))?;
    }
}

/// Ends with the connection.
fn answer(mut stream: TcpStream, think: Duration) -> io::Result<()> {
    stream.set_nodelay(true)?;
    let (mut head, mut rest, mut answer) = ([0; 8], Vec::new(), Vec::new());
    loop {
        stream.read_exact(&mut head)?;
        let [a, b, c, d, e, f, g, h] = head;
        rest.resize((u32::from_le_bytes([a, b, c, d]) as usize).saturating_sub(head.len()), 0);
        stream.read_exact(&mut rest)?;
        pause(think);
        answer.resize(u32::from_le_bytes([e, f, g, h]) as usize, 7);
        stream.write_all(&answer)?;
    }
}

/// Asks over so many connections at once. A connection that cannot be made or breaks is made anew.
pub fn ask(address: &str, connections: u64, question: Question) -> io::Result<()> {
    let answered = Progress::new("ask");
    thread::scope(|scope| {
        for _ in 0..connections {
            let answered = answered.clone();
            let asker = move || {
                loop {
                    if converse(address, question, &answered).is_err() {
                        thread::sleep(Duration::from_millis(50));
                    }
                }
            };
            thread::Builder::new().stack_size(64 << 10).spawn_scoped(scope, asker)?;
        }
        Ok(())
    })
}

fn converse(address: &str, question: Question, answered: &Progress) -> io::Result<()> {
    let mut stream = TcpStream::connect(address)?;
    stream.set_nodelay(true)?;
    let mut request = vec![7; question.request.max(8) as usize];
    request[..4].copy_from_slice(&question.request.max(8).to_le_bytes());
    request[4..8].copy_from_slice(&question.answer.to_le_bytes());
    let mut answer = vec![0; question.answer as usize];
    let mut made = 0;
    while question.per_connection == 0 || made < question.per_connection {
        stream.write_all(&request)?;
        stream.read_exact(&mut answer)?;
        answered.add();
        made += 1;
        pause(Duration::from_millis(question.pause_ms));
    }
    Ok(())
}
