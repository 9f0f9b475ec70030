//! Answers about how control groups start.

use kerno_signals::query;

use super::cgroup;
use crate::engine::bindings::kerno::rules::start;
use crate::engine::sandbox::State;

impl start::Host for State {
    fn starts(&mut self, min_seconds: f64, limit: u32) -> wasmtime::Result<Vec<start::GroupStart>> {
        let Some(starts) = &self.window()?.families.start else { return Ok(Vec::new()) };
        let starts = query::starts(starts, min_seconds, limit).into_iter();
        Ok(starts
            .map(|view| start::GroupStart {
                cgroup: cgroup(view.cgroup),
                age: view.age,
                ended: view.ended,
                populated: view.populated,
                executed: view.executed,
                program: view.program,
                own_mounts: view.own_mounts,
                listened: view.listened,
                listener: view.listener,
                port: view.port,
                connected: view.connected,
                asked: view.asked,
                answered: view.answered,
                answer_unknown: view.answer_unknown,
                below: view.below,
            })
            .collect())
    }

    fn made(&mut self) -> wasmtime::Result<Option<u64>> {
        Ok(self.window()?.families.start.as_ref().map(|start| start.made))
    }
}
