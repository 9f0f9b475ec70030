//! Answers about memory.

use kerno_signals::query;

use super::cgroup;
use crate::engine::bindings::kerno::rules::memory;
use crate::engine::sandbox::State;

impl memory::Host for State {
    fn host(&mut self) -> wasmtime::Result<Option<memory::HostMemory>> {
        let view = self.window()?.families.memory.as_ref().map(query::host_memory);
        Ok(view.map(|view| memory::HostMemory {
            duration: view.duration,
            total: view.total,
            available: view.available,
            working_set: view.working_set,
            anonymous: view.anonymous,
            shared: view.shared,
            huge_pages: view.huge_pages,
            zfs_reclaimable: view.zfs_reclaimable,
            swap_total: view.swap_total,
            swap_used: view.swap_used,
            growth: view.growth.map(growth),
            stall_some: view.stall_some,
            stall_full: view.stall_full,
            major_faults: view.major_faults,
            refaults_anonymous: view.refaults_anonymous,
            swapped_in: view.swapped_in,
            swapped_out: view.swapped_out,
            direct_reclaims: view.direct_reclaims,
        }))
    }

    fn groups(
        &mut self,
        order: memory::MemoryOrder,
        below: Option<String>,
        at_least: f64,
        limit: u32,
    ) -> wasmtime::Result<Vec<memory::CgroupMemory>> {
        let Some(memory) = &self.window()?.families.memory else { return Ok(Vec::new()) };
        let order = match order {
            memory::MemoryOrder::UseOfLimit => query::MemoryOrder::UseOfLimit,
            memory::MemoryOrder::UseOfHardLimit => query::MemoryOrder::UseOfHardLimit,
            memory::MemoryOrder::WorkingSet => query::MemoryOrder::WorkingSet,
            memory::MemoryOrder::Growth => query::MemoryOrder::Growth,
        };
        Ok(query::memory_groups(memory, order, below.as_deref(), at_least, limit).into_iter().map(group).collect())
    }

    fn unseen(&mut self) -> wasmtime::Result<Option<String>> {
        Ok(self.window()?.families.memory.as_ref().and_then(|memory| memory.unseen.clone()))
    }
}

fn growth(view: query::MemoryGrowthView) -> memory::MemoryGrowth {
    let query::MemoryGrowthView { slope, low, high, points } = view;
    memory::MemoryGrowth { slope, low, high, points }
}

fn limit(view: query::MemoryLimitView) -> memory::MemoryLimit {
    let kind = match view.kind {
        query::LimitKindView::High => memory::LimitKind::High,
        query::LimitKindView::Max => memory::LimitKind::Max,
    };
    memory::MemoryLimit { bytes: view.bytes, kind, cgroup: cgroup(view.cgroup) }
}

fn group(view: query::CgroupMemoryView) -> memory::CgroupMemory {
    memory::CgroupMemory {
        cgroup: cgroup(view.cgroup),
        current: view.current,
        working_set: view.working_set,
        anonymous: view.anonymous,
        shared: view.shared,
        limit: view.limit.map(limit),
        hard_limit: view.hard_limit.map(limit),
        swap: view.swap,
        swap_limit: view.swap_limit,
        growth: view.growth.map(growth),
        stall_some: view.stall_some,
        stall_full: view.stall_full,
        events: view.events.map(|events| {
            let query::MemoryEventsView { high, max, oom, oom_kill } = events;
            memory::MemoryEvents { high, max, oom, oom_kill }
        }),
        major_faults: view.major_faults,
        refaults_anonymous: view.refaults_anonymous,
        own: view.own,
    }
}
