//! How a histogram is written: pairs in formats that people read, else packed bytes, a tenth of the time of a list of pairs.

use std::fmt;

use serde::de::{Error, Visitor};
use serde::{Deserialize, Deserializer, Serialize, Serializer};

use super::Histogram;
use kerno_ebpf_common::histogram::BUCKETS;

impl Serialize for Histogram {
    fn serialize<S: Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        if serializer.is_human_readable() {
            self.pairs.serialize(serializer)
        } else {
            serializer.serialize_bytes(&pack(&self.pairs))
        }
    }
}

impl<'de> Deserialize<'de> for Histogram {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        if deserializer.is_human_readable() {
            let pairs = Vec::deserialize(deserializer)?;
            if is_well_formed(&pairs) { Ok(Self::from_pairs(pairs)) } else { Err(D::Error::custom(MALFORMED)) }
        } else {
            deserializer.deserialize_bytes(Packed)
        }
    }
}

const MALFORMED: &str = "a histogram whose buckets do not ascend or count nothing";

struct Packed;

impl Visitor<'_> for Packed {
    type Value = Histogram;

    fn expecting(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.write_str("a packed histogram")
    }

    fn visit_bytes<E: Error>(self, bytes: &[u8]) -> Result<Histogram, E> {
        unpack(bytes).filter(|pairs| is_well_formed(pairs)).map(Histogram::from_pairs).ok_or_else(|| E::custom(MALFORMED))
    }
}

fn is_well_formed(pairs: &[(u16, u64)]) -> bool {
    pairs.is_sorted_by(|a, b| a.0 < b.0)
        && pairs.iter().all(|(_, count)| *count > 0)
        && pairs.last().is_none_or(|(bucket, _)| usize::from(*bucket) < BUCKETS)
}

/// Bucket, then count, each in groups of seven bits, least first.
fn pack(pairs: &[(u16, u64)]) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(pairs.len() * 4);
    for (bucket, count) in pairs {
        for mut value in [u64::from(*bucket), *count] {
            while value >= 0x80 {
                bytes.push(value as u8 | 0x80);
                value >>= 7;
            }
            bytes.push(value as u8);
        }
    }
    bytes
}

fn unpack(mut bytes: &[u8]) -> Option<Vec<(u16, u64)>> {
    let mut pairs = Vec::with_capacity(bytes.len() / 2);
    while !bytes.is_empty() {
        let bucket = u16::try_from(number(&mut bytes)?).ok()?;
        pairs.push((bucket, number(&mut bytes)?));
    }
    Some(pairs)
}

fn number(bytes: &mut &[u8]) -> Option<u64> {
    let mut value = 0;
    for shift in (0..64).step_by(7) {
        let (first, rest) = bytes.split_first()?;
        *bytes = rest;
        value |= u64::from(first & 0x7f) << shift;
        if *first < 0x80 {
            return Some(value);
        }
    }
    None
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    proptest! {
        #[test]
        fn what_is_written_is_read_again(counts in prop::collection::vec(prop_oneof![Just(0), any::<u64>(), 0..200u64], 0..=BUCKETS)) {
            let histogram = Histogram::from_counts(counts);
            let packed = postcard::to_stdvec(&histogram).unwrap();
            prop_assert_eq!(&postcard::from_bytes::<Histogram>(&packed).unwrap(), &histogram);
            let text = serde_json::to_string(&histogram).unwrap();
            prop_assert_eq!(&serde_json::from_str::<Histogram>(&text).unwrap(), &histogram);
        }

        #[test]
        fn any_bytes_are_a_sound_histogram_or_an_error(bytes in prop::collection::vec(any::<u8>(), 0..64)) {
            if let Ok(histogram) = postcard::from_bytes::<Histogram>(&bytes) {
                prop_assert!(is_well_formed(&histogram.pairs));
            }
        }
    }

    #[test]
    fn people_read_pairs_and_malformed_ones_are_refused() {
        let read = |text: &str| serde_json::from_str::<Histogram>(text).map_err(|error| error.to_string());
        assert_eq!(read("[[1,3],[9,1]]").unwrap(), Histogram::from_pairs(vec![(1, 3), (9, 1)]));
        for malformed in ["[[9,1],[1,3]]", "[[1,0]]", "[[1,1],[1,1]]", "[[432,1]]"] {
            assert!(read(malformed).unwrap_err().contains("do not ascend"), "{malformed}");
        }
    }
}
