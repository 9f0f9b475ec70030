//! Totals of block requests per device: `/proc/diskstats`.

use std::collections::BTreeMap;

use super::{Error, Root};

/// One kind of request, since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Requests {
    /// Completed requests.
    pub count: u64,
    /// Bytes moved (the file counts sectors of 512 bytes, whatever the device's own).
    pub bytes: u64,
    /// Time from a request's making to its completion, summed, milliseconds; the kernel's counter has 32 bits.
    pub time_ms: u64,
}

impl Requests {
    /// What was added since `start`. Counters that fell belong to a new device under an old number: all of them is new.
    #[must_use]
    pub fn since(self, start: Self) -> Self {
        if self.count < start.count || self.bytes < start.bytes {
            return self;
        }
        let wrapped = if self.time_ms < start.time_ms { 1 << 32 } else { 0 };
        Self {
            count: self.count - start.count,
            bytes: self.bytes - start.bytes,
            time_ms: self.time_ms.saturating_add(wrapped).saturating_sub(start.time_ms),
        }
    }
}

/// One device or partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Disk {
    /// Kernel name.
    pub name: String,
    /// Reads.
    pub read: Requests,
    /// Writes.
    pub write: Requests,
    /// Discards, since 4.18.
    pub discard: Option<Requests>,
    /// Cache flushes, since 5.5.
    pub flush: Option<Requests>,
    /// Requests issued and not complete, of any kind.
    pub in_flight: u64,
}

/// All devices by major and minor number.
pub fn read(root: &Root) -> Result<BTreeMap<(u32, u32), Disk>, Error> {
    root.parse("/proc/diskstats", "lines of at least 14 fields", parse)
}

/// Reads and writes in flight, from `/sys/dev/block/<major>:<minor>/inflight`.
pub fn in_flight(root: &Root, major: u32, minor: u32) -> Result<(u64, u64), Error> {
    root.parse(format!("/sys/dev/block/{major}:{minor}/inflight"), "two numbers", |text| {
        let mut fields = text.split_whitespace().map(|field| field.parse().ok());
        Some((fields.next()??, fields.next()??))
    })
}

fn parse(text: &str) -> Option<BTreeMap<(u32, u32), Disk>> {
    text.lines().map(parse_line).collect()
}

fn parse_line(line: &str) -> Option<((u32, u32), Disk)> {
    let mut fields = line.split_whitespace();
    let number = (fields.next()?.parse().ok()?, fields.next()?.parse().ok()?);
    let name = fields.next()?.to_owned();
    let fields: Vec<u64> = fields.map(|field| field.parse().ok()).collect::<Option<_>>()?;
    let requests = |at: usize| {
        let [count, _merged, sectors, time_ms] = *fields.get(at..at + 4)? else { return None };
        Some(Requests { count, bytes: sectors.saturating_mul(512), time_ms })
    };
    let flush = fields.get(15..17).map(|flush| Requests { count: flush[0], bytes: 0, time_ms: flush[1] });
    let disk = Disk { name, read: requests(0)?, write: requests(4)?, discard: requests(11), flush, in_flight: *fields.get(8)? };
    Some((number, disk))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn all_three_lengths_of_a_line_are_understood() {
        let short = " 254       0 vda 75553 19978 6329666 93886 53783 41055 7711760 31700 3 30628 127129";
        let (number, disk) = parse_line(short).unwrap();
        assert_eq!(number, (254, 0));
        assert_eq!(disk.read, Requests { count: 75_553, bytes: 6_329_666 * 512, time_ms: 93_886 });
        assert_eq!(disk.write, Requests { count: 53_783, bytes: 7_711_760 * 512, time_ms: 31_700 });
        assert_eq!((disk.discard, disk.flush, disk.in_flight), (None, None, 3));

        let middle = format!("{short} 7162 22 1497216 1444");
        assert_eq!(
            parse_line(&middle).unwrap().1.discard,
            Some(Requests { count: 7_162, bytes: 1_497_216 * 512, time_ms: 1_444 })
        );
        let long = format!("{middle} 1694 98");
        assert_eq!(parse_line(&long).unwrap().1.flush, Some(Requests { count: 1_694, bytes: 0, time_ms: 98 }));
        assert_eq!(parse_line("254 0 vda 1 2 3"), None);
    }

    #[test]
    fn the_largest_numbers_stay_the_largest() {
        let max = u64::MAX;
        let line = format!("8 0 sda {}", [max.to_string().as_str(); 17].join(" "));
        let disk = parse_line(&line).unwrap().1;
        assert_eq!(disk.read, Requests { count: max, bytes: max, time_ms: max });
        assert_eq!((disk.discard, disk.in_flight), (Some(disk.read), max));
        assert_eq!(disk.read.since(disk.write), Requests::default());
        let fell = Requests { time_ms: max - 1, ..disk.read };
        assert_eq!(fell.since(disk.read).time_ms, 0);
    }

    #[test]
    fn a_wrapped_clock_and_a_new_device_are_told_apart() {
        let start = Requests { count: 10, bytes: 100, time_ms: (1 << 32) - 5 };
        let end = Requests { count: 12, bytes: 300, time_ms: 7 };
        assert_eq!(end.since(start), Requests { count: 2, bytes: 200, time_ms: 12 });
        let new = Requests { count: 2, bytes: 50, time_ms: 9 };
        assert_eq!(new.since(start), new);
    }
}
