//! Answers about open descriptors.

use kerno_signals::query;

use super::cgroup;
use crate::engine::bindings::kerno::rules::fd;
use crate::engine::sandbox::State;

impl fd::Host for State {
    fn totals(&mut self) -> wasmtime::Result<Option<fd::FdTotals>> {
        Ok(self.window()?.families.fd.as_ref().map(|family| {
            let query::FdTotalsView { readings, processes, first, last, unseen } = query::fd_totals(family);
            fd::FdTotals { readings, processes, first, last, unseen }
        }))
    }

    fn open_files_now(&mut self) -> wasmtime::Result<Option<fd::OpenFiles>> {
        let files = self.window()?.families.fd.as_ref().and_then(query::open_files);
        Ok(files.map(|query::OpenFilesView { open, max }| fd::OpenFiles { open, max }))
    }

    fn processes(&mut self, min_gained: u64, limit: u32) -> wasmtime::Result<Vec<fd::FdProcess>> {
        let Some(family) = &self.window()?.families.fd else { return Ok(Vec::new()) };
        Ok(query::fd_processes(family, min_gained, limit).into_iter().map(process).collect())
    }

    fn hard_limit(&mut self, pid: u32) -> wasmtime::Result<Option<u64>> {
        Ok(self.window()?.families.fd.as_ref().and_then(|family| query::hard_limit(family, pid)))
    }
}

fn process(view: query::FdProcessView) -> fd::FdProcess {
    fd::FdProcess {
        pid: view.pid,
        comm: view.comm,
        cgroup: view.cgroup.map(cgroup),
        watched: view.watched,
        first: view.first,
        last: view.last,
        peak: view.peak,
        limit: view.limit,
        growth: view.growth.map(|query::FdGrowthView { per_second, low, high }| fd::FdGrowth { per_second, low, high }),
        gained: view.gained,
        shared_with: view.shared_with,
        own: view.own,
    }
}
