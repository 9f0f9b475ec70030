//! A straight line through points that may lie: growth that one outlier or one saw-tooth does not bend.

use serde::{Deserialize, Serialize};

/// How fast something grows, by Theil and Sen: the median of the slopes between all pairs of points. Up to 29 % of the points may
/// be anything without moving it far.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Trend {
    /// Growth per second; negative when it shrinks.
    pub slope_per_second: f64,
    /// Lower end of the slope's 95 % interval, by the ranks of the slopes. With fewer than five points it is the smallest slope.
    /// Of memory it is never above 0 where the readings [`may wander`](crate::growth::may_wander).
    pub low: f64,
    /// Upper end of the interval; with fewer than five points the largest slope.
    pub high: f64,
    /// Points it was fitted to.
    pub points: u32,
}

/// More points than this are thinned out evenly before the fit: pairs grow with their square.
const MOST_POINTS: usize = 128;

/// Normal quantile of a two-sided 95 % interval.
const Z: f64 = 1.96;

impl Trend {
    /// Fits a line to `points`: time in nanoseconds and value. Points that are no numbers are left out. `None` when fewer than two
    /// points of different times remain.
    #[must_use]
    pub fn fit(points: &[(u64, f64)]) -> Option<Self> {
        let usable: Vec<_> = points.iter().copied().filter(|(_, value)| value.is_finite()).collect();
        let used = thinned(&usable);
        let slopes = slopes(&used);
        let (low, high) = interval(slopes.len(), used.len());
        Some(Self {
            slope_per_second: median(&slopes)?,
            low: *slopes.get(low)?,
            high: *slopes.get(high)?,
            points: u32::try_from(used.len()).unwrap_or(u32::MAX),
        })
    }
}

/// Slopes a second between all pairs of points, smallest first.
pub(crate) fn slopes(points: &[(u64, f64)]) -> Vec<f64> {
    let mut slopes = Vec::with_capacity(points.len() * points.len().saturating_sub(1) / 2);
    for (index, &(at, value)) in points.iter().enumerate() {
        for &(later, other) in points.get(index + 1..).unwrap_or_default() {
            let slope = if later >= at { (other - value) / seconds(later - at) } else { (value - other) / seconds(at - later) };
            // No slope has two points of one time, nor numbers that are too far apart for any.
            slopes.extend(Some(slope).filter(|slope| slope.is_finite()));
        }
    }
    slopes.sort_by(f64::total_cmp);
    slopes
}

pub(crate) fn seconds(nanoseconds: u64) -> f64 {
    nanoseconds as f64 / 1e9
}

/// At most [`MOST_POINTS`] of them, first and last included.
fn thinned(points: &[(u64, f64)]) -> Vec<(u64, f64)> {
    if points.len() <= MOST_POINTS {
        return points.to_vec();
    }
    let last = points.len() - 1;
    (0..MOST_POINTS).filter_map(|index| points.get(index * last / (MOST_POINTS - 1)).copied()).collect()
}

/// Ranks, from 0, of the interval's ends among `slopes` sorted slopes of `points` points (variance of Kendall's statistic).
fn interval(slopes: usize, points: usize) -> (usize, usize) {
    let n = points as f64;
    let width = Z * (n * (n - 1.0) * (2.0 * n + 5.0) / 18.0).sqrt();
    let below = ((slopes as f64 - width) / 2.0).floor().max(0.0);
    // Saturates at 0: `below` is no larger than half of the slopes.
    let below = below as usize;
    (below, slopes.saturating_sub(below + 1))
}

