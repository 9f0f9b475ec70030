//! When to read: at uneven times, so that what repeats is not taken for growth.

/// Share of an interval that a reading is moved by, at most a quarter before or after its time.
const SPREAD: f64 = 0.5;

/// Times of so many readings after the start, in nanoseconds; the last one at its even time. Readings at even times of something
/// that repeats a little faster climb a little each time (as wheels in films turn slowly): no test can tell them from growth. The
/// golden ratio spreads the readings most evenly over any period.
#[must_use]
pub fn moments(number: u32, interval_ns: u64) -> Vec<u64> {
    let golden = f64::midpoint(5.0_f64.sqrt(), -1.0);
    let moved = |index: u32| SPREAD * ((f64::from(index) * golden).fract() - 0.5);
    let at = |index: u32| f64::from(index) + if index == number { 0.0 } else { moved(index) };
    (1..=number).map(|index| (at(index) * interval_ns as f64) as u64).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn they_are_uneven_in_order_and_end_in_time() {
        for number in [1, 4, 5, 60] {
            let moments = moments(number, 1_000);
            assert_eq!((moments.len(), moments.last().copied()), (number as usize, Some(u64::from(number) * 1_000)));
            assert!(moments.windows(2).all(|pair| pair[1] - pair[0] >= 500), "{moments:?}");
            assert!((1..).zip(&moments).all(|(index, at)| at.abs_diff(index * 1_000) <= 250), "{moments:?}");
        }
    }
}
