//! The stages of a start: what each took, whose time it is, and what to look at.

use kerno_rules_sdk::prelude::*;

/// Where a start can be slow.
#[derive(Clone, Copy, PartialEq, Eq)]
pub enum Kind {
    /// The runtime's and the kernel's work.
    Execute,
    /// The program's own work.
    Listen,
    /// Its first request.
    Answer,
}

/// A stage that took longer than it may.
pub struct Stage {
    pub kind: Kind,
    pub seconds: f64,
    pub threshold: f64,
    /// It has not come out of it.
    pub lasts: bool,
}

impl Kind {
    const ALL: [Self; 3] = [Self::Execute, Self::Listen, Self::Answer];

    fn parameter(self) -> &'static str {
        match self {
            Self::Execute => "execute",
            Self::Listen => "listen",
            Self::Answer => "answer",
        }
    }

    pub fn signal(self) -> &'static str {
        match self {
            Self::Execute => "time until its program was executed",
            Self::Listen => "time until it listened",
            Self::Answer => "time until its first answer",
        }
    }

    /// What it took, and whether it still lasts; `None` when it is not known to have begun, or that it will end.
    fn of(self, start: &GroupStart) -> Option<(f64, bool)> {
        let is_there = !start.ended;
        match self {
            Self::Execute => match start.executed {
                Some(after) => Some((after, false)),
                None => (will_execute(start) && is_there).then_some((start.age, true)),
            },
            // Whether it will ever listen nobody knows: a job does not.
            Self::Listen => Some((start.listened? - start.executed?, false)),
            Self::Answer => match (start.asked.or(start.connected), start.answered) {
                (Some(asked), Some(answered)) => Some((answered - asked, false)),
                // A connection on which nothing came asks for nothing: a probe, or one that is kept for later.
                _ => (is_there && !start.answer_unknown).then_some((start.age - start.asked?, true)),
            },
        }
    }
}

/// Whether a program is to be expected that has not been executed yet. Only a container's first processes are sure to execute one: others
/// are moved into a group when they already have, also into groups that are made inside of a container. A group that others are made
/// below holds those, not processes.
fn will_execute(start: &GroupStart) -> bool {
    let (Some(container), Some(path)) = (&start.cgroup.container, &start.cgroup.path) else { return false };
    let last = path.rsplit('/').next().unwrap_or_default();
    let is_its_own = last.contains(container.as_str()) || last == "container";
    is_its_own && start.populated.is_some() && start.below == 0
}

impl Stage {
    /// The stage that is furthest past its threshold, if one is.
    pub fn worst_of(start: &GroupStart, signals: &Signals) -> Option<Self> {
        let stage = |kind: Kind| {
            let (seconds, lasts) = kind.of(start)?;
            let threshold = signals.parameter(kind.parameter());
            (seconds > threshold).then_some(Self { kind, seconds, threshold, lasts })
        };
        Kind::ALL.into_iter().filter_map(stage).reduce(|worst, next| if next.excess() > worst.excess() { next } else { worst })
    }

    /// How many times its threshold it took.
    pub fn excess(&self) -> f64 {
        self.seconds / self.threshold
    }

    pub fn title(&self, name: &str) -> String {
        let took = seconds(self.seconds);
        match (self.kind, self.lasts) {
            (Kind::Execute, false) => format!("{name} took {took} to execute its program"),
            (Kind::Execute, true) => format!("{name} has not executed its program yet after {took}"),
            (Kind::Listen, _) => format!("{name} took {took} from its program's start until it listened"),
            (Kind::Answer, false) => format!("{name} took {took} to answer what it was first asked"),
            (Kind::Answer, true) => format!("{name} has not answered what it was first asked yet after {took}"),
        }
    }

    pub fn cause(&self, start: &GroupStart) -> String {
        let program = start.program.as_deref().map_or_else(|| "its program".to_owned(), |name| format!("`{name}`"));
        match self.kind {
            Kind::Execute => format!(
                "Until {program} is executed the runtime and the kernel are at work: limits, namespaces, mounts, devices, hooks. \
                 The image was there before: its control group is made after it is pulled."
            ),
            Kind::Listen => {
                let listener = start.listener.as_deref().unwrap_or("the program");
                format!("From there on {program} itself was at work until `{listener}` listened: the kernel had done its part.")
            }
            Kind::Answer => {
                "The kernel had the question, and the program took long to accept its connection, or to answer it.".to_owned()
            }
        }
    }

    pub fn fixes(&self, mut finding: Finding, group: &Cgroup) -> Finding {
        if self.kind != Kind::Execute
            && let Some(command) =
                group.show_files("cpu", "cpu.max cpu.stat cpu.pressure io.pressure memory.pressure memory.events")
        {
            finding = finding.fix(Urgency::Now, "see whether a limit or a disk holds it back", &command);
        }
        if self.kind == Kind::Execute {
            let command = "journalctl --since -10min -u containerd -u crio -u docker -u kubelet | tail -50";
            finding = finding.fix(Urgency::Now, "see what the runtime waited for", command);
        }
        match group.inspect_container() {
            Some(command) => finding.fix(Urgency::WithinFiveMinutes, "see what it mounts, runs and may use", &command),
            None => finding,
        }
    }
}

/// What each stage took that it came out of, in order.
pub fn evidence(start: &GroupStart) -> Vec<(&'static str, f64)> {
    let between = |from: Option<f64>, to: Option<f64>| Some(to? - from?);
    let stages = [
        ("until its first process", start.populated),
        ("from there until its program was executed", between(start.populated, start.executed)),
        ("from there until it listened", between(start.executed, start.listened)),
        ("from there until the first connection came", between(start.listened, start.connected)),
        ("from there until it was asked", between(start.connected, start.asked)),
        ("from there until its first answer", between(start.asked.or(start.connected), start.answered)),
    ];
    let reached = stages.into_iter().filter_map(|(key, value)| Some((key, value?)));
    reached.chain([("since its control group was made", start.age)]).collect()
}
