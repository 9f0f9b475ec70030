//! The same windows judged by naive thresholds: every rule of the table as a bare comparison with what other tools print. Nothing is
//! subtracted: sleep by design, expected errors, background work, page cache and idle connections all count.

use std::collections::{BTreeMap, BTreeSet};

use super::script;

/// A rule that a bare comparison would have fired, and the number that did it.
#[derive(Debug, PartialEq, Eq, PartialOrd, Ord)]
pub struct Alarm {
    /// The rule's id.
    pub rule: &'static str,
    /// Who, and how much.
    pub what: String,
}

/// The calls that rule 1 counts as fsync.
const SYNCS: [&str; 5] = ["fsync", "fdatasync", "msync", "syncfs", "sync_file_range"];

/// What fires, the first reason for each rule; `None` when the guest did not measure.
pub fn judge(output: &str, window_seconds: f64) -> Option<Vec<Alarm>> {
    let (before, after) = (readings(script::part(output, "before")?), readings(script::part(output, "after")?));
    let tool = |name: &str| script::part(output, name).unwrap_or_default();
    let mut alarms = Vec::new();
    let mut alarm = |rule, what| alarms.push(Alarm { rule, what });

    let (calls, failures) = (calls(tool("syscount")), calls(tool("failures")));
    for (name, (count, milliseconds)) in &calls {
        // Only the mean is to be had, which is above a threshold less often than p99 is.
        let mean = milliseconds / (*count as f64).max(1.0);
        if mean > 100.0 {
            alarm("syscall-latency", format!("{name}, {mean:.0} ms on average"));
        }
        if SYNCS.contains(&name.as_str()) && mean > 50.0 {
            alarm("disk-io-bottleneck", format!("{name}, {mean:.0} ms on average"));
        }
        let failed = failures.get(name).map_or(0, |(failed, _)| *failed) as f64 / (*count as f64).max(1.0);
        if failed > 0.01 {
            alarm("syscall-error-rate", format!("{name}, {:.0} %", failed.min(1.0) * 100.0));
        }
    }
    for (name, p99) in histograms(tool("runqlat")) {
        if p99 > 5_000.0 {
            alarm("scheduler-contention", format!("{name}p99 {:.1} ms", p99 / 1_000.0));
        }
    }
    for (name, p99) in histograms(tool("biolatency")) {
        if p99 > 200.0 {
            alarm("disk-io-bottleneck", format!("{name}p99 {p99:.0} ms"));
        }
    }
    for trip in tool("ss").split_whitespace().filter_map(|word| word.strip_prefix("rtt:")?.split('/').next()?.parse::<f64>().ok())
    {
        if trip > 10.0 {
            alarm("tcp-rtt-degradation", format!("{trip:.0} ms"));
        }
        if trip > 100.0 {
            alarm("network-latency", format!("{trip:.0} ms"));
        }
    }
    for (key, now) in &after {
        let grown = |index: usize| {
            let then = before.get(key).and_then(|then| then.get(index)).copied();
            then.map_or(0.0, |then| now.get(index).copied().unwrap_or_default().saturating_sub(then) as f64)
        };
        let value = |index: usize| now.get(index).copied().unwrap_or_default() as f64;
        let (kind, who) = key;
        match kind.as_str() {
            "oom" if grown(0) > 0.0 => alarm("oom-kill", format!("{} kills", grown(0))),
            "tcp" if grown(1) > grown(0) * 0.02 => {
                alarm("tcp-retransmit-storm", format!("{:.1} %", grown(1) / grown(0).max(1.0) * 100.0));
            }
            "fds" if grown(0) > window_seconds * 10.0 => {
                alarm("fd-leak", format!("pid {who}, {:.0} a second", grown(0) / window_seconds.max(1.0)));
            }
            "quota" if grown(1) > grown(0) * 0.25 => {
                alarm("cpu-throttling", format!("{who}, {:.0} % of periods", grown(1) / grown(0).max(1.0) * 100.0));
            }
            "memory" if value(0) > value(1) * 0.9 => {
                let used = format!("{who}, {:.0} % used", value(0) / value(1).max(1.0) * 100.0);
                if grown(0) > 0.0 {
                    alarm("oom-imminent", used.clone());
                }
                alarm("memory-pressure", used);
            }
            _ => {}
        }
    }
    alarms.sort();
    alarms.dedup_by_key(|alarm| alarm.rule);
    Some(alarms)
}

/// The rules that fired.
pub fn rules(alarms: &[Alarm]) -> BTreeSet<&str> {
    alarms.iter().map(|alarm| alarm.rule).collect()
}

/// `loads reading`: what, whose, numbers.
fn readings(text: &str) -> BTreeMap<(String, String), Vec<u64>> {
    let line = |line: &str| {
        let mut words = line.split_whitespace();
        let key = (words.next()?.to_owned(), words.next()?.to_owned());
        Some((key, words.filter_map(|word| word.parse().ok()).collect()))
    };
    text.lines().filter_map(line).collect()
}

