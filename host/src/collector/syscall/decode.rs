//! From the tasks object's records to the family, without a kernel.

use std::{cmp::Reverse, collections::HashMap};

use kerno_ebpf_common::{
    histogram::{BUCKETS, UNIT_SHIFT, bucket_of, lower_bound, upper_bound},
    syscall::{
        ASLEEP, CLASS, COMPAT, CallTotals, Counts, Failures, Place, ProcessKey, SLOW_NS, SlowCalls, UNNUMBERED, error_parts,
    },
};
use kerno_signals::{
    Call, CallFailure, CallParts, Caller, CgroupCall, DescriptorCalls, DescriptorKind, Histogram, Latency, SlowProcess, Syscall,
    closes_descriptors, errno_name,
};

use super::names;
use crate::{
    collector::{cgroup_of, context::command},
    platform::cgroup::Names,
};

/// Processes told at most, the ones with the longest calls.
const PROCESSES: usize = 64;

/// Whose calls a row counts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Group {
    /// kerno's.
    Own,
    /// Those of the control group with this row.
    Row(u32),
    /// Those of groups that found no row.
    None,
}

/// One row of sums, added up over shards.
pub struct Row {
    /// Which.
    pub row: u32,
    /// Row of the number.
    pub number: u32,
    /// Whose.
    pub group: Group,
    /// The sums.
    pub totals: CallTotals,
}

/// What the maps held.
pub struct Raw {
    /// Control group id by its row.
    pub groups: HashMap<u32, u64>,
    /// Rows with calls.
    pub rows: Vec<Row>,
    /// Distribution of judged time by number.
    pub histograms: HashMap<u32, Vec<u64>>,
    /// Distribution of the slow calls by row.
    pub slow: HashMap<u32, Vec<u64>>,
    /// Errors by row and errno.
    pub failures: Vec<(u32, Failures)>,
    /// Slow calls by process and number.
    pub processes: Vec<(ProcessKey, SlowCalls)>,
}

/// Adds one shard's sums.
pub fn add(sum: &mut CallTotals, totals: &CallTotals) {
    sum.calls += totals.calls;
    sum.failed += totals.failed;
    sum.restarted += totals.restarted;
    sum.on_cpu += totals.on_cpu;
    sum.uninterruptible += totals.uninterruptible;
    sum.interruptible += totals.interruptible;
    sum.waiting += totals.waiting;
    sum.judged_sleep += totals.judged_sleep;
    sum.untimed += totals.untimed;
    sum.max = sum.max.max(totals.max);
}

/// Adds one shard's histogram.
pub fn add_counts(sum: &mut [u64], counts: &Counts) {
    sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += u64::from(*count));
}

/// Adds the sums that a CPU kept itself.
pub fn add_place(sum: &mut CallTotals, place: &Place) {
    sum.calls += place.calls();
    sum.on_cpu += place.on_cpu;
    sum.max = sum.max.max(place.max);
}

/// Adds their times to a histogram.
pub fn add_units(sum: &mut [u64], place: &Place) {
    for (unit, count) in (0..).zip(place.counts) {
        sum[bucket_of(unit << UNIT_SHIFT) as usize] += u64::from(count);
    }
}

