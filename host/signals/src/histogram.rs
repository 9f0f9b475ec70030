//! Distributions of durations as the kernel programs count them, and their quantiles.

use kerno_ebpf_common::histogram::{BUCKETS, UNIT_SHIFT, bucket_of, lower_bound, upper_bound};
use serde::{Deserialize, Serialize};

mod encoding;

/// Sparse log-linear histogram: `(bucket, count)` pairs in ascending order of bucket, no zero counts.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Histogram {
    pairs: Vec<(u16, u64)>,
    /// Of all pairs: every question of a quantile begins with it.
    count: u64,
}

impl Histogram {
    /// From the counts of all buckets, in order; counts past the last bucket are ignored.
    pub fn from_counts(counts: impl IntoIterator<Item = u64>) -> Self {
        Self::from_pairs((0..BUCKETS as u16).zip(counts).filter(|(_, count)| *count > 0).collect())
    }

    fn from_pairs(pairs: Vec<(u16, u64)>) -> Self {
        let count = pairs.iter().fold(0, |sum: u64, (_, count)| sum.saturating_add(*count));
        Self { pairs, count }
    }

    /// Number of durations counted.
    #[must_use]
    pub const fn count(&self) -> u64 {
        self.count
    }

    /// The least time that all of them together can have taken, nanoseconds.
    #[must_use]
    pub fn least_sum(&self) -> u64 {
        let least = |(bucket, count): &(u16, u64)| count.saturating_mul(lower_bound(usize::from(*bucket).min(BUCKETS)));
        self.pairs.iter().map(least).fold(0, u64::saturating_add)
    }

    /// Adds another histogram, exactly.
    pub fn add(&mut self, other: &Self) {
        let mut sum = Vec::with_capacity(self.pairs.len() + other.pairs.len());
        let (mut ours, mut theirs) = (self.pairs.iter().copied().peekable(), other.pairs.iter().copied().peekable());
        loop {
            match (ours.peek(), theirs.peek()) {
                (Some(&(bucket, count)), Some(&(other, more))) if bucket == other => {
                    sum.push((bucket, count.saturating_add(more)));
                    ours.next();
                    theirs.next();
                }
                (Some(our), Some(their)) if their.0 < our.0 => sum.extend(theirs.next()),
                (Some(_), _) => sum.extend(ours.next()),
                (None, Some(_)) => sum.extend(theirs.next()),
                (None, None) => break,
            }
        }
        *self = Self::from_pairs(sum);
    }

    /// What was counted since `earlier`, which is the same distribution as it was before.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        let before: std::collections::BTreeMap<u16, u64> = earlier.pairs.iter().copied().collect();
        let added = |(bucket, count): &(u16, u64)| (*bucket, count.saturating_sub(before.get(bucket).copied().unwrap_or(0)));
        Self::from_pairs(self.pairs.iter().map(added).filter(|(_, count)| *count > 0).collect())
    }

    /// The duration, in nanoseconds, below which a share `q` (0–1) of the durations lies: the midpoint of its bucket.
    #[must_use]
    pub fn quantile(&self, q: f64) -> Option<u64> {
        let rank = ((q * self.count as f64).ceil() as u64).clamp(1, self.count.max(1));
        let bucket = if rank <= self.count / 2 || self.count == u64::MAX {
            let mut seen: u64 = 0;
            self.pairs.iter().find(|(_, count)| {
                seen = seen.saturating_add(*count);
                seen >= rank
            })
        } else {
            // From the end that is nearer.
            let mut before = self.count;
            self.pairs.iter().rev().find(|(_, count)| {
                before -= count;
                before < rank
            })
        };
        let bucket = usize::from(bucket?.0).min(BUCKETS - 1);
        Some(u64::midpoint(lower_bound(bucket), upper_bound(bucket)))
    }
}

/// A distribution with its exact count, sum and maximum. Without a histogram only the average is known.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Latency {
    /// Number of durations.
    pub count: u64,
    /// Their sum, nanoseconds.
    pub sum_ns: u64,
    /// The largest, nanoseconds; `None` when the source has no maximum.
    pub max_ns: Option<u64>,
    /// The distribution; `None` when the source has totals only.
    pub histogram: Option<Histogram>,
}

impl Latency {
    /// From single durations, in nanoseconds.
    pub fn from_samples(samples: impl IntoIterator<Item = u64>) -> Self {
        let mut counts = vec![0; BUCKETS];
        let (mut count, mut sum_ns, mut max_ns) = (0, 0, 0);
        for sample in samples {
            counts[bucket_of(sample) as usize] += 1;
            count += 1;
            sum_ns += sample;
            max_ns = sample.max(max_ns);
        }
        Self { count, sum_ns, max_ns: Some(max_ns), histogram: Some(Histogram::from_counts(counts)) }
    }

    /// Adds another distribution, exactly. What one side does not know, the sum does not know.
    pub fn add(&mut self, other: &Self) {
        if other.count == 0 {
            return;
        }
        if self.count == 0 {
            *self = other.clone();
            return;
        }
        self.count = self.count.saturating_add(other.count);
        self.sum_ns = self.sum_ns.saturating_add(other.sum_ns);
        self.max_ns = self.max_ns.zip(other.max_ns).map(|(a, b)| a.max(b));
        self.histogram = self.histogram.take().zip(other.histogram.as_ref()).map(|(mut a, b)| {
            a.add(b);
            a
        });
    }

    /// What was counted since `earlier`, which is the same distribution as it was before. Its maximum is known only where it is a
    /// new one.
    #[must_use]
    pub fn since(&self, earlier: &Self) -> Self {
        if earlier.count == 0 {
            return self.clone();
        }
        Self {
            count: self.count.saturating_sub(earlier.count),
            sum_ns: self.sum_ns.saturating_sub(earlier.sum_ns),
            max_ns: self.max_ns.filter(|max| earlier.max_ns.is_some_and(|before| *max > before)),
            histogram: self.histogram.as_ref().zip(earlier.histogram.as_ref()).map(|(now, before)| now.since(before)),
        }
    }

