//! What the kernel's log says of out-of-memory kills, from 5.10 to 7.2.
//!
//! A case begins with `… invoked oom-killer: …`, names the CPU's task, prints its tables, then `oom-kill:constraint=…`, and for each
//! victim `…: Killed process …`.

use std::collections::HashSet;

use crate::platform::kmsg::Record;

/// A kill as the log tells it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Logged {
    /// When, nanoseconds since boot.
    pub at_ns: u64,
    /// Kills of one number happened at once.
    pub case: u64,
    /// The case has killed it before: of a group that dies together the chosen one comes first, and again with the others. The
    /// kernel counts it twice.
    pub again: bool,
    /// Process id.
    pub pid: u32,
    /// Command name.
    pub comm: String,
    /// Path of its control group; `None` when the log does not tell it.
    pub group: Option<String>,
    /// Whose memory was short.
    pub limit: Limit,
    /// Resident memory, bytes: anonymous, files, shared.
    pub memory: Option<[u64; 3]>,
    /// `oom_score_adj`.
    pub score_adj: Option<i32>,
    /// Command name of who asked for memory, and its pid when told.
    pub trigger: Option<(String, Option<u32>)>,
}

/// Whose memory was short.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Limit {
    /// It is not told.
    #[default]
    Unknown,
    /// The host's.
    Host,
    /// That of the nodes which a cpuset or a memory policy allows.
    Nodes,
    /// That of the control group of this path.
    Group(String),
}

/// Reads lines in the order in which they were logged.
#[derive(Debug, Default)]
pub struct Log {
    cases: u64,
    case: Case,
}

#[derive(Debug, Default)]
struct Case {
    trigger: Option<(String, Option<u32>)>,
    limit: Limit,
    chosen: Option<u32>,
    group: Option<String>,
    /// All of a group die together.
    of_group: bool,
    killed: HashSet<u32>,
}

impl Log {
    /// Takes one line; a kill when it tells of one.
    pub fn note(&mut self, record: &Record) -> Option<Logged> {
        let text = record.text.as_str();
        if let Some((comm, _)) = text.split_once(" invoked oom-killer:") {
            self.cases += 1;
            self.case = Case { trigger: Some((comm.to_owned(), None)), ..Case::default() };
        } else if let Some(rest) = text.strip_prefix("oom-kill:constraint=") {
            self.choose(rest);
        } else if text.starts_with("CPU: ")
            && let Some((_, pid @ None)) = &mut self.case.trigger
        {
            *pid = number_after(text, " PID: ");
        } else if text.starts_with("Tasks in ") && text.ends_with(" are going to be killed due to memory.oom.group set") {
            self.case.of_group = true;
        } else if let Some((reason, victim)) = text.split_once(": Killed process ") {
            return self.kill(record.at_ns, reason, victim);
        }
        None
    }

    /// `CONSTRAINT_MEMCG,nodemask=(null),cpuset=/,mems_allowed=0,oom_memcg=/a,task_memcg=/a/b,task=x,pid=7,uid=0`; `global_oom` in
    /// place of `oom_memcg`. Names may hold commas: keys are looked for in their order.
    fn choose(&mut self, rest: &str) {
        let constraint = rest.split(',').next().unwrap_or_default();
        let between = |from: &str, to: &str| {
            let start = rest.find(from)? + from.len();
            let end = rest.get(start..)?.rfind(to)?;
            rest.get(start..start + end).map(str::to_owned)
        };
        self.case.limit = match between(",oom_memcg=", ",task_memcg=") {
            Some(path) => Limit::Group(path),
            None if constraint == "CONSTRAINT_NONE" => Limit::Host,
            None if matches!(constraint, "CONSTRAINT_CPUSET" | "CONSTRAINT_MEMORY_POLICY") => Limit::Nodes,
            None => Limit::Unknown,
        };
        self.case.group = between(",task_memcg=", ",task=");
        self.case.chosen = rest.rfind(",pid=").and_then(|at| number_after(rest.get(at..)?, ",pid="));
    }

    /// `7 (x) total-vm:9kB, anon-rss:8kB, file-rss:7kB, shmem-rss:6kB, UID:0 pgtables:5kB oom_score_adj:0`. The name may hold
    /// parentheses and spaces.
    fn kill(&mut self, at_ns: u64, reason: &str, victim: &str) -> Option<Logged> {
        let (pid, rest) = victim.split_once(" (")?;
        let pid = pid.parse().ok()?;
        let (comm, sizes) = rest.rsplit_once(") total-vm:").or_else(|| rest.rsplit_once(')'))?;
        let kilobytes = |key| Some(number_after::<u64>(sizes, key)?.saturating_mul(1024));
        let is_chosen = self.case.chosen == Some(pid);
        // The kernel tells of few cases at a time, but of every kill: one that was not chosen here is another case's.
        let is_told = is_chosen || self.case.of_group || self.case.chosen.is_none();
        let case_limit = if is_told { &self.case.limit } else { &Limit::Unknown };
        let limit = match case_limit {
            Limit::Unknown if reason.starts_with("Out of memory") => Limit::Host,
            limit => limit.clone(),
        };
        Some(Logged {
            at_ns,
            case: self.cases,
            again: !self.case.killed.insert(pid),
            pid,
            comm: comm.to_owned(),
            group: self.case.group.clone().filter(|_| is_chosen),
            limit,
            memory: kilobytes("anon-rss:")
                .zip(kilobytes("file-rss:"))
                .map(|(anon, file)| [anon, file, kilobytes("shmem-rss:").unwrap_or(0)]),
            score_adj: number_after(sizes, "oom_score_adj:"),
            trigger: self.case.trigger.clone().filter(|_| is_told),
        })
    }
}

/// The number that follows a key.
fn number_after<T: std::str::FromStr>(text: &str, key: &str) -> Option<T> {
    let rest = text.get(text.find(key)? + key.len()..)?;
    let end = rest.find(|character: char| !character.is_ascii_digit() && character != '-').unwrap_or(rest.len());
    rest.get(..end)?.parse().ok()
}

#[cfg(test)]
mod tests;
