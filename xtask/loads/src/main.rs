//! `loads`: what loads a guest of the fault lab, one subcommand for each load. Each runs until it is killed unless it says otherwise.
#![expect(clippy::print_stdout, clippy::print_stderr, reason = "a developer's tool: what it prints is its product")]

mod descriptors;
mod errors;
mod files;
mod memory;
mod network;
mod nonblocking;
mod processes;
mod progress;
mod reading;
mod runnable;
mod sleepers;
mod sys;

use std::io;
use std::process::ExitCode;
use std::str::FromStr;

const USAGE: &str = "usage: loads LOAD [ARGUMENTS]
  sleepers COUNT                       threads asleep in epoll, futex, nanosleep, accept, poll, pause, sigwait
  nonblocking PAUSE_US                 reads, writes and accepts that find nothing (EAGAIN)
  lookups DIRECTORY PAUSE_US           look-ups of paths that are not there
  syncs FILE PAUSE_US                  writes and fsyncs
  reads FILE BYTES PAUSE_MS            reads of a block each, all over the file, dropped from the page cache first
  leak KIND PER_SECOND                 descriptors that are never closed: socket, pipe, dup, eventfd, file or passed
  churn PAUSE_US                       descriptors of every kind, opened and closed
  grow MIB MIB_PER_SECOND              memory that grows to this size
  heap MIB                             memory of this size, all of it written to again and again
  errors KIND PER_SECOND EVERY TARGET  every EVERYth call fails: eacces, econnrefused, enospc or emfile
  serve ADDRESS:PORT THINK_MS          answers what `ask` asks, after so long
  ask ADDRESS:PORT CONNECTIONS REQUEST ANSWER PAUSE_MS PER_CONNECTION
                                       requests and answers of so many bytes; 0 requests per connection: one for ever
  spawns LATE_MS                       posix_spawn of children that start late
  storm WIDTH BUSY_MS PAUSE_MS         WIDTH workers, each starting one program after the other
  compute MS                           uses so much CPU time and ends
  runnable FILE                        how often more tasks were runnable than there are CPUs
  reading                              what a naive tool reads, once";

fn main() -> ExitCode {
    let arguments: Vec<String> = std::env::args().skip(1).collect();
    let words: Vec<&str> = arguments.iter().map(String::as_str).collect();
    match run(&words) {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            eprintln!("loads {}: {error}", words.join(" "));
            ExitCode::from(2)
        }
    }
}

fn run(words: &[&str]) -> io::Result<()> {
    match words {
        ["sleepers", count] => sleepers::run(number(count)?),
        ["nonblocking", pause] => nonblocking::run(number(pause)?),
        ["lookups", directory, pause] => files::look_up(directory, number(pause)?),
        ["syncs", file, pause] => files::sync(file, number(pause)?),
        ["reads", file, size, pause] => files::read(file, number(size)?, number(pause)?),
        ["leak", kind, rate] => descriptors::leak(kind, number(rate)?),
        ["churn", pause] => descriptors::churn(number(pause)?),
        ["grow", size, rate] => memory::grow(number(size)?, number(rate)?),
        ["heap", size] => memory::heap(number(size)?),
        ["errors", kind, rate, every, target] => errors::run(kind, number(rate)?, number(every)?, target),
        ["serve", address, think] => network::serve(address, number(think)?),
        ["ask", address, connections, request, answer, pause, each] => {
            let question = network::Question {
                request: number(request)?,
                answer: number(answer)?,
                pause_ms: number(pause)?,
                per_connection: number(each)?,
            };
            network::ask(address, number(connections)?, question)
        }
        ["spawns", late] => processes::spawn_late(number(late)?),
        ["storm", width, busy, pause] => processes::storm(number(width)?, busy, number(pause)?),
        ["compute", busy] => {
            processes::compute(number(busy)?);
            Ok(())
        }
        ["runnable", file] => runnable::run(file),
        ["reading"] => reading::print(),
        _ => Err(io::Error::other(USAGE)),
    }
}

fn number<T: FromStr>(word: &str) -> io::Result<T> {
    word.parse().map_err(|_| io::Error::other(format!("`{word}` is no number\n{USAGE}")))
}
