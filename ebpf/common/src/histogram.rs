//! Log-linear histogram of durations: one bucket rule for both sides of the maps.
//!
//! A bucket below index 32 is 64 ns wide; from there on every octave has 16 buckets. A quantile is told as its bucket's
//! midpoint: at most 3.2 % off from 2 µs up, at most 32 ns below. 64 ns … 68.7 s; what is longer falls into the last bucket
//! and is told by the exact maximum kept beside the buckets.

/// Number of buckets.
pub const BUCKETS: usize = 432;

/// Durations are counted in units of `1 << UNIT_SHIFT` nanoseconds.
pub const UNIT_SHIFT: u32 = 6;

const LINEAR: u64 = 32;
const LARGEST: u64 = (1 << 30) - 1;

/// Bucket of a duration in nanoseconds, always below [`BUCKETS`].
///
/// Written with comparisons and constant shifts: `leading_zeros` compiles to code whose bound the kernel's verifier cannot
/// follow.
#[inline(always)]
#[must_use]
pub const fn bucket_of(nanoseconds: u64) -> u64 {
    let mut units = nanoseconds >> UNIT_SHIFT;
    if units < LINEAR {
        return units;
    }
    if units > LARGEST {
        units = LARGEST;
    }
    let mut octave = 0;
    if units >= 1 << 20 {
        units >>= 16;
        octave = 16;
    }
    if units >= 1 << 12 {
        units >>= 8;
        octave += 8;
    }
    if units >= 1 << 8 {
        units >>= 4;
        octave += 4;
    }
    if units >= 1 << 6 {
        units >>= 2;
        octave += 2;
    }
    if units >= 1 << 5 {
        units >>= 1;
        octave += 1;
    }
    (octave << 4) + units
}

/// Smallest duration of a bucket, in nanoseconds. `bucket` must be at most [`BUCKETS`] (the end of the last bucket).
#[must_use]
pub const fn lower_bound(bucket: usize) -> u64 {
    let bucket = bucket as u64;
    if bucket < LINEAR {
        return bucket << UNIT_SHIFT;
    }
    let octave = (bucket >> 4) - 1;
    (bucket - (octave << 4)) << (UNIT_SHIFT as u64 + octave)
}

/// First duration past a bucket, in nanoseconds.
#[must_use]
pub const fn upper_bound(bucket: usize) -> u64 {
    lower_bound(bucket + 1)
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn buckets_tile_the_range_without_gap_or_overlap() {
        for bucket in 0..BUCKETS {
            let (lower, upper) = (lower_bound(bucket), upper_bound(bucket));
            assert!(lower < upper, "bucket {bucket}");
            assert_eq!(bucket_of(lower), bucket as u64, "lower bound of {bucket}");
            assert_eq!(bucket_of(upper - 1), bucket as u64, "end of {bucket}");
        }
        assert_eq!(lower_bound(0), 0);
        assert_eq!(upper_bound(BUCKETS - 1), (LARGEST + 1) << UNIT_SHIFT);
    }

    #[test]
    fn midpoints_are_within_three_point_two_percent() {
        for bucket in 32..BUCKETS {
            let (lower, upper) = (lower_bound(bucket) as f64, upper_bound(bucket) as f64);
            let midpoint = f64::midpoint(lower, upper);
            assert!((upper - midpoint) / lower <= 0.032, "bucket {bucket}");
        }
    }

    proptest! {
        #[test]
        fn any_duration_lies_in_its_bucket(nanoseconds in any::<u64>()) {
            let bucket = bucket_of(nanoseconds) as usize;
            prop_assert!(bucket < BUCKETS);
            prop_assert!(lower_bound(bucket) <= nanoseconds);
            prop_assert!(nanoseconds < upper_bound(bucket) || bucket == BUCKETS - 1);
        }
    }
}
