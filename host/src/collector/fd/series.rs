//! Counts of one thing over time, kept at a bounded number of moments that all things share.

use kerno_signals::Trend;

/// Moments kept at most. When there are as many, every second one is dropped and from then on only every second reading is kept.
const KEPT: usize = 32;

/// The parts in which growth is told.
const PARTS: usize = 5;

/// The moments of the readings that are kept.
#[derive(Debug, Default)]
pub struct Moments {
    kept: Vec<u64>,
    /// Readings so far.
    readings: u32,
    /// How often the moments were halved.
    halved: u32,
}

/// What a reading means for every series.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Step {
    /// It is kept.
    Keep,
    /// It is kept, after every series dropped every second of its counts.
    HalveAndKeep,
    /// It is not.
    Skip,
}

impl Moments {
    /// Takes a reading's time.
    pub fn note(&mut self, at: u64) -> Step {
        let reading = self.readings;
        self.readings = self.readings.saturating_add(1);
        if !reading.is_multiple_of(1 << self.halved.min(31)) {
            return Step::Skip;
        }
        let full = self.kept.len() >= KEPT;
        if full {
            // The number of moments is even, so this reading is again one of those that stay.
            keep_every_second(&mut self.kept, 0);
            self.halved += 1;
        }
        self.kept.push(at);
        if full { Step::HalveAndKeep } else { Step::Keep }
    }

    /// Moments kept so far.
    pub fn count(&self) -> usize {
        self.kept.len()
    }

    /// Readings so far.
    pub fn readings(&self) -> u32 {
        self.readings
    }
}

/// Counts of one thing: from its first to its last reading, and at the moments kept between.
#[derive(Debug)]
pub struct Series {
    /// Which of the kept moments is the first it was counted at.
    born: usize,
    first: (u64, u64),
    last: (u64, u64),
    peak: u64,
    /// Counts at the kept moments from `born` on. Empty as long as it never changed: most never do.
    counts: Vec<u64>,
    moved: bool,
}

impl Series {
    /// Begins with the reading that `moments` noted last.
    pub fn new(moments: &Moments, step: Step, at: u64, count: u64) -> Self {
        let born = if step == Step::Skip { moments.count() } else { moments.count().saturating_sub(1) };
        Self { born, first: (at, count), last: (at, count), peak: count, counts: vec![], moved: false }
    }

    /// Takes the reading that `moments` noted last; `None` when it failed for this thing.
    pub fn note(&mut self, moments: &Moments, step: Step, at: u64, count: Option<u64>) {
        let count = count.unwrap_or(self.last.1);
        if step == Step::HalveAndKeep {
            // Moment i is now i / 2, and those with an odd i are gone.
            keep_every_second(&mut self.counts, self.born % 2);
            self.born = self.born.div_ceil(2);
        }
        if !self.moved && count != self.first.1 {
            self.moved = true;
            let kept = moments.count().saturating_sub(usize::from(step != Step::Skip));
            self.counts = vec![self.first.1; kept.saturating_sub(self.born)];
        }
        if self.moved && step != Step::Skip {
            self.counts.push(count);
        }
        self.last = (at, count);
        self.peak = self.peak.max(count);
    }

    /// At the first reading.
    pub fn first(&self) -> u64 {
        self.first.1
    }

    /// At the last reading.
    pub fn last(&self) -> u64 {
        self.last.1
    }

    /// The most at any reading.
    pub fn peak(&self) -> u64 {
        self.peak
    }

    /// Time between first and last reading, nanoseconds.
    pub fn watched_ns(&self) -> u64 {
        self.last.0.saturating_sub(self.first.0)
    }

    /// Growth fitted to all that is kept.
    pub fn trend(&self, moments: &Moments) -> Option<Trend> {
        let points: Vec<_> = self.points(moments).into_iter().map(|(at, count)| (at, count as f64)).collect();
        Trend::fit(&points)
    }

    /// Net gain in each of five equal parts of the time, or in fewer when there are fewer points.
    pub fn gained(&self, moments: &Moments) -> Vec<i64> {
        let points = self.points(moments);
        let parts = PARTS.min(points.len().saturating_sub(1)) as u64;
        let (start, length) = (self.first.0, self.watched_ns());
        let at_end_of = |part: u64| {
            let wanted = start.saturating_add((u128::from(length) * u128::from(part) / u128::from(parts.max(1))) as u64);
            points.iter().min_by_key(|(at, _)| at.abs_diff(wanted)).map_or(0, |(_, count)| *count)
        };
        (0..parts).map(|part| at_end_of(part + 1).cast_signed().saturating_sub(at_end_of(part).cast_signed())).collect()
    }

