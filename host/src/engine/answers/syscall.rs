//! Answers about system calls.

use kerno_signals::query::{self, DescriptorKindView};

use super::{cgroup, latency};
use crate::engine::bindings::kerno::rules::syscall;
use crate::engine::sandbox::State;

impl syscall::Host for State {
    fn counts(&mut self) -> wasmtime::Result<Option<syscall::CallCounts>> {
        Ok(self.window()?.families.syscall.as_ref().map(|family| {
            let query::CallCountsView { returned, in_flight, own } = query::call_counts(family);
            syscall::CallCounts { returned, in_flight, own }
        }))
    }

    fn times(&mut self, by_cgroup: bool, min_calls: u64, min_p99: f64, limit: u32) -> wasmtime::Result<Vec<syscall::CallTime>> {
        let Some(family) = &self.window()?.families.syscall else { return Ok(Vec::new()) };
        Ok(query::call_times(family, by_cgroup, min_calls, min_p99, limit).into_iter().map(time).collect())
    }

    fn slow_callers(
        &mut self,
        name: Option<String>,
        group: Option<u64>,
        limit: u32,
    ) -> wasmtime::Result<Vec<syscall::SlowCaller>> {
        let Some(family) = &self.window()?.families.syscall else { return Ok(Vec::new()) };
        Ok(query::slow_callers(family, name.as_deref(), group, limit).into_iter().map(slow_caller).collect())
    }

    fn in_flight(&mut self, min_judged: f64, limit: u32) -> wasmtime::Result<Vec<syscall::CallInFlight>> {
        let Some(family) = &self.window()?.families.syscall else { return Ok(Vec::new()) };
        Ok(query::calls_in_flight(family, min_judged, limit).into_iter().map(in_flight).collect())
    }

    fn failing(&mut self, filter: syscall::FailureFilter, limit: u32) -> wasmtime::Result<Vec<syscall::FailingCall>> {
        let Some(family) = &self.window()?.families.syscall else { return Ok(Vec::new()) };
        Ok(query::failing_calls(family, &asked_for(filter), limit).into_iter().map(failing_call).collect())
    }

    fn descriptors(&mut self, group: Option<u64>) -> wasmtime::Result<Vec<syscall::DescriptorsMade>> {
        let Some(family) = &self.window()?.families.syscall else { return Ok(Vec::new()) };
        let made = query::descriptors_made(family, group).into_iter();
        Ok(made.map(|view| syscall::DescriptorsMade { kind: kind(view.kind), made: view.made }).collect())
    }
}

fn parts(view: query::CallPartsView) -> syscall::CallParts {
    let query::CallPartsView { on_cpu, uninterruptible, interruptible, waiting_for_cpu } = view;
    syscall::CallParts { on_cpu, uninterruptible, interruptible, waiting_for_cpu }
}

fn time(view: query::CallTimeView) -> syscall::CallTime {
    syscall::CallTime {
        name: view.name,
        cgroup: view.cgroup.map(cgroup),
        judged: latency(view.judged),
        parts: parts(view.parts),
        waits_by_design: view.waits_by_design,
    }
}

fn slow_caller(view: query::SlowCallerView) -> syscall::SlowCaller {
    syscall::SlowCaller {
        pid: view.pid,
        comm: view.comm,
        cgroup: cgroup(view.cgroup),
        name: view.name,
        calls: view.calls,
        judged: view.judged,
        longest: view.longest,
        parts: parts(view.parts),
    }
}

fn in_flight(view: query::CallInFlightView) -> syscall::CallInFlight {
    syscall::CallInFlight {
        pid: view.pid,
        tid: view.tid,
        comm: view.comm,
        cgroup: cgroup(view.cgroup),
        name: view.name,
        age: view.age,
        judged: view.judged,
        at_least: view.at_least,
        sleeps_in: view.sleeps_in,
    }
}

fn asked_for(filter: syscall::FailureFilter) -> query::FailureFilter {
    let errors = |all: Vec<syscall::ErrorsOf>| {
        all.into_iter().map(|syscall::ErrorsOf { errors, calls }| query::ErrorsOf { errors, calls }).collect()
    };
    let threshold = |syscall::FailureThreshold { only, min_calls, min_failed, above_share }| query::FailureThreshold {
        only: errors(only),
        min_calls,
        min_failed,
        above_share,
    };
    query::FailureFilter {
        by_cgroup: filter.by_cgroup,
        except: errors(filter.except),
        any_of: filter.any_of.into_iter().map(threshold).collect(),
    }
}

fn failing_call(view: query::FailingCallView) -> syscall::FailingCall {
    let error = |query::CallErrorView { name, count, caller }| {
        let caller = caller.map(|query::CallProcessView { pid, comm }| syscall::CallProcess { pid, comm });
        syscall::CallError { name, count, caller }
    };
    syscall::FailingCall {
        name: view.name,
        cgroup: view.cgroup.map(cgroup),
        calls: view.calls,
        failed: view.failed,
        errors: view.errors.into_iter().map(error).collect(),
    }
}

fn kind(view: DescriptorKindView) -> syscall::DescriptorKind {
    match view {
        DescriptorKindView::File => syscall::DescriptorKind::File,
        DescriptorKindView::Socket => syscall::DescriptorKind::Socket,
        DescriptorKindView::Accepted => syscall::DescriptorKind::Accepted,
        DescriptorKindView::Pipe => syscall::DescriptorKind::Pipe,
        DescriptorKindView::Copy => syscall::DescriptorKind::Copy,
        DescriptorKindView::Event => syscall::DescriptorKind::Event,
        DescriptorKindView::Memory => syscall::DescriptorKind::Memory,
        DescriptorKindView::Epoll => syscall::DescriptorKind::Epoll,
        DescriptorKindView::Timer => syscall::DescriptorKind::Timer,
        DescriptorKindView::Signal => syscall::DescriptorKind::Signal,
        DescriptorKindView::Notify => syscall::DescriptorKind::Notify,
        DescriptorKindView::Ring => syscall::DescriptorKind::Ring,
        DescriptorKindView::Other => syscall::DescriptorKind::Other,
    }
}
