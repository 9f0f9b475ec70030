//! What this host allows: one diagnostic a file, and what came of a short start of every collector. Judges no workload.

mod bpf_jit;
mod btf;
mod capabilities;
mod cgroups;
mod hook;
mod kernel;
mod kernel_log;
mod lockdown;
mod locked_memory;
mod maps;
mod namespaces;
mod perf_events;
mod pressure;
mod rules;
mod seccomp;
mod tracefs;
mod tracing;

use kerno_signals::{CollectorReport, CollectorStatus, Coverage, Environment};
use serde::Serialize;

pub use hook::Hook;
pub use rules::{NEEDS, Rule};

use crate::collector::hooks::{self, Attempt};
use crate::platform::{Error, Root, btf::Btf, host, kernel::Facts};

/// What is looked at: this host before any collector starts.
pub struct Seen {
    root: Root,
    facts: Facts,
    btf: Option<Btf>,
    host: Host,
}

/// The host's name and size.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Host {
    /// Node name.
    pub name: String,
    /// Kernel release.
    pub kernel: String,
    /// Machine architecture.
    pub arch: String,
    /// Online CPUs.
    pub cpus: u32,
    /// What manages the workloads.
    pub environment: Environment,
    /// Cluster name, when configured.
    pub cluster: Option<String>,
}

/// What one look gave.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// As kerno wants it, or not needed here.
    Ok,
    /// Something will be missing: `effect` says what, `fix` what to do.
    Gap,
    /// It could not be looked at: `found` says why.
    Unknown,
}

/// What an item is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Group {
    /// What the kernel can.
    Kernel,
    /// What this process may.
    Privileges,
    /// What else is read.
    Accounts,
}

/// One thing that was looked at.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Item {
    /// Its stable name.
    pub id: &'static str,
    /// What it is about.
    pub group: Group,
    /// What the look gave.
    pub status: Status,
    /// What was found, or why it could not be looked at.
    pub found: String,
    /// What is missing because of it.
    pub effect: Option<String>,
    /// The one thing to do about it.
    pub fix: Option<String>,
}

/// What a short start of a collector gave.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Collector {
    /// `sched`, `block` …
    pub name: String,
    /// Whether it measures.
    pub status: CollectorStatus,
    /// How much of its family; `None` when it is off.
    pub coverage: Option<Coverage>,
    /// Where from.
    pub source: Option<String>,
    /// Why not as designed.
    pub reason: Option<String>,
    /// The one thing to do about it.
    pub fix: Option<String>,
}

/// The whole check. Its serialized form is the published one (`schema/check-1.json`): absent values null, fields only ever added.
#[derive(Clone, Debug, PartialEq, Serialize)]
pub struct Check {
    /// 1.
    pub schema_version: u32,
    /// Every collector measures as it is designed to, if only a part of its family, and every built-in rule has all that it needs.
    pub ready: bool,
    /// Where.
    pub host: Host,
    /// What was looked at.
    pub checks: Vec<Item>,
    /// Where kernel programs are attached.
    pub hooks: Vec<Hook>,
    /// What every collector would tell.
    pub collectors: Vec<Collector>,
    /// What every built-in rule would have.
    pub rules: Vec<Rule>,
}

/// A diagnostic: looks, and never fails.
type Diagnostic = fn(&Seen) -> Vec<Item>;

const DIAGNOSTICS: [Diagnostic; 15] = [
    kernel::look,
    btf::look,
    tracing::look,
    lockdown::look,
    bpf_jit::look,
    tracefs::look,
    capabilities::look,
    namespaces::look,
    seccomp::look,
    perf_events::look,
    kernel_log::look,
    locked_memory::look,
    maps::look,
    cgroups::look,
    pressure::look,
];

impl Seen {
    /// Looks at what every diagnostic needs. To be called before a collector starts: starting one lifts limits.
    ///
    /// # Errors
    ///
    /// When the host cannot be named.
    pub fn read(root: Root, node_name: Option<&str>, cluster: Option<String>) -> Result<Self, Error> {
        let facts = host::facts(&root, node_name)?;
        let host = Host {
            name: facts.name,
            kernel: facts.kernel,
            arch: facts.arch,
            cpus: facts.cpus,
            environment: facts.environment,
            cluster,
        };
        let btf = root.bytes("/sys/kernel/btf/vmlinux").ok().and_then(|bytes| Btf::parse(bytes).ok());
        Ok(Self { facts: Facts::read(&root), btf, host, root })
    }

    /// Whether programs on perf events are wanted: where others can be preempted.
    fn wants_perf_events(&self) -> bool {
        match &self.btf {
            Some(btf) => hooks::are_preemptible(btf),
            None => self.facts.version().is_some_and(|version| version >= (7, 0)),
        }
    }
}

impl Check {
    /// Puts together what was seen, what collectors attached and what they told.
    #[must_use]
    pub fn new(seen: &Seen, attempts: &[Attempt], reports: Vec<CollectorReport>) -> Self {
        let measures = |report: &CollectorReport| matches!(report.coverage, Some(Coverage::Full | Coverage::Partial));
        let rules = rules::rules(&reports);
        Self {
            schema_version: 1,
            ready: reports.iter().all(measures) && rules.iter().all(|rule| rule.ready),
            host: seen.host.clone(),
            checks: DIAGNOSTICS.iter().flat_map(|look| look(seen)).collect(),
            hooks: hook::hooks(seen.btf.as_ref(), attempts),
            collectors: reports.into_iter().map(Collector::from).collect(),
            rules,
        }
    }

    /// Number of things that will be missing: gaps, and collectors that do not measure as designed.
    #[must_use]
    pub fn gaps(&self) -> usize {
        let gaps = self.checks.iter().filter(|item| item.status == Status::Gap).count();
        gaps + self.collectors.iter().filter(|collector| collector.status != CollectorStatus::Running).count()
    }
}

impl From<CollectorReport> for Collector {
    fn from(report: CollectorReport) -> Self {
        Self {
            name: report.name,
            status: report.status,
            coverage: report.coverage,
            source: (!report.source.is_empty()).then_some(report.source),
            reason: report.reason,
            fix: report.fix,
        }
    }
}

impl Item {
    fn ok(id: &'static str, group: Group, found: impl Into<String>) -> Self {
        Self { id, group, status: Status::Ok, found: found.into(), effect: None, fix: None }
    }

    fn gap(id: &'static str, group: Group, found: impl Into<String>, effect: impl Into<String>, fix: impl Into<String>) -> Self {
        Self { id, group, status: Status::Gap, found: found.into(), effect: Some(effect.into()), fix: Some(fix.into()) }
    }

    fn unknown(id: &'static str, group: Group, why: impl Into<String>) -> Self {
        Self { id, group, status: Status::Unknown, found: why.into(), effect: None, fix: None }
    }
}

/// What is lost where no kernel program runs.
const NO_PROGRAMS: &str = "no kernel program runs: families are measured from files, without percentiles, or not at all";

#[cfg(test)]
mod tests;
