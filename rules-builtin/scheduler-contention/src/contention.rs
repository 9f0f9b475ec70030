//! Tasks that wait because others run: one finding, about the group that starves or about the node when several do.

use kerno_rules_sdk::prelude::*;

use crate::window::{GROUPS, Window};

/// One finding for the host's CPUs; groups that starve beside the worst are its evidence.
pub(crate) fn find(window: &Window<'_>) -> Option<Finding> {
    let host = window.host_severity();
    let worst = window.starved.first().and_then(|group| Some((window.severity(group.delay.p99?)?, group)));
    let (severity, group) = match (host, worst) {
        (Some(host), Some((group_severity, group))) => {
            let everywhere = window.starved.len() > 1 || group.cgroup.path.as_deref() == Some("/") || window.steal.is_some();
            if everywhere && host >= group_severity { (host, None) } else { (group_severity, Some(group)) }
        }
        (Some(host), None) => (host, None),
        (None, Some((group_severity, group))) => (group_severity, Some(group)),
        (None, None) => return None,
    };
    let delay = group.map_or(&window.host, |group| &group.delay);
    let entity = group.map_or_else(|| Entity::node(&window.machine), |group| Entity::of_cgroup(&group.cgroup));
    let who = group.map_or_else(|| "Tasks on this host".to_owned(), |group| format!("Tasks of {}", group.cgroup.display_name()));
    let p99 = seconds(delay.p99.unwrap_or(0.0));
    let called = if delay.count < 100 { "longest of few" } else { "p99" };
    let title = match window.steal {
        Some(steal) => {
            format!("{who} wait for the hypervisor: it took {} of CPU time, run-queue delay {called} {p99}", percent(steal))
        }
        None => format!("{who} wait for a CPU: run-queue delay {called} {p99}"),
    };

    let runners = Runners::read(window);
    let mut finding = window.finding(severity, title, entity, delay).cause(cause(window, &runners)).impact(format!(
        "{who} wait {p99} or more once in a hundred times, {} at the longest; requests they serve are late by as much.",
        seconds(delay.max.or(delay.p99).unwrap_or(0.0))
    ));
    if runners.unexplained() && window.steal.is_none() {
        finding.confidence *= 0.7;
    }
    if let Some(steal) = window.steal {
        finding = finding.evidence("CPU time taken by the hypervisor", steal, Unit::Ratio);
    }
    if let Some(pressure) = window.signals.cpu_pressure_ratio() {
        finding = finding.evidence("share of the window in which a task waited for a CPU", pressure, Unit::Ratio);
    }
    if group.is_some() {
        finding = finding.evidence("run-queue delay p99 of the host", window.host.p99.unwrap_or(0.0), Unit::Seconds);
    }
    let same = |other: &CgroupDelay| group.is_some_and(|group| group.cgroup.id == other.cgroup.id);
    for other in window.starved.iter().filter(|other| !same(other)).take(4) {
        let key = format!("run-queue delay p99 of {}", other.cgroup.display_name());
        finding = finding.evidence(&key, other.delay.p99.unwrap_or(0.0), Unit::Seconds);
    }
    finding = window.who_waits(finding, group.map(|group| group.cgroup.id));
    for runner in &runners.top {
        let own = if runner.own { ", kerno itself" } else { "" };
        finding = finding.evidence(
            &format!("CPU time of {} (pid {}{own})", runner.comm, runner.pid),
            runner.cpu_seconds,
            Unit::Seconds,
        );
    }
    Some(with_fixes(finding, window, &runners))
}

/// Who ran while others waited.
struct Runners {
    top: Vec<Runner>,
    /// Their part of all CPU time of the window.
    share: f64,
    /// What was used of it, by all; where the host's own count was not read, as far as is known.
    used: f64,
    /// Share of the window in which a task waited for a CPU.
    pressure: Option<f64>,
}

impl Runners {
    fn read(window: &Window<'_>) -> Self {
        let all = window.seconds * f64::from(window.machine.cpus.max(1));
        let part = |sum: f64| if all > 0.0 { (sum / all).min(1.0) } else { 0.0 };
        let sum = |runners: &[Runner]| part(runners.iter().map(|runner| runner.cpu_seconds).sum());
        let told = window.signals.host_cpu().and_then(|cpu| {
            let all = cpu.duration * f64::from(cpu.cpus);
            (all > 0.0).then(|| (cpu.busy / all).min(1.0))
        });
        let used = told.unwrap_or_else(|| {
            // Processes are the longest-running only, groups leave out what has ended: both are lower bounds.
            let groups = part(window.signals.cgroups(0, 0.0, GROUPS).iter().map(|group| group.cpu_seconds).sum());
            groups.max(sum(&window.signals.runners(GROUPS)))
        });
        let top = window.signals.runners(3);
        Self { share: sum(&top), used, pressure: window.signals.cpu_pressure_ratio(), top }
    }

