//! CPU time, quotas and pressure, from `/proc/stat`, `/proc/pressure/cpu` and the files of the cpu, cpuacct and cpuset controllers,
//! v1 and v2. No kernel program is needed: these are the kernel's own accounts.
//!
//! Every group is read at the window's start and end. In between they are read in turn, those with a quota first, so that one that ends in
//! the window is known up to then, and the threads of throttled ones are counted.

mod family;
mod group;
mod runnable;

use kerno_signals::{CollectorReport, Families, HostCpu};

use super::{
    Collector, Failure, Moment,
    groups::{self, Unread, missing, no_pressure, outside},
    load_error::Explained,
    report,
};
use crate::platform::{
    Error, Root,
    cgroup::Names,
    clock::Clock,
    host, process,
    psi::{self, Pressure},
    stat::{self, CpuTime},
};
use group::{Controllers, Groups};

/// The collector's name everywhere.
pub const NAME: &str = "cpu";

/// Groups whose quota is in force that are read at each tick, and as many others; the rest follows at the next ones.
const READ_A_TICK: usize = 16;

/// The running collector.
pub struct CpuCollector {
    root: Root,
    clock: Box<dyn Clock>,
    started_ns: u64,
    time: CpuTime,
    pressure: Option<Pressure>,
    controllers: Option<Controllers>,
    groups: Groups,
    unread: Unread,
}

impl CpuCollector {
    /// Takes the first readings.
    ///
    /// # Errors
    ///
    /// When `/proc/stat` cannot be read.
    pub fn start(root: &Root, names: Option<&Names>, clock: Box<dyn Clock>) -> Result<Self, Error> {
        let mut unread = Unread::default();
        let controllers = names.map(|names| Controllers::find(root, names));
        let mut groups = Groups::default();
        let started_ns = clock.monotonic_ns();
        if let (Some(names), Some(controllers)) = (names, &controllers) {
            groups.read_first(names, controllers, &mut unread);
        }
        let (time, pressure) = (stat::read(root)?, psi::read(root, "cpu").ok());
        Ok(Self { root: root.clone(), clock, started_ns, time, pressure, controllers, groups, unread })
    }

    fn host(&self) -> Result<HostCpu, Error> {
        let passed = stat::read(&self.root)?.since(self.time);
        let ns = process::ticks_ns;
        let pressure = psi::read(&self.root, "cpu").ok();
        Ok(HostCpu {
            cpus: host::online_cpus(&self.root)?,
            busy_ns: ns(passed.total.saturating_sub(passed.idle).saturating_sub(passed.steal)),
            idle_ns: ns(passed.idle),
            io_wait_ns: ns(passed.io_wait),
            steal_ns: ns(passed.steal),
            stall: self.pressure.zip(pressure).map(|(start, end)| end.since(start)),
        })
    }
}

impl Collector for CpuCollector {
    /// Accounts of groups that were read.
    fn events(&self) -> u64 {
        self.groups.readings()
    }

    fn tick(&mut self, moment: &Moment<'_>) {
        let (Some(names), Some(controllers)) = (moment.names, &self.controllers) else { return };
        self.groups.read_new(names, controllers, &mut self.unread);
        let throttled = self.groups.read_some(names, controllers, READ_A_TICK, &mut self.unread);
        runnable::sample(&self.root, names, &mut self.groups, &throttled);
    }

    fn finish(mut self: Box<Self>, moment: &Moment<'_>, families: &mut Families) -> Result<CollectorReport, Failure> {
        let host = self.host()?;
        let duration_ns = self.clock.monotonic_ns().saturating_sub(self.started_ns);
        let mut family = match (moment.names, &self.controllers) {
            (Some(names), Some(controllers)) => {
                self.groups.read_last(names, controllers, &mut self.unread);
                let own = groups::own(&self.root, names);
                family::told(&self.groups, names, controllers, own, &mut self.unread)
            }
            _ => kerno_signals::Cpu::default(),
        };
        family.duration_ns = duration_ns;
        let no_stall = host.stall.is_none().then(no_pressure);
        family.host = host;
        let unseen = [missing(moment.names), outside(moment.names), self.unread.told()];
        family.unseen = groups::told(&unseen);
        families.cpu = Some(family);
        let source = "/proc/stat, cpu.stat and other files of control groups".to_owned();
        let report = report::files(NAME, self.groups.readings(), source);
        let gaps = unseen.into_iter().chain([self.uncounted(), no_stall]);
        Ok(gaps.fold(report, report::partial))
    }
}

impl CpuCollector {
    fn uncounted(&self) -> Option<Explained> {
        self.controllers.as_ref().filter(|controllers| !controllers.count_usage()).map(|_| Explained {
            reason: "nothing counts the CPU time of control groups here".to_owned(),
            fix: "mount the cpuacct controller".to_owned(),
        })
    }
}

#[cfg(test)]
mod tests;
