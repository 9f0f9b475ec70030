//! The clock of the deadlines: epochs pass while rules run, and only then.

use std::sync::{Arc, Condvar, Mutex, MutexGuard, PoisonError};
use std::thread::Builder;
use std::time::Duration;

use wasmtime::Engine;

/// Epochs pass at this pace.
const TICK: Duration = Duration::from_millis(10);

/// One clock of an engine: two would make deadlines come early. Its thread is there from the first use on, and sleeps between uses.
pub(super) struct Clock {
    engine: Engine,
    shared: Arc<Shared>,
}

#[derive(Default)]
struct Shared {
    state: Mutex<State>,
    changed: Condvar,
}

#[derive(Default)]
struct State {
    has_thread: bool,
    /// The thread runs: it needs nothing more of the system than time.
    runs: bool,
    /// The thread waits to be woken.
    sleeps: bool,
    ended: bool,
    users: usize,
}

impl Shared {
    fn state(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn tick(&self, engine: &Engine) {
        let mut state = self.state();
        state.runs = true;
        self.changed.notify_all();
        while !state.ended {
            if state.users == 0 {
                state.sleeps = true;
                state = self.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
                state.sleeps = false;
                continue;
            }
            let (after, waited) = self.changed.wait_timeout(state, TICK).unwrap_or_else(PoisonError::into_inner);
            state = after;
            if waited.timed_out() {
                engine.increment_epoch();
            }
        }
    }
}

impl Clock {
    pub(super) fn of(engine: Engine) -> Self {
        Self { engine, shared: Arc::default() }
    }

    /// Lets epochs pass until all who asked for it have dropped what they got.
    pub(super) fn start(&self) -> std::io::Result<Running> {
        let mut state = self.shared.state();
        if !state.has_thread {
            let (shared, engine) = (Arc::clone(&self.shared), self.engine.clone());
            Builder::new().name("kerno-rule-clock".into()).spawn(move || shared.tick(&engine))?;
            state.has_thread = true;
        }
        while !state.runs {
            state = self.shared.changed.wait(state).unwrap_or_else(PoisonError::into_inner);
        }
        state.users += 1;
        if state.sleeps {
            self.shared.changed.notify_all();
        }
        drop(state);
        Ok(Running(Arc::clone(&self.shared)))
    }
}

impl Drop for Clock {
    fn drop(&mut self) {
        self.shared.state().ended = true;
        self.shared.changed.notify_all();
    }
}

/// A clock that runs.
pub(super) struct Running(Arc<Shared>);

impl Drop for Running {
    fn drop(&mut self) {
        self.0.state().users -= 1;
    }
}

#[cfg(test)]
mod tests {
    use std::thread;

    use super::*;

    fn is_asleep(clock: &Clock) -> bool {
        (0..200).any(|_| {
            thread::sleep(TICK / 2);
            clock.shared.state().sleeps
        })
    }

    #[test]
    fn it_sleeps_when_nobody_needs_it_and_ends_with_its_owner() {
        let clock = Clock::of(Engine::default());
        let (one, other) = (clock.start().unwrap(), clock.start().unwrap());
        drop(one);
        thread::sleep(TICK * 3);
        assert!(!clock.shared.state().sleeps);
        drop(other);
        assert!(is_asleep(&clock));
        let again = clock.start().unwrap();
        let woken = (0..200).any(|_| {
            thread::sleep(TICK / 2);
            !clock.shared.state().sleeps
        });
        assert!(woken);
        drop(again);
        let shared = Arc::downgrade(&clock.shared);
        drop(clock);
        assert!((0..200).any(|_| {
            thread::sleep(TICK / 2);
            shared.strong_count() == 0
        }));
    }
}
