//! Whether a few readings grow for good, how fast, and how sure that is. Noise, steps and saw-teeth do not.
//!
//! Two tests that fear different things, and both must pass: Mann and Kendall's asks whether the order of the readings is chance, the
//! drift's whether the increments are (a value that only wanders goes somewhere as well). Of a step one increment carries all, which
//! the second does not believe. The pace is the median of the slopes between all pairs of readings (Theil and Sen).

mod chance;
mod moments;

pub use moments::moments;

use crate::trend::{median, seconds, slopes};

/// Fewer readings tell no growth from chance: of three, every sixth order rises throughout.
pub const FEWEST: usize = 4;

/// Chance up to which increments that only wander are not believed to have done it.
pub const SURE: f64 = 0.01;

/// Chance of a one-sided error at each end of the pace's interval; also what the order of the readings must pass.
const TAIL: f64 = 0.05;

/// How fast something grows.
#[derive(Clone, Copy, Debug, PartialEq)]
pub struct Growth {
    /// Growth per second.
    pub per_second: f64,
    /// Lower end of its 90 % interval, exact for the number of readings; with few readings the smallest slope.
    pub low: f64,
    /// Upper end of the interval.
    pub high: f64,
    /// Chance that a value which only wanders does the same.
    pub chance: f64,
    /// Share of the readings' variation that the straight line explains, 0–1.
    pub fit: f64,
    /// It slows down so that it ends at about this value.
    pub levels_off: Option<f64>,
}

/// What a series does.
#[derive(Clone, Copy, Debug, PartialEq)]
pub enum Course {
    /// Of so few readings nothing is told.
    TooFew,
    /// Every reading is the same.
    Still,
    /// It moves, and not surely upwards.
    Unsure,
    /// It grows.
    Grows(Growth),
}

impl Course {
    /// Judges readings in the order of time: time in nanoseconds and value. Values that are no numbers are left out, and of several
    /// readings of one time all but the last. `resolution` is the smallest difference that can be read; none is believed more.
    #[must_use]
    pub fn of(readings: &[(u64, f64)], resolution: f64) -> Self {
        let points = usable(readings);
        if points.len() < FEWEST {
            return Self::TooFew;
        }
        if points.windows(2).all(|pair| matches!(pair, [a, b] if a.1 == b.1)) {
            return Self::Still;
        }
        let (slopes, inversions) = (slopes(&points), chance::Inversions::of(points.len()));
        let Some(growth) = growth(&points, &slopes, &inversions, resolution) else { return Self::Unsure };
        if !rises(&slopes, &inversions) || growth.low <= 0.0 || growth.chance > SURE {
            return Self::Unsure;
        }
        Self::Grows(growth)
    }
}

/// Parts of a window whose increments are held against each other.
const PARTS: usize = 5;

/// Whether readings that rise over a window may as well wander: the increments of its five parts are not surely above zero. Of fewer
/// readings nothing is said against them.
#[must_use]
pub fn may_wander(readings: &[(u64, f64)]) -> bool {
    let points = usable(readings);
    if points.len() <= PARTS {
        return false;
    }
    let last = points.len() - 1;
    let ends: Vec<_> = (0..=PARTS).filter_map(|part| points.get(part * last / PARTS).copied()).collect();
    drift(&ends, 0.0).is_none_or(|chance| chance > TAIL)
}

fn usable(readings: &[(u64, f64)]) -> Vec<(u64, f64)> {
    let mut points: Vec<(u64, f64)> = readings.iter().copied().filter(|(_, value)| value.is_finite()).collect();
    points.sort_by_key(|(at, _)| *at);
    points.reverse();
    points.dedup_by_key(|(at, _)| *at);
    points.reverse();
    points
}

/// Whether the order of the readings is no chance. Pairs that are equal count against it.
fn rises(slopes: &[f64], inversions: &chance::Inversions) -> bool {
    let not_rising = slopes.iter().filter(|slope| **slope <= 0.0).count();
    inversions.at_most(not_rising) <= TAIL
}

