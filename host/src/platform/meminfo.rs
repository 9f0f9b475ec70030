//! Memory of the whole host: `/proc/meminfo`, and what ZFS keeps beside the page cache.

use super::{Error, Root};

/// Sizes in bytes, now.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct MemInfo {
    /// All that the kernel has.
    pub total: u64,
    /// The kernel's estimate of what it can hand out without swapping: page cache and reclaimable slab counted as free but for what
    /// it needs to stay afloat; tmpfs, shared memory and reserved huge pages not.
    pub available: u64,
    /// Anonymous memory.
    pub anon: u64,
    /// tmpfs and shared memory.
    pub shared: u64,
    /// Reserved for huge pages of all sizes.
    pub huge_pages: u64,
    /// Swap space.
    pub swap_total: u64,
    /// Unused of it.
    pub swap_free: u64,
}

/// Reads it.
pub fn read(root: &Root) -> Result<MemInfo, Error> {
    root.parse("/proc/meminfo", "lines such as `MemAvailable: … kB`", parse)
}

/// What ZFS' cache holds above its least size: it is given back under pressure, and the kernel's estimate leaves it out. `None`
/// without ZFS.
#[must_use]
pub fn zfs_reclaimable(root: &Root) -> Option<u64> {
    parse_arc(&root.read("/proc/spl/kstat/zfs/arcstats").ok()?)
}

fn parse(text: &str) -> Option<MemInfo> {
    let line = |name: &str| {
        let value = text.lines().find_map(|line| line.strip_prefix(name)?.strip_prefix(':'))?;
        value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
    };
    Some(MemInfo {
        total: line("MemTotal")?,
        available: line("MemAvailable")?,
        anon: line("AnonPages")?,
        shared: line("Shmem")?,
        // Kernels without huge pages have no such line.
        huge_pages: line("Hugetlb").unwrap_or(0),
        swap_total: line("SwapTotal")?,
        swap_free: line("SwapFree")?,
    })
}

/// Lines are `name type data`.
fn parse_arc(text: &str) -> Option<u64> {
    let value = |name: &str| {
        text.lines().find_map(|line| {
            let mut fields = line.split_whitespace();
            (fields.next()? == name).then(|| fields.nth(1)?.parse::<u64>().ok()).flatten()
        })
    };
    Some(value("size")?.saturating_sub(value("c_min")?))
}

#[cfg(test)]
mod tests {
    use super::*;

    /// 5.10 and 7.2 differ in lines that are not read.
    const TEXT: &str = "MemTotal:        1003460 kB\nMemFree:          829380 kB\nMemAvailable:     810048 kB\nBuffers:               0 kB\n\
        Cached:           112312 kB\nSwapCached:            0 kB\nActive:            1032 kB\nAnonPages:          3232 kB\n\
        Shmem:            112296 kB\nKReclaimable:       7244 kB\nSwapTotal:          4096 kB\nSwapFree:           1024 kB\n\
        HugePages_Total:       2\nHugepagesize:       2048 kB\nHugetlb:            4096 kB\n";

    #[test]
    fn sizes_are_told_in_bytes() {
        let kib = |kib: u64| kib * 1024;
        let expected = MemInfo {
            total: kib(1_003_460),
            available: kib(810_048),
            anon: kib(3_232),
            shared: kib(112_296),
            huge_pages: kib(4_096),
            swap_total: kib(4_096),
            swap_free: kib(1_024),
        };
        assert_eq!(parse(TEXT), Some(expected));
        let without = TEXT.replace("Hugetlb:            4096 kB\n", "");
        assert_eq!(parse(&without), Some(MemInfo { huge_pages: 0, ..expected }));
        assert_eq!(parse(&TEXT.replace("MemAvailable", "Other")), None);
        assert_eq!(parse(&TEXT.replace("810048", &u64::MAX.to_string())), None);
    }

    #[test]
    fn zfs_gives_back_what_is_above_its_least_size() {
        let text = "13 1 0x01 123 33456 8 9\nname                            type data\nc                               4    900\n\
            c_min                           4    200\nc_max                           4    1000\nsize                            4    750\n\
            compressed_size                 4    9\n";
        assert_eq!(parse_arc(text), Some(550));
        assert_eq!(parse_arc("name type data\n"), None);
    }

    #[test]
    fn this_host_has_memory() {
        let memory = read(&Root::default()).unwrap();
        assert!(memory.total > memory.available && memory.available > 0, "{memory:?}");
    }
}