    /// Time and count: the first, those kept, the last.
    fn points(&self, moments: &Moments) -> Vec<(u64, u64)> {
        let times = moments.kept.iter().copied().skip(self.born);
        let mut points = vec![self.first];
        if self.moved {
            points.extend(times.zip(self.counts.iter().copied()));
        } else {
            points.extend(times.map(|at| (at, self.first.1)));
        }
        points.push(self.last);
        points.dedup_by_key(|(at, _)| *at);
        points
    }
}

/// Drops the second, fourth … of them, or with `offset` 1 the first, third …
fn keep_every_second<T>(items: &mut Vec<T>, offset: usize) {
    let mut index = offset;
    items.retain(|_| {
        index += 1;
        index % 2 == 1
    });
}

#[cfg(test)]
mod tests {
    use super::*;

    const SECOND: u64 = 1_000_000_000;

    /// A series that is born at reading `born` and counted by `count` until reading `end`.
    fn run(born: u64, end: u64, count: impl Fn(u64) -> u64) -> (Moments, Series) {
        let mut moments = Moments::default();
        let mut series = None;
        for reading in 0..=end {
            let at = 7 + reading * SECOND;
            let step = moments.note(at);
            match &mut series {
                _ if reading < born => {}
                None => series = Some(Series::new(&moments, step, at, count(reading))),
                Some(series) => series.note(&moments, step, at, Some(count(reading))),
            }
        }
        (moments, series.unwrap())
    }

    #[test]
    fn a_leak_is_read_back_however_long_it_is_watched_and_whenever_it_began() {
        for born in [0, 1, 2, 3, 13, 32, 33, 47] {
            for length in [1, 2, 5, 6, 9, 31, 32, 33, 64, 65, 200, 299] {
                let (moments, series) = run(born, born + length, |reading| 100 + 12 * reading);
                let trend = series.trend(&moments).unwrap();
                assert!((trend.slope_per_second - 12.0).abs() < 1e-6, "{born} {length} {trend:?}");
                let gained = series.gained(&moments);
                assert_eq!(gained.iter().sum::<i64>(), 12 * length as i64, "{born} {length}");
                assert_eq!(gained.len() as u64, length.min(5).min(gained.len() as u64));
                assert!(length < 8 || gained.len() == 5, "{born} {length} {gained:?}");
                assert!(gained.iter().all(|gain| *gain > 0), "{born} {length} {gained:?}");
                assert_eq!((series.first(), series.last()), (100 + 12 * born, 100 + 12 * (born + length)));
                assert_eq!(series.watched_ns(), length * SECOND);
                assert!(moments.count() <= KEPT && series.counts.len() <= KEPT);
            }
        }
    }

    #[test]
    fn counts_stay_with_their_moments() {
        for born in 0..70 {
            let (moments, series) = run(born, born + 150, |reading| if reading < born + 20 { 5 } else { reading });
            for (at, count) in series.points(&moments) {
                let reading = (at - 7) / SECOND;
                assert_eq!(count, if reading < born + 20 { 5 } else { reading }, "{born}");
            }
        }
    }

    #[test]
    fn what_never_changes_keeps_nothing() {
        let (moments, series) = run(0, 250, |_| 40);
        assert!(series.counts.is_empty());
        assert_eq!(series.trend(&moments).unwrap().slope_per_second, 0.0);
        assert_eq!(series.gained(&moments), [0; 5]);
    }

    #[test]
    fn a_start_up_ramp_is_told_from_a_leak() {
        let (moments, series) = run(0, 30, |reading| 10 + 50 * reading.min(6));
        assert_eq!(series.gained(&moments), [300, 0, 0, 0, 0]);
        assert_eq!(series.trend(&moments).unwrap().slope_per_second, 0.0);
        assert_eq!((series.first(), series.last(), series.peak()), (10, 310, 310));
    }

    #[test]
    fn what_was_read_once_has_no_trend_and_a_failed_reading_changes_nothing() {
        let (mut moments, mut series) = run(0, 0, |_| 3);
        assert_eq!(series.trend(&moments), None);
        assert!(series.gained(&moments).is_empty());
        let step = moments.note(9 * SECOND);
        series.note(&moments, step, 9 * SECOND, None);
        assert_eq!((series.last(), series.trend(&moments).unwrap().slope_per_second), (3, 0.0));
    }
}