    /// The `q` quantile (0–1), nanoseconds, never above the exact maximum. Below `1 / (1 - q)` samples it is the maximum.
    #[must_use]
    pub fn quantile_ns(&self, q: f64) -> Option<u64> {
        let quantile = self.histogram.as_ref()?.quantile(q)?;
        Some(self.max_ns.map_or(quantile, |max| if (self.count as f64) * (1.0 - q) < 1.0 { max } else { quantile.min(max) }))
    }

    /// Count, sum and longest of several together, without a distribution.
    #[must_use]
    pub fn totals<'a>(all: impl IntoIterator<Item = &'a Self>) -> Self {
        let mut totals = Self { max_ns: Some(0), ..Self::default() };
        for one in all.into_iter().filter(|one| one.count > 0) {
            totals.count = totals.count.saturating_add(one.count);
            totals.sum_ns = totals.sum_ns.saturating_add(one.sum_ns);
            totals.max_ns = totals.max_ns.zip(one.max_ns).map(|(a, b)| a.max(b));
        }
        totals
    }

    /// What [`Self::quantile_ns`], and the average, is surely not above, without a look at the distribution: the longest; nor can the
    /// durations above the quantile take longer than all of them together. The sum covers the distribution, whoever made it.
    #[must_use]
    pub fn quantile_bound_ns(&self, q: f64) -> u64 {
        let longest = self.max_ns.unwrap_or(u64::MAX);
        let slower = (1.0 - q) * self.count as f64;
        let is_known = self.sum_ns < u64::MAX && slower > 0.0;
        if !is_known {
            return longest;
        }
        // A bucket's middle is told, up to 3.2 % or one unit above what lies in it, and counts may be read while they are written.
        let bound = self.sum_ns as f64 / slower * 1.125;
        longest.min((bound as u64).saturating_add(1 << UNIT_SHIFT))
    }

    /// The average, nanoseconds.
    #[must_use]
    pub fn mean_ns(&self) -> Option<u64> {
        self.sum_ns.checked_div(self.count)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn quantiles_are_within_the_promised_error(mut samples in prop::collection::vec(2_048u64..60_000_000_000, 100..400)) {
            let latency = Latency::from_samples(samples.clone());
            samples.sort_unstable();
            for q in [0.5, 0.95, 0.99] {
                let exact = samples[(q * samples.len() as f64).ceil() as usize - 1] as f64;
                let told = latency.quantile_ns(q).unwrap() as f64;
                prop_assert!((told - exact).abs() / exact <= 0.032, "q {q}: {told} for {exact}");
            }
        }

        #[test]
        fn a_quantile_is_not_above_its_bound(
            a in prop::collection::vec(prop_oneof![0..200u64, 0..u64::from(u32::MAX), Just(u64::MAX >> 8)], 1..60),
            b in prop::collection::vec(any::<u32>(), 0..60),
            q in 0.0..=1.0,
        ) {
            let (mut sum, more) = (Latency::from_samples(a), Latency::from_samples(b.into_iter().map(u64::from)));
            let totals = Latency::totals([&sum, &more]);
            sum.add(&more);
            for q in [q, 0.0, 0.5, 0.99, 1.0] {
                prop_assert!(sum.quantile_ns(q).unwrap() <= sum.quantile_bound_ns(q), "q {q}");
                prop_assert_eq!(totals.quantile_bound_ns(q), sum.quantile_bound_ns(q));
            }
        }

        #[test]
        fn adding_is_exact(a in prop::collection::vec(any::<u32>(), 0..99), b in prop::collection::vec(any::<u32>(), 0..99)) {
            let of = |samples: &[u32]| Latency::from_samples(samples.iter().map(|s| u64::from(*s)));
            let mut sum = of(&a);
            sum.add(&of(&b));
            prop_assert_eq!(sum.count, (a.len() + b.len()) as u64);
            if sum.count > 0 {
                prop_assert_eq!(sum, of(&[a, b].concat()));
            }
        }
    }

    #[test]
    fn what_came_since_is_what_was_added() {
        let (before, added) = (Latency::from_samples([5_000, 9_000, 70_000]), Latency::from_samples([5_000, 60_000]));
        let mut now = before.clone();
        now.add(&added);
        assert_eq!(now.since(&before), Latency { max_ns: None, ..added.clone() }, "a maximum that is no new one is not known");
        assert_eq!(now.since(&Latency::default()), now);
        assert_eq!(before.since(&before).quantile_ns(0.99), None);
        let worse = Latency::from_samples([5_000, 9_000, 70_000, 90_000]);
        assert_eq!(worse.since(&before), Latency::from_samples([90_000]));
    }

    #[test]
    fn the_p99_of_few_samples_is_the_largest() {
        assert_eq!(Latency::from_samples([10_000, 20_000, 33_333]).quantile_ns(0.99), Some(33_333));
    }

    #[test]
    fn an_average_source_has_no_quantile() {
        let latency = Latency { count: 4, sum_ns: 40, max_ns: None, histogram: None };
        assert_eq!(latency.quantile_ns(0.99), None);
        assert_eq!((latency.mean_ns(), latency.quantile_bound_ns(0.5)), (Some(10), 22 + 64));
        let mut many = Latency::from_samples([1 << 20; 100]);
        many.max_ns = Some(u64::MAX);
        assert_eq!(many.quantile_bound_ns(0.5) >> 20, 2, "twice the average, and a little");
    }
}
