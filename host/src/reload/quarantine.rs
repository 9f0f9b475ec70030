//! Rules that trap or are stopped three times in a row rest for a while, each time for longer; a new version is judged at once.

use std::collections::{BTreeMap, BTreeSet};
use std::time::{Duration, Instant};

/// So often in a row.
const STRIKES: u32 = 3;
/// Rest after that; twice as long after each further time.
const FIRST: Duration = Duration::from_secs(60);
const LONGEST: Duration = Duration::from_secs(3600);

/// By what a version of a rule is known.
#[derive(Default)]
pub(super) struct Quarantine(BTreeMap<String, Record>);

struct Record {
    strikes: u32,
    until: Option<Instant>,
}

impl Quarantine {
    /// Rules that are not judged now, and why.
    pub(super) fn rest(&self, files: &[Option<String>], now: Instant) -> BTreeMap<usize, String> {
        let rests = |(index, file): (usize, &Option<String>)| {
            let record = self.0.get(file.as_ref()?)?;
            let left = record.until?.checked_duration_since(now).filter(|left| !left.is_zero())?;
            let (strikes, left) = (record.strikes, left.as_secs_f64().ceil());
            Some((
                index,
                format!(
                    "in quarantine for {left} s more: it trapped or was stopped {strikes} times in a row; a new version is judged at once"
                ),
            ))
        };
        (0..).zip(files).filter_map(rests).collect()
    }

    /// What came of those that ran: some said something, some were stopped. What is not in force any more is forgotten.
    pub(super) fn note(
        &mut self,
        files: &[Option<String>],
        said: impl Iterator<Item = usize>,
        stopped: &BTreeSet<usize>,
        now: Instant,
    ) {
        for file in said.filter_map(|index| files.get(index)?.as_ref()) {
            self.0.remove(file);
        }
        for file in stopped.iter().filter_map(|index| files.get(*index)?.as_ref()) {
            let record = self.0.entry(file.clone()).or_insert(Record { strikes: 0, until: None });
            record.strikes = record.strikes.saturating_add(1);
            let times = record.strikes.checked_sub(STRIKES);
            record.until = times.map(|times| now + FIRST.saturating_mul(1 << times.min(16)).min(LONGEST));
        }
        self.0.retain(|file, _| files.iter().flatten().any(|known| known == file));
    }

    /// How near a rule is.
    pub(super) fn warning(&self, files: &[Option<String>], index: usize) -> Option<String> {
        let record = self.0.get(files.get(index)?.as_ref()?)?;
        let strikes = record.strikes;
        Some(match record.until {
            Some(_) => "it is in quarantine from now on".to_owned(),
            None => format!("{strikes} of {STRIKES} times in a row, after which it is put in quarantine"),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn files(names: &[&str]) -> Vec<Option<String>> {
        names.iter().map(|name| Some((*name).to_owned())).collect()
    }

    #[test]
    fn three_in_a_row_rest_for_longer_each_time_and_a_new_version_does_not() {
        let (mut quarantine, begun) = (Quarantine::default(), Instant::now());
        let (all, first) = (files(&["a", "b"]), BTreeSet::from([0]));
        let after = |seconds| begun + Duration::from_secs(seconds);
        quarantine.note(&all, 1..2, &first, begun);
        quarantine.note(&all, 1..2, &first, begun);
        assert!(quarantine.rest(&all, begun).is_empty(), "two are not three");
        quarantine.note(&all, 0..2, &BTreeSet::new(), begun);
        quarantine.note(&all, 1..2, &first, begun);
        quarantine.note(&all, 1..2, &first, begun);
        assert!(quarantine.rest(&all, begun).is_empty(), "not in a row");
        quarantine.note(&all, 1..2, &first, begun);
        assert_eq!(quarantine.rest(&all, after(59)).into_keys().collect::<Vec<_>>(), [0]);
        assert!(quarantine.rest(&all, after(60)).is_empty(), "it is tried again");
        quarantine.note(&all, 1..2, &first, after(60));
        assert!(quarantine.rest(&all, after(179))[&0].contains("for 1 s more"));
        assert!(quarantine.rest(&all, after(180)).is_empty());
        for _ in 0..40 {
            quarantine.note(&all, 1..2, &first, after(180));
        }
        assert!(quarantine.rest(&all, after(180 + 3599)).contains_key(&0) && quarantine.rest(&all, after(180 + 3600)).is_empty());
        let newer = files(&["c", "b"]);
        assert!(quarantine.rest(&newer, after(181)).is_empty(), "a new version is judged at once");
        quarantine.note(&newer, 0..2, &BTreeSet::new(), after(181));
        assert!(quarantine.rest(&all, after(182)).is_empty() && quarantine.0.is_empty(), "and the old one is forgotten");
    }
}
