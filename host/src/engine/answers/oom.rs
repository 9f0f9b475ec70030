//! Answers about kills for lack of memory.

use kerno_signals::query;

use super::cgroup;
use crate::engine::bindings::kerno::rules::oom;
use crate::engine::sandbox::State;

impl oom::Host for State {
    fn kills(&mut self) -> wasmtime::Result<Option<u64>> {
        Ok(self.window()?.families.oom.as_ref().map(|oom| oom.total))
    }

    fn groups(&mut self, limit: u32) -> wasmtime::Result<Vec<oom::GroupKills>> {
        let Some(oom) = &self.window()?.families.oom else { return Ok(Vec::new()) };
        let groups = query::group_kills(oom, limit).into_iter();
        Ok(groups
            .map(|view| oom::GroupKills {
                cgroup: view.cgroup.map(cgroup),
                shortage: shortage(view.shortage),
                limited: view.limited.map(cgroup),
                kills: view.kills,
            })
            .collect())
    }

    fn victims(&mut self, group: Option<u64>, limit: u32) -> wasmtime::Result<Vec<oom::Victim>> {
        let Some(oom) = &self.window()?.families.oom else { return Ok(Vec::new()) };
        let victims = query::victims(oom, group, limit).into_iter();
        Ok(victims
            .map(|view| oom::Victim {
                pid: view.pid,
                comm: view.comm,
                cgroup: view.cgroup.map(cgroup),
                shortage: shortage(view.shortage),
                limited: view.limited.map(cgroup),
                rss: view.rss,
                score_adjustment: view.score_adjustment,
                trigger: view.trigger.map(|trigger| {
                    let query::TriggerView { pid, comm, cgroup: group } = trigger;
                    oom::Trigger { pid, comm, cgroup: group.map(cgroup) }
                }),
            })
            .collect())
    }
}

fn shortage(view: query::ShortageView) -> oom::Shortage {
    match view {
        query::ShortageView::Host => oom::Shortage::Host,
        query::ShortageView::Nodes => oom::Shortage::Nodes,
        query::ShortageView::Cgroup => oom::Shortage::Cgroup,
        query::ShortageView::Unknown => oom::Shortage::Unknown,
    }
}