/// The family, but for the calls in flight.
#[must_use]
pub fn decode(raw: Raw, names: Option<&Names>) -> Syscall {
    let mut failures: HashMap<u32, HashMap<u32, Errors>> = HashMap::new();
    for (key, failure) in &raw.failures {
        let (row, errno) = error_parts(*key);
        failures.entry(row).or_default().insert(errno, Errors::of(failure));
    }
    let mut own_calls = 0;
    let mut numbers: HashMap<u32, Sum> = HashMap::new();
    let mut groups: HashMap<(u32, u32), Sum> = HashMap::new();
    for Row { row, number, group, totals } in &raw.rows {
        if *group == Group::Own {
            own_calls += totals.calls;
            continue;
        }
        let errors = failures.remove(row).unwrap_or_default();
        let number = told_as(*number);
        numbers.entry(number).or_default().add(totals, &errors, None);
        if let Group::Row(group) = group {
            groups.entry((*group, number)).or_default().add(totals, &errors, raw.slow.get(row).map(Vec::as_slice));
        }
    }
    let mut histograms: HashMap<u32, Vec<u64>> = HashMap::new();
    for (number, counts) in raw.histograms {
        let sum = histograms.entry(told_as(number)).or_insert_with(|| vec![0; BUCKETS]);
        sum.iter_mut().zip(counts).for_each(|(sum, count)| *sum += count);
    }
    let of_group = |((group, number), sum): ((u32, u32), Sum)| {
        // A group that was given a row while the table was read is told in the next window.
        let cgroup = cgroup_of(names, *raw.groups.get(&group)?);
        let latency = latency_of_group(&sum.totals, &sum.slow);
        Some(CgroupCall { cgroup, call: call(number, sum, latency) })
    };
    let mut cgroups: Vec<_> = groups.into_iter().filter(|(_, sum)| sum.totals.calls > 0).filter_map(of_group).collect();
    let of_number = |(number, sum): (u32, Sum)| {
        let latency = latency(&sum.totals, histograms.get(&number).map(Vec::as_slice));
        call(number, sum, latency)
    };
    let mut calls: Vec<Call> = numbers.into_iter().filter(|(_, sum)| sum.totals.calls > 0).map(of_number).collect();
    calls.sort_by(|a, b| (Reverse(a.latency.sum_ns), &a.name).cmp(&(Reverse(b.latency.sum_ns), &b.name)));
    cgroups.sort_by(|a, b| {
        let key = |told: &CgroupCall| (Reverse(told.call.latency.sum_ns), told.cgroup.id, told.call.number);
        key(a).cmp(&key(b))
    });
    let (descriptors, closes) = descriptors(&calls);
    Syscall {
        cgroups,
        processes: processes(raw.processes, names),
        in_flight: vec![],
        in_flight_total: 0,
        descriptors,
        closes,
        own_calls,
        calls,
    }
}

/// Numbers that this machine has no call for are told as one.
fn told_as(number: u32) -> u32 {
    if number == COMPAT || names::name(number).is_some() { number } else { UNNUMBERED }
}

/// Rows of one number, added up.
#[derive(Default)]
struct Sum {
    totals: CallTotals,
    errors: HashMap<u32, Errors>,
    slow: Vec<u64>,
}

impl Sum {
    fn add(&mut self, totals: &CallTotals, errors: &HashMap<u32, Errors>, slow: Option<&[u64]>) {
        add(&mut self.totals, totals);
        for (errno, found) in errors {
            self.errors.entry(*errno).or_default().add(found);
        }
        self.slow.resize(BUCKETS, 0);
        self.slow.iter_mut().zip(slow.unwrap_or_default()).for_each(|(sum, count)| *sum += count);
    }
}

/// One error of one row.
#[derive(Clone, Debug, Default)]
struct Errors {
    count: u64,
    /// Who may have most of them, when it started, and with how many votes to spare.
    caller: Option<(Caller, u32, u64)>,
}

impl Errors {
    fn of(failure: &Failures) -> Self {
        let caller = Caller { pid: failure.tgid, comm: command(&failure.comm) };
        Self { count: failure.count, caller: (failure.votes > 0).then_some((caller, failure.start, failure.votes)) }
    }

    /// Votes for one process are votes against another, as in the kernel.
    fn add(&mut self, other: &Self) {
        self.count += other.count;
        self.caller = match (self.caller.take(), other.caller.clone()) {
            (Some((a, start, votes)), Some((b, later, more))) if (a.pid, start) == (b.pid, later) => {
                Some((a, start, votes + more))
            }
            (Some((a, start, votes)), Some((b, later, more))) => {
                let winner = if votes > more { (a, start, votes - more) } else { (b, later, more - votes) };
                (winner.2 > 0).then_some(winner)
            }
            (a, b) => a.or(b),
        };
    }

    /// Votes to spare prove nothing unless they are more than half of all.
    fn told(self, errno: u32) -> CallFailure {
        let name = errno_name(errno).map_or_else(|| errno.to_string(), str::to_owned);
        let caller = self.caller.filter(|(.., votes)| votes * 2 > self.count).map(|(caller, ..)| caller);
        CallFailure { errno, name, count: self.count, caller }
    }
}

fn call(number: u32, Sum { totals, errors, .. }: Sum, latency: Latency) -> Call {
    let mut errors: Vec<_> = errors.into_iter().map(|(errno, errors)| errors.told(errno)).collect();
    errors.sort_by_key(|error| (Reverse(error.count), error.errno));
    Call {
        number: names::name(number).map(|_| number),
        name: names::told(number),
        count: totals.calls,
        failed: totals.failed,
        restarted: totals.restarted,
        errors,
        latency,
        parts: CallParts {
            on_cpu_ns: totals.on_cpu,
            uninterruptible_ns: totals.uninterruptible,
            interruptible_ns: totals.interruptible,
            waiting_ns: totals.waiting,
        },
        waits_by_design: names::class(number) & CLASS == ASLEEP,
    }
}