fn growth(points: &[(u64, f64)], slopes: &[f64], inversions: &chance::Inversions, resolution: f64) -> Option<Growth> {
    let per_second = median(slopes)?;
    // As many of the outermost slopes are left out as may be.
    let outside = (0..slopes.len() / 2).take_while(|rank| inversions.at_most(*rank) <= TAIL).last().unwrap_or(0);
    let (low, high) = (*slopes.get(outside)?, *slopes.get(slopes.len() - 1 - outside)?);
    let (chance, fit) = (drift(points, resolution)?, fit(points, per_second)?);
    Some(Growth { per_second, low, high, chance, fit, levels_off: level(points) })
}

/// Chance that the sum of the increments is as large as it is though none is expected: Student's t of increments whose variance
/// grows with the time between two readings.
fn drift(points: &[(u64, f64)], resolution: f64) -> Option<f64> {
    let (first, last) = (points.first()?, points.last()?);
    let time = seconds(last.0 - first.0);
    let pace = (last.1 - first.1) / time;
    let number = points.len() - 1;
    let increments = points.windows(2).filter_map(|pair| match pair {
        [a, b] => Some((b.1 - a.1, seconds(b.0 - a.0))),
        _ => None,
    });
    // Each end of an increment is off by up to half of the resolution, evenly spread.
    let unread = resolution * resolution / 6.0;
    let variance = increments.map(|(added, time)| ((added - pace * time).powi(2) + unread) / time).sum::<f64>();
    let variance = variance / (number - 1) as f64;
    let t = pace * time.sqrt() / variance.sqrt();
    // Of increments that are exactly equal the variance may be 0.
    let t = if t.is_nan() { 0.0 } else { t };
    Some(chance::student(t, number - 1))
}

/// Share of the variation that the line explains.
fn fit(points: &[(u64, f64)], pace: f64) -> Option<f64> {
    let start = points.first()?.0;
    let line = |at: u64| pace * seconds(at - start);
    let mut levels: Vec<f64> = points.iter().map(|(at, value)| value - line(*at)).collect();
    levels.sort_by(f64::total_cmp);
    let level = median(&levels)?;
    let mean = points.iter().map(|(_, value)| value / points.len() as f64).sum::<f64>();
    let squares = |of: &dyn Fn(&(u64, f64)) -> f64| points.iter().map(|point| of(point).powi(2)).sum::<f64>();
    let (left, all) = (squares(&|(at, value)| value - level - line(*at)), squares(&|(_, value)| value - mean));
    let share = 1.0 - left / all;
    Some(if share.is_finite() { share.clamp(0.0, 1.0) } else { 0.0 })
}

/// Where a growth ends that surely slows down: as a geometric series does, whose later increments are by a constant factor smaller.
/// Also one whose last increment is less than half of the others' average: what tails off is a cache or a pool that is nearly full.
fn level(points: &[(u64, f64)]) -> Option<f64> {
    let paces: Vec<f64> = points
        .windows(2)
        .filter_map(|pair| match pair {
            [a, b] => Some((b.1 - a.1) / seconds(b.0 - a.0)),
            _ => None,
        })
        .collect();
    let (first, last, end) = (*paces.first()?, *paces.last()?, *points.last()?);
    let before = paces.get(..paces.len() - 1)?;
    let average = before.iter().map(|pace| pace / before.len() as f64).sum::<f64>();
    let orders = paces.iter().enumerate().flat_map(|(index, pace)| paces.iter().skip(index + 1).map(move |later| later < pace));
    let not_falling = orders.filter(|falls| !falls).count();
    let is_slowing = not_falling == 0 || chance::Inversions::of(paces.len()).at_most(not_falling) <= TAIL;
    if last * 2.0 >= average && !is_slowing {
        return None;
    }
    let ratio = (last / first).powf(1.0 / before.len() as f64);
    let interval = seconds(end.0 - points.first()?.0) / paces.len() as f64;
    let rest = last * interval * ratio / (1.0 - ratio);
    Some(end.1 + if rest.is_finite() && rest > 0.0 { rest } else { 0.0 })
}

#[cfg(test)]
mod tests;
