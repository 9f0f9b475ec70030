//! The words of a finding.

use kerno_rules_sdk::{Signal, prelude::*};

use crate::leak::{self, Leak};
use crate::route::{self, Route};

/// Kinds of descriptors that are told at most.
const KINDS: usize = 4;

pub(crate) fn of(signals: &Signals, family: &FamilyInfo, leak: &Leak) -> Finding {
    let process = &leak.process;
    let threshold = signals.parameter("growth_warning");
    let signal = Signal::new("descriptors gained a second", leak.rate, threshold, Unit::Count);
    let route = route::of(signals, process);
    let mut finding = Finding::new(Severity::Warning, title(leak), entity(process), signal)
        .cause(cause(leak, route.as_ref()))
        .impact(impact(leak))
        .evidence("descriptors at the start", process.first as f64, Unit::Count)
        .evidence("descriptors at the end", process.last as f64, Unit::Count)
        .confidence(confidence(family, process));
    if let Some(limit) = process.limit {
        finding = finding.evidence("limit of the process", limit as f64, Unit::Count);
    }
    if let Some(hard) = signals.fd_hard_limit(process.pid).filter(|hard| *hard < u64::MAX) {
        finding = finding.evidence("hard limit of the process", hard as f64, Unit::Count);
    }
    finding = finding.evidence("parts of the time, of 5, in which it grew", leak::parts_with_gain(process) as f64, Unit::Count);
    if let Some(files) = signals.open_files().filter(|files| leak.host_first || files.open > files.max / 2) {
        finding = finding.evidence("files open on this host", files.open as f64, Unit::Count).evidence(
            "files that may be open on this host",
            files.max as f64,
            Unit::Count,
        );
    }
    if let Some(Route { group, made, .. }) = &route {
        let place = group.as_deref().unwrap_or("this host");
        for kind in made.iter().take(KINDS) {
            finding = finding.evidence(&format!("{} in {place}", route::name(kind.kind)), kind.made as f64, Unit::Count);
        }
    }
    finding.eta_seconds = leak.eta;
    with_fixes(finding, leak, signals.fd_hard_limit(process.pid), route.and_then(|route| route.likely))
}

fn named(process: &FdProcess) -> String {
    format!("{} (pid {})", process.comm, process.pid)
}

fn entity(process: &FdProcess) -> Entity {
    let mut entity = Entity::new(EntityKind::Process).name("pid", &process.pid.to_string()).name("comm", &process.comm);
    if let Some(group) = &process.cgroup {
        entity.names.extend(Entity::of_cgroup(group).names);
    }
    entity
}

fn title(leak: &Leak) -> String {
    let (who, rate) = (named(&leak.process), number(leak.rate));
    match (leak.process.limit, leak.eta) {
        (Some(limit), _) if leak.is_at_limit => {
            format!("{who} has reached its limit of {}", counted(limit, "descriptor"))
        }
        (_, Some(eta)) if leak.host_first => {
            format!("{who} gains {rate} descriptors a second: the host's table is full {}", soon(eta))
        }
        (Some(limit), Some(eta)) => {
            format!("{who} gains {rate} descriptors a second: its limit of {} is met {}", count(limit), soon(eta))
        }
        _ => format!("{who} gains {rate} descriptors a second"),
    }
}

/// `in 36 s`, or `at once`.
fn soon(eta: f64) -> String {
    if eta < 1.0 { "at once".to_owned() } else { format!("in {}", about(eta)) }
}

fn cause(leak: &Leak, route: Option<&Route>) -> String {
    let gained = count(leak.process.last.saturating_sub(leak.process.first));
    let whole = format!("It gained {gained} in {} and closed fewer than it made, to the end.", seconds(leak.process.watched));
    let way = match route {
        Some(Route { likely: Some(kind), group, made }) => {
            let number = made.iter().find(|made| made.kind == *kind).map_or(0, |made| made.made);
            let place = group.as_deref().unwrap_or("this host");
            format!(" Most likely they are {}: there were {} in {place} in the window.", route::name(*kind), count(number))
        }
        Some(Route { likely: None, .. }) => {
            " No call that makes descriptors was made as often: they came over a socket (SCM_RIGHTS), by fcntl or through io_uring."
                .to_owned()
        }
        None => " By which calls they came was not measured.".to_owned(),
    };
    whole + &way
}

fn impact(leak: &Leak) -> String {
    if leak.is_at_limit {
        return "It has as many as it may have: what it opens, accepts or connects now fails with EMFILE.".to_owned();
    }
    if leak.host_first {
        return "When the table is full, every process of this host fails with ENFILE at what it opens, accepts or connects."
            .to_owned();
    }
    "At its limit everything that it opens, accepts or connects fails with EMFILE; until then each holds memory of the kernel."
        .to_owned()
}

/// Counts are true whatever their source; what is less sure is how often they were taken, and of whom.
fn confidence(family: &FamilyInfo, process: &FdProcess) -> f64 {
    let by_coverage = match family.coverage {
        Coverage::Full => 0.95,
        Coverage::Partial => 0.85,
        Coverage::Fallback => 0.75,
    };
    if process.gained.iter().all(|gain| *gain > 0) { by_coverage } else { by_coverage - 0.1 }
}

fn with_fixes(finding: Finding, leak: &Leak, hard: Option<u64>, likely: Option<DescriptorKind>) -> Finding {
    let pid = leak.process.pid;
    let mut finding = finding.fix(
        Urgency::Now,
        "see what they are",
        &format!("ls -l /proc/{pid}/fd | awk '{{print $NF}}' | sed 's/[0-9][0-9]*//g' | sort | uniq -c | sort -rn | head"),
    );
    if let Some(limit) = leak.process.limit.filter(|limit| *limit <= 1 << 18) {
        let more = limit.saturating_mul(4).max(4_096);
        finding = match hard {
            Some(hard) if hard <= limit => finding.fix(
                Urgency::Now,
                "its hard limit is no higher: as root raise both (for good: LimitNOFILE of its unit)",
                &format!("prlimit --pid {pid} --nofile={more}:{more}"),
            ),
            _ => {
                let more = more.min(hard.unwrap_or(more));
                let title = if leak.is_at_limit {
                    "give it room until it is repaired"
                } else {
                    "win time: raise its limit while it runs"
                };
                finding.fix(Urgency::Now, title, &format!("prlimit --pid {pid} --nofile={more}:"))
            }
        };
    }
    if matches!(likely, Some(DescriptorKind::Socket | DescriptorKind::Accepted)) {
        finding = finding.fix(
            Urgency::Now,
            "see the states of its connections (many in CLOSE-WAIT: it forgets to close)",
            &format!("nsenter -t {pid} -n ss -tanp | grep -F 'pid={pid},' | awk '{{print $1}}' | sort | uniq -c"),
        );
    }
    finding = finding.fix(
        Urgency::WithinFiveMinutes,
        "see which calls make them and which are missing",
        &format!("timeout 5 strace -f -c -e trace=desc,network -p {pid}"),
    );
    match leak.process.cgroup.as_ref() {
        Some(Cgroup { unit: Some(unit), container: None, .. }) if unit.ends_with(".service") => {
            let unit = shell_quote(unit);
            finding
                .fix(
                    Urgency::WithinFiveMinutes,
                    "see its limit and restarts",
                    &format!("systemctl show -p LimitNOFILE,NRestarts {unit}"),
                )
                .fix(Urgency::Later, "restart it when the cause is known", &format!("systemctl restart {unit}"))
        }
        _ => finding,
    }
}