/// Count and sum of the judged time; none where it is not judged.
fn judged(totals: &CallTotals) -> (u64, u64) {
    let count = totals.calls.saturating_sub(totals.untimed);
    (count, if count == 0 { 0 } else { totals.on_cpu + totals.judged_sleep })
}

/// Judged time of a number. Where its histogram was full, or nothing was judged, only sum and maximum are known.
fn latency(totals: &CallTotals, counts: Option<&[u64]>) -> Latency {
    let (count, sum_ns) = judged(totals);
    let histogram = counts.map(|counts| Histogram::from_counts(counts.iter().copied()));
    let histogram = histogram.or_else(|| (count == 0).then(Histogram::default));
    // Sums and histogram are read one after the other while calls go on.
    let (count, least) = histogram.as_ref().map_or((count, 0), |histogram| (histogram.count(), histogram.least_sum()));
    Latency { count, sum_ns: sum_ns.max(least), max_ns: Some(totals.max.max(longest(counts))), histogram }
}

/// Judged time of a number in a group: the slow calls by their histogram, the others at their mean.
fn latency_of_group(totals: &CallTotals, slow: &[u64]) -> Latency {
    let (count, sum_ns) = judged(totals);
    let mut counts = slow.to_vec();
    let slow_count: u64 = counts.iter().sum();
    let slow_sum: u64 = counts.iter().enumerate().map(|(bucket, count)| count * middle(bucket)).sum();
    let short = count.saturating_sub(slow_count);
    if let Some(mean) = sum_ns.saturating_sub(slow_sum).checked_div(short) {
        let mean = mean.min(SLOW_NS - 1);
        counts[bucket_of(mean) as usize] += short;
    }
    let max_ns = Some(totals.max.max(longest(Some(slow))));
    let histogram = Histogram::from_counts(counts);
    Latency { count: count.max(slow_count), sum_ns: sum_ns.max(histogram.least_sum()), max_ns, histogram: Some(histogram) }
}

fn middle(bucket: usize) -> u64 {
    u64::midpoint(lower_bound(bucket), upper_bound(bucket))
}

/// CPUs that share a maximum may overwrite each other's; the histogram has every call.
fn longest(counts: Option<&[u64]>) -> u64 {
    counts.and_then(|counts| counts.iter().rposition(|count| *count > 0)).map_or(0, lower_bound)
}

fn processes(mut raw: Vec<(ProcessKey, SlowCalls)>, names: Option<&Names>) -> Vec<SlowProcess> {
    let own = std::process::id();
    raw.retain(|(key, _)| key.tgid != own);
    raw.sort_by_key(|(key, slow)| (Reverse(slow.max), key.tgid, key.start, key.number));
    let told = |(key, slow): (ProcessKey, SlowCalls)| SlowProcess {
        caller: Caller { pid: key.tgid, comm: command(&slow.comm) },
        cgroup: cgroup_of(names, slow.group),
        name: names::told(key.number),
        count: slow.calls,
        judged_ns: slow.judged,
        max_ns: slow.max,
        parts: CallParts {
            on_cpu_ns: slow.on_cpu,
            uninterruptible_ns: slow.uninterruptible,
            interruptible_ns: slow.interruptible,
            waiting_ns: slow.waiting,
        },
    };
    raw.into_iter().take(PROCESSES).map(told).collect()
}

/// Descriptors made and closed by successful calls.
fn descriptors(calls: &[Call]) -> (Vec<DescriptorCalls>, u64) {
    let mut made: HashMap<DescriptorKind, u64> = HashMap::new();
    let mut closes = 0;
    for call in calls.iter().filter(|call| call.number.is_some()) {
        let succeeded = call.count.saturating_sub(call.failed + call.restarted);
        if let Some((kind, each)) = DescriptorKind::made_by(&call.name) {
            *made.entry(kind).or_default() += succeeded * each;
        }
        if closes_descriptors(&call.name) {
            closes += succeeded;
        }
    }
    let mut made: Vec<_> = made.into_iter().map(|(kind, made)| DescriptorCalls { kind, made }).collect();
    made.sort_by_key(|calls| calls.kind);
    (made, closes)
}

#[cfg(test)]
#[path = "decode_tests.rs"]
mod tests;