/// Of sorted numbers.
pub(crate) fn median(sorted: &[f64]) -> Option<f64> {
    let upper = *sorted.get(sorted.len() / 2)?;
    if sorted.len() % 2 == 1 {
        return Some(upper);
    }
    let lower = *sorted.get(sorted.len() / 2 - 1)?;
    Some(f64::midpoint(lower, upper))
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const SECOND: u64 = 1_000_000_000;

    fn line(slope: f64, points: u64) -> Vec<(u64, f64)> {
        (0..points).map(|index| (index * SECOND, 100.0 + slope * index as f64)).collect()
    }

    #[test]
    fn one_point_or_one_time_is_no_trend() {
        assert_eq!(Trend::fit(&[]), None);
        assert_eq!(Trend::fit(&[(5, 1.0)]), None);
        assert_eq!(Trend::fit(&[(5, 1.0), (5, 9.0)]), None);
        assert_eq!(Trend::fit(&[(5, 1.0), (6, f64::NAN)]), None);
        assert_eq!(Trend::fit(&[(0, 1.0), (SECOND, 9.0)]).unwrap().slope_per_second, 8.0);
    }

    #[test]
    fn a_jump_is_no_growth() {
        // A pool that is filled once.
        let points: Vec<_> = (0..10).map(|index| (index * SECOND, if index < 3 { 10.0 } else { 500.0 })).collect();
        assert_eq!(Trend::fit(&points).unwrap().slope_per_second, 0.0);
    }

    #[test]
    fn a_saw_tooth_that_climbs_is_seen_climbing() {
        // Collected every five points, and 2 a second more after each collection.
        let tooth = |index: u64| 2.0 * index as f64 + 30.0 * (index % 5) as f64;
        let points: Vec<_> = (0..40).map(|index| (index * SECOND, tooth(index))).collect();
        let trend = Trend::fit(&points).unwrap();
        assert!((trend.slope_per_second - 2.0).abs() < 0.5, "{trend:?}");
        let steady: Vec<_> = (0..40).map(|index| (index * SECOND, 30.0 * (index % 5) as f64)).collect();
        assert!(Trend::fit(&steady).unwrap().slope_per_second.abs() < 0.5);
    }

    #[test]
    fn few_points_have_the_widest_interval() {
        let trend = Trend::fit(&[(0, 0.0), (SECOND, 1.0), (2 * SECOND, 4.0)]).unwrap();
        assert_eq!((trend.low, trend.slope_per_second, trend.high), (1.0, 2.0, 3.0));
    }

    #[test]
    fn many_points_are_thinned_and_keep_their_slope() {
        let trend = Trend::fit(&line(7.0, 10_000)).unwrap();
        assert_eq!(trend.points, 128);
        assert!((trend.slope_per_second - 7.0).abs() < 1e-9);
    }

    proptest! {
        #[test]
        fn a_straight_line_is_read_back(slope in -1e6..1e6_f64, points in 2..60_u64) {
            let trend = Trend::fit(&line(slope, points)).unwrap();
            prop_assert!((trend.slope_per_second - slope).abs() <= 1e-6 * slope.abs().max(1.0));
            prop_assert!(trend.low <= trend.slope_per_second && trend.slope_per_second <= trend.high);
        }

        #[test]
        fn a_fifth_of_lies_bends_nothing(
            slope in 1.0..1e4_f64, points in 20..60_u64, lies in prop::collection::vec((any::<prop::sample::Index>(), -1e9..1e9_f64), 1..4)
        ) {
            let mut points = line(slope, points);
            for (index, value) in lies {
                let index = index.index(points.len());
                points[index].1 = value;
            }
            let trend = Trend::fit(&points).unwrap();
            prop_assert!((trend.slope_per_second - slope).abs() <= 1e-6 * slope, "{trend:?}");
        }

        #[test]
        fn order_and_offset_change_nothing(values in prop::collection::vec(-1e9..1e9_f64, 2..40), shift in 0..u64::MAX / 4) {
            let points: Vec<_> = values.iter().enumerate().map(|(index, value)| (index as u64 * SECOND, *value)).collect();
            let trend = Trend::fit(&points).unwrap();
            let mut turned: Vec<_> = points.iter().map(|(at, value)| (at + shift, *value)).collect();
            turned.reverse();
            prop_assert_eq!(Trend::fit(&turned), Some(trend));
        }

        #[test]
        fn nothing_overflows(points in prop::collection::vec((any::<u64>(), any::<f64>()), 0..40)) {
            if let Some(trend) = Trend::fit(&points) {
                prop_assert!(trend.low <= trend.slope_per_second && trend.slope_per_second <= trend.high);
                prop_assert!(trend.slope_per_second.is_finite());
            }
        }
    }
}