/// `syscount`: a call, how often, and with `-L` the milliseconds of all together.
fn calls(text: &str) -> BTreeMap<String, (u64, f64)> {
    let line = |line: &str| {
        let words: Vec<_> = line.split_whitespace().collect();
        let (name, count) = (words.first()?, words.get(1)?.parse().ok()?);
        Some(((*name).to_owned(), (count, words.get(2).and_then(|time| time.parse().ok()).unwrap_or_default())))
    };
    text.lines().filter_map(line).collect()
}

/// Histograms by powers of two, as libbpf-tools print them: the line before each, if it names something, and its p99.
fn histograms(text: &str) -> Vec<(String, f64)> {
    let (mut all, mut name, mut buckets) = (Vec::new(), String::new(), Vec::new());
    for line in text.lines().chain(["disk = "]) {
        if let Some((from, to, count)) = bucket(line) {
            buckets.push((from, to, count));
        } else if line.starts_with("disk = ") {
            if let Some(p99) = p99(&buckets) {
                all.push((std::mem::take(&mut name), p99));
            }
            buckets.clear();
            name = line.trim_start_matches("disk = ").split_whitespace().next().map(|it| format!("{it} ")).unwrap_or_default();
        }
    }
    all
}

/// `  4096 -> 8191       : 12       |****`.
fn bucket(line: &str) -> Option<(f64, f64, f64)> {
    let (range, rest) = line.split_once(" : ")?;
    let (from, to) = range.split_once("->")?;
    Some((from.trim().parse().ok()?, to.trim().parse().ok()?, rest.split_whitespace().next()?.parse().ok()?))
}

/// Where 99 % of the values are at most, as if they were spread evenly inside a bucket.
fn p99(buckets: &[(f64, f64, f64)]) -> Option<f64> {
    let total: f64 = buckets.iter().map(|(_, _, count)| count).sum();
    let mut left = total * 0.99;
    for (from, to, count) in buckets {
        if *count >= left && total > 0.0 {
            return Some(from + (to - from) * left / count.max(1.0));
        }
        left -= count;
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;

    fn output(parts: &[(&str, &str)]) -> String {
        parts.iter().map(|(name, text)| format!("kerno-lab: {name}\n{text}\nkerno-lab: end\n")).collect()
    }

    fn fired(parts: &[(&str, &str)]) -> Vec<&'static str> {
        judge(&output(parts), 10.0).unwrap().iter().map(|alarm| alarm.rule).collect()
    }

    #[test]
    fn sleep_by_design_expected_errors_and_page_cache_fire() {
        let parts = [
            ("before", "memory host 900 1000\nfds 7 3"),
            ("after", "memory host 950 1000\nfds 7 4"),
            ("syscount", "SYSCALL  COUNT  TIME (ms)\nepoll_wait  10  9000.5\nfdatasync 10 600.0\nopenat 100 1.0"),
            ("failures", "SYSCALL COUNT\nopenat 97"),
        ];
        let all = ["disk-io-bottleneck", "memory-pressure", "oom-imminent", "syscall-error-rate", "syscall-latency"];
        assert_eq!(fired(&parts), all);
    }

    #[test]
    fn totals_are_held_against_their_thresholds() {
        let before = "oom host 2\ntcp host 100 0\nfds 7 3\nquota /g 100 0\nmemory host 1 1000";
        let calm = "oom host 2\ntcp host 300 4\nfds 7 100\nquota /g 200 25\nmemory host 900 1000";
        assert_eq!(fired(&[("before", before), ("after", calm)]), Vec::<&str>::new());
        let loud = "oom host 3\ntcp host 300 5\nfds 7 104\nquota /g 200 26\nmemory host 901 1000";
        let all = ["cpu-throttling", "fd-leak", "memory-pressure", "oom-imminent", "oom-kill", "tcp-retransmit-storm"];
        assert_eq!(fired(&[("before", before), ("after", loud)]), all);
    }

    #[test]
    fn histograms_are_read() {
        let runqlat = "usecs : count distribution\n 4096 -> 8191 : 50 |***|\n 8192 -> 16383 : 50 |***|\n";
        let disks = "disk = nullb0 \n msecs : count\n 256 -> 511 : 9 |*|\n\ndisk = vda\n msecs : count\n 0 -> 1 : 9 |*|\n";
        let parts = [("before", ""), ("after", ""), ("runqlat", runqlat), ("biolatency", disks)];
        let alarms = judge(&output(&parts), 10.0).unwrap();
        assert_eq!(rules(&alarms), BTreeSet::from(["disk-io-bottleneck", "scheduler-contention"]));
        assert!(alarms[0].what.starts_with("nullb0 p99"), "{alarms:?}");
        assert_eq!(histograms(disks).len(), 2);
    }

    #[test]
    fn round_trips_fire_by_their_length() {
        let parts = |ss| [("before", ""), ("after", ""), ("ss", ss)];
        assert_eq!(fired(&parts("ESTAB 0 0\n\t cubic rtt:9.9/1.2 ato:40")), Vec::<&str>::new());
        assert_eq!(fired(&parts("x rtt:30.1/1.2\nx rtt:101.5/2")), ["network-latency", "tcp-rtt-degradation"]);
    }

    #[test]
    fn what_was_not_measured_is_not_judged() {
        assert_eq!(judge("kerno-lab: report\n{}\nkerno-lab: end\n", 10.0), None);
    }
}
