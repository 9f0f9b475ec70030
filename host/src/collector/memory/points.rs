//! Readings of one size over the window, for its trend.

use kerno_signals::Trend;
use kerno_signals::growth::may_wander;

/// Readings that are kept; when there are more, every other one is dropped and as many are left out from then on.
const MOST: usize = 128;

/// Readings in the order they were taken, evenly spread however long the window is.
#[derive(Debug, Default)]
pub(super) struct Points {
    kept: Vec<(u64, f64)>,
    /// One in so many, less one, is kept.
    skipped_between: u64,
    noted: u64,
    last: Option<(u64, f64)>,
}

impl Points {
    pub fn note(&mut self, at_ns: u64, bytes: u64) {
        let point = (at_ns, bytes as f64);
        if self.noted.is_multiple_of(self.skipped_between + 1) {
            if self.kept.len() >= MOST {
                let mut index = 0;
                self.kept.retain(|_| {
                    index += 1;
                    index % 2 == 1
                });
                self.skipped_between = self.skipped_between * 2 + 1;
            }
            self.kept.push(point);
        }
        self.last = Some(point);
        self.noted += 1;
    }

    /// Readings taken.
    pub fn noted(&self) -> u64 {
        self.noted
    }

    /// Growth per second; `None` with less than two readings.
    pub fn trend(&self) -> Option<Trend> {
        let last = self.last.filter(|last| self.kept.last() != Some(last));
        let points: Vec<_> = self.kept.iter().copied().chain(last).collect();
        let trend = Trend::fit(&points)?;
        // What only wanders goes somewhere as well, and the order of its readings looks sure of it.
        Some(if may_wander(&points) { Trend { low: trend.low.min(0.0), ..trend } } else { trend })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_long_window_keeps_its_slope_in_few_points() {
        let mut points = Points::default();
        (0..5_000_u64).for_each(|second| points.note(second * 1_000_000_000, 100 + 7 * second));
        assert!((MOST / 2..=MOST).contains(&points.kept.len()), "{}", points.kept.len());
        assert!(points.kept[0].0 == 0 && points.kept.windows(2).all(|pair| pair[1].0 - pair[0].0 == 64_000_000_000));
        let trend = points.trend().unwrap();
        assert!((trend.slope_per_second - 7.0).abs() < 1e-9, "{trend:?}");
        assert_eq!(points.noted(), 5_000);
    }

    #[test]
    fn what_wanders_does_not_surely_grow() {
        let trend = |steps: &[u64]| {
            let mut points = Points::default();
            let mut bytes = 1 << 30;
            for (second, step) in (0..31).zip(steps.iter().cycle()) {
                points.note(second * 1_000_000_000, bytes);
                bytes += step;
            }
            points.trend().unwrap()
        };
        assert!(trend(&[1 << 20]).low > 0.0, "a ramp");
        assert!(trend(&[0, 0, 3 << 20]).low > 0.0, "a ramp in steps");
        // Up once, and never again: the order of the readings alone would be sure of it.
        let mut once = [0; 31];
        once[14..17].fill(8 << 20);
        let step = trend(&once);
        assert!(step.low <= 0.0 && step.high >= step.slope_per_second, "{step:?}");
    }

    #[test]
    fn one_reading_is_no_trend() {
        let mut points = Points::default();
        assert_eq!(points.trend(), None);
        points.note(5, 1);
        assert_eq!(points.trend(), None);
    }
}
