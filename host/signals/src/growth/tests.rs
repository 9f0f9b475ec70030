//! Series that grow, and those that only look as if they did.

use proptest::prelude::*;

use super::*;

const SECOND: u64 = 1_000_000_000;
const INTERVAL: u64 = 15 * SECOND;

/// Numbers that look random and are the same in every run: from 0 to 1 (SplitMix64).
struct Seeded(u64);

impl Seeded {
    fn next(&mut self) -> f64 {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut bits = self.0;
        bits = (bits ^ (bits >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        bits = (bits ^ (bits >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        ((bits ^ (bits >> 31)) >> 11) as f64 / (1_u64 << 53) as f64
    }

    /// Standard normal, by twelve even ones.
    fn normal(&mut self) -> f64 {
        (0..12).map(|_| self.next()).sum::<f64>() - 6.0
    }
}

fn series(number: u64, mut value: impl FnMut(u64) -> f64) -> Vec<(u64, f64)> {
    (0..number).map(|index| (index * INTERVAL, value(index))).collect()
}

fn grows(readings: &[(u64, f64)]) -> Option<Growth> {
    match Course::of(readings, 1.0) {
        Course::Grows(growth) => Some(growth),
        _ => None,
    }
}

/// How many of 1,000 seeded series grow.
fn grow(number: u64, mut value: impl FnMut(&mut Seeded, u64) -> f64) -> usize {
    let mut of = |seed: u64| {
        let mut seeded = Seeded(seed);
        grows(&series(number, |index| value(&mut seeded, index))).is_some()
    };
    (0..1_000).filter(|seed| of(*seed)).count()
}

#[test]
fn noise_is_no_growth() {
    for number in [4, 5, 8, 20] {
        let told = grow(number, |seeded, _| 1e6 + 1e4 * seeded.normal());
        assert!(told <= 10, "{told} of 1,000 with {number} readings");
        let told = grow(number, |seeded, _| 1e6 + 1e4 * seeded.next().powi(8));
        assert!(told <= 10, "{told} of 1,000 with {number} readings and outliers");
    }
}

#[test]
fn what_only_wanders_seems_to_grow_as_seldom_as_is_promised() {
    for number in [4, 5, 8, 20] {
        let mut at = 0.0;
        let told = grow(number, |seeded, index| {
            at = if index == 0 { 1e6 } else { at + 1e4 * seeded.normal() };
            at
        });
        assert!(told <= 15, "{told} of 1,000 with {number} readings");
    }
}

#[test]
fn a_ramp_is_found_under_noise() {
    for (number, noise, least) in [(5, 0.0, 1_000), (5, 0.05, 1_000), (5, 0.2, 850), (10, 0.3, 990), (4, 0.05, 990)] {
        let told = grow(number, |seeded, index| 1e6 + 1e4 * (index as f64 + noise * seeded.normal()));
        assert!(told >= least, "{told} of 1,000 with {number} readings and noise of {noise} of an increment");
    }
}

#[test]
fn the_pace_of_a_ramp_is_read_back_and_lies_in_its_interval() {
    let mut inside = 0;
    for seed in 0..1_000 {
        let mut seeded = Seeded(seed);
        let readings = series(5, |index| 1e6 + 3e4 * (index as f64 + 0.05 * seeded.normal()));
        let growth = grows(&readings).unwrap();
        assert!((growth.per_second / 2e3 - 1.0).abs() < 0.1, "{growth:?}");
        assert!(growth.chance < 0.01 && growth.fit > 0.98, "{growth:?}");
        inside += usize::from(growth.low <= 2e3 && 2e3 <= growth.high);
    }
    assert!(inside >= 900, "{inside} of 1,000 intervals of 90 % hold the truth");
}

#[test]
fn a_step_is_no_growth() {
    for number in [5, 8, 20] {
        for at in 1..number {
            let told = grow(number, |seeded, index| 1e6 + if index < at { 0.0 } else { 1e6 } + 1e3 * seeded.normal());
            assert!(told == 0, "{told} of 1,000 with a step at {at} of {number}");
        }
    }
    // Though every reading is larger than the one before.
    assert_eq!(grows(&series(5, |index| 100.0 + index as f64 + if index < 3 { 0.0 } else { 1e3 })), None);
    // Two steps of a staircase.
    assert_eq!(grows(&series(5, |index| [100.0, 101.0, 600.0, 601.0, 1_100.0][index as usize])), None);
}

#[test]
fn saw_teeth_and_seasons_are_no_growth() {
    for number in [5_u64, 10, 20] {
        for phase in 0..20_u32 {
            // Teeth and waves that are seen whole.
            for period in [1.3, 2.0, 2.5, 3.0, 3.7, 4.0] {
                let position = |index: u64| (index as f64 / period + f64::from(phase) / 20.0).fract();
                let tooth = series(number, |index| 1e6 + 1e5 * position(index));
                let wave = series(number, |index| 1e6 + 1e5 * (position(index) * std::f64::consts::TAU).sin());
                assert_eq!(grows(&tooth), None, "tooth of {period} intervals, phase {phase}, {number} readings");
                assert_eq!(grows(&wave), None, "wave of {period} intervals, phase {phase}, {number} readings");
            }
        }
    }
}

#[test]
fn what_repeats_within_an_interval_is_no_growth() {
    let tooth = |at: u64, period: f64, phase: f64| 1e6 + 1e5 * (at as f64 / (period * INTERVAL as f64) + phase).fract();
    // Wheels in films: read at even times, these teeth climb by the same little amount each time.
    let deceives = series(5, |index| tooth(index * INTERVAL, 0.95, 0.0));
    assert!(grows(&deceives).is_some(), "there is nothing to be deceived by");
    let mut told = 0;
    for number in [5, 6, 10] {
        for part in 1..=40 {
            for phase in 0..20 {
                // From a quarter of an interval up to all of it.
                let (period, phase) = (0.25 + 0.75 * f64::from(part) / 40.0, f64::from(phase) / 20.0);
                let read: Vec<_> = moments(number, INTERVAL).into_iter().map(|at| (at, tooth(at, period, phase))).collect();
                told += usize::from(grows(&read).is_some());
            }
        }
    }
    assert!(told <= 12, "{told} of 2,400");
}

#[test]
fn what_levels_off_says_where() {
    for ratio in [0.5_f64, 0.7, 0.8, 0.9] {
        let readings = series(6, |index| 1e6 + 1e5 * (1.0 - ratio.powi(index as i32)) / (1.0 - ratio));
        let end = 1e6 + 1e5 / (1.0 - ratio);
        if let Some(growth) = grows(&readings) {
            assert!(growth.levels_off.is_some_and(|level| (level / end - 1.0).abs() < 0.01), "{ratio}: {growth:?}, {end}");
        }
    }
    // A pool that is nearly full.
    let filled = series(8, |index| [0.0, 100.0, 200.0, 300.0, 400.0, 500.0, 600.0, 601.0][index as usize]);
    assert!(grows(&filled).is_none_or(|growth| growth.levels_off.is_some_and(|level| level < 603.0)));
}

#[test]
fn what_falls_or_stands_still_does_not_grow() {
    assert_eq!(grow(5, |seeded, index| 1e6 - 1e4 * (index as f64 + 0.1 * seeded.normal())), 0);
    assert_eq!(Course::of(&series(5, |_| 7.0), 1.0), Course::Still);
    assert_eq!(Course::of(&series(3, |index| index as f64), 1.0), Course::TooFew);
}

#[test]
fn single_descriptors_are_believed_less_than_hundreds() {
    let [one, few, many] = [1.0, 2.0, 100.0].map(|step| grows(&series(5, |index| 50.0 + step * index as f64)));
    let (few, many) = (few.unwrap(), many.unwrap());
    assert!(one.is_none() && few.chance > many.chance * 100.0 && many.chance < 1e-6, "{few:?} {many:?}");
}

#[test]
fn one_time_is_one_reading_and_what_is_no_number_is_none() {
    let mut readings = series(5, |index| 10.0 * index as f64);
    let growth = grows(&readings).unwrap();
    readings.insert(2, (INTERVAL, f64::NAN));
    readings.insert(2, (2 * INTERVAL, f64::INFINITY));
    readings.insert(1, (0, 0.0));
    assert_eq!(grows(&readings), Some(growth));
    assert_eq!(Course::of(&[(5, 1.0); 9], 1.0), Course::TooFew);
}

proptest! {
    #[test]
    fn no_series_breaks_it(
        readings in prop::collection::vec(
            (
                prop_oneof![any::<u64>(), 0..10_u64, Just(u64::MAX)],
                prop_oneof![any::<f64>(), Just(f64::NAN), Just(u64::MAX as f64), Just(f64::MAX), Just(0.0)],
            ),
            0..40,
        ),
        resolution in prop_oneof![Just(0.0), Just(1.0), any::<f64>()],
    ) {
        match Course::of(&readings, resolution) {
            Course::Grows(Growth { per_second, low, high, chance, fit, levels_off }) => {
                prop_assert!(0.0 < low && low <= per_second && per_second <= high && high.is_finite());
                prop_assert!((0.0..=1.0).contains(&chance) && (0.0..=1.0).contains(&fit));
                prop_assert!(levels_off.is_none_or(|level| !level.is_nan()));
            }
            Course::TooFew | Course::Still | Course::Unsure => {}
        }
    }

    #[test]
    fn a_shift_in_time_changes_nothing(values in prop::collection::vec(0..1_000_000_u32, 4..12), shift in 0..u64::MAX / 4) {
        let readings = series(values.len() as u64, |index| f64::from(values[index as usize]));
        let shifted: Vec<_> = readings.iter().map(|(at, value)| (at + shift, *value)).collect();
        prop_assert_eq!(Course::of(&shifted, 1.0), Course::of(&readings, 1.0));
    }
}