    /// The CPUs were mostly idle: their number does not explain the waits.
    fn idle(&self) -> bool {
        self.used < 0.5
    }

    /// Nor does anything else that was measured.
    fn unexplained(&self) -> bool {
        self.idle() && self.pressure.is_none_or(|pressure| pressure < 0.25)
    }

    /// The first that is not kerno and used a tenth of a CPU: less is not what others wait for.
    fn first(&self, window: &Window<'_>) -> Option<&Runner> {
        self.top.iter().find(|runner| !runner.own && runner.cpu_seconds >= 0.1 * window.seconds)
    }

    fn names(&self) -> String {
        let name = |runner: &Runner| {
            let own = if runner.own { ", kerno itself" } else { "" };
            format!("{} (pid {}{own})", runner.comm, runner.pid)
        };
        self.top.iter().map(name).collect::<Vec<_>>().join(", ")
    }
}

fn cause(window: &Window<'_>, runners: &Runners) -> String {
    if let Some(steal) = window.steal {
        return format!(
            "The hypervisor gave {} of this machine's CPU time to other guests: its CPUs were taken away while tasks were ready to run.",
            percent(steal)
        );
    }
    if runners.unexplained() {
        return format!(
            "The number of CPUs does not explain it: {} of all CPU time was used. The waits were short bursts, or behind a task pinned to \
             the same CPU, a real-time task, interrupts, power management or the hypervisor.",
            percent(runners.used)
        );
    }
    if let (true, Some(pressure)) = (runners.idle(), runners.pressure) {
        return format!(
            "A task waited in {} of the window, though {} of all CPU time was used: tasks compete for some of the CPUs (pinned to \
             them, or in bursts) or for CPU time that was not seen.",
            percent(pressure),
            percent(runners.used)
        );
    }
    if runners.top.is_empty() {
        return format!("More tasks are ready to run than {} can serve.", counted(window.machine.cpus.into(), "CPU"));
    }
    format!(
        "More tasks are ready to run than {} can serve. {} of all CPU time went to {}.",
        counted(window.machine.cpus.into(), "CPU"),
        percent(runners.share),
        runners.names()
    )
}

fn with_fixes(mut finding: Finding, window: &Window<'_>, runners: &Runners) -> Finding {
    if window.steal.is_some() {
        return finding
            .fix(Urgency::Now, "watch the column `st`", "vmstat 1 5")
            .fix(Urgency::WithinFiveMinutes, "see whether it is all CPUs", "mpstat -P ALL 1 3")
            .fix(
                Urgency::Later,
                "move this machine to another host or a type with dedicated CPUs; kernel and model for the ticket",
                "uname -a; lscpu",
            );
    }
    if let Some(runner) = runners.first(window) {
        // Kernel threads are in the root group: nobody should renice those.
        let path = runner.cgroup.as_deref().filter(|path| *path != "/");
        if path.is_some() {
            finding = finding.fix(
                Urgency::Now,
                &format!("let others run before {}", runner.comm),
                &format!("renice -n 10 -p $(ls /proc/{}/task)", runner.pid),
            );
        }
        finding =
            finding.fix(Urgency::Now, &format!("see what {} does", runner.comm), &format!("top -b -n 1 -H -p {}", runner.pid));
        if let Some(unit) = path.and_then(unit_of) {
            let command = format!("systemctl set-property --runtime {} CPUWeight=20", shell_quote(unit));
            finding = finding.fix(Urgency::WithinFiveMinutes, &format!("give {unit} a smaller share of the CPUs"), &command);
        } else if let Some(path) = path {
            let command = format!("echo 20 > {}", shell_quote(&format!("/sys/fs/cgroup{path}/cpu.weight")));
            finding = finding.fix(Urgency::WithinFiveMinutes, &format!("give {path} a smaller share of the CPUs"), &command);
        }
    } else {
        finding = finding.fix(Urgency::Now, "see who runs", "top -b -n 1 -o %CPU | head -20");
    }
    if runners.idle() {
        finding =
            finding.fix(Urgency::WithinFiveMinutes, "see whether one CPU is busy, and with interrupts", "mpstat -P ALL 1 3").fix(
                Urgency::WithinFiveMinutes,
                "see real-time tasks",
                "ps -eLo pid,tid,cls,rtprio,psr,comm | grep -E ' (FF|RR|DLN) '",
            );
    }
    finding.fix(Urgency::Later, "compare runnable tasks (column `r`) with the number of CPUs", "vmstat 1 5; nproc")
}

/// The systemd unit at the end of a control group's path.
fn unit_of(path: &str) -> Option<&str> {
    let name = path.rsplit('/').next()?;
    // A dash in front would be an option.
    (!name.starts_with('-') && [".service", ".scope", ".slice"].iter().any(|suffix| name.ends_with(suffix))).then_some(name)
}
