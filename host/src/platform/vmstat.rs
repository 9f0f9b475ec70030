//! What happened to the host's memory since boot: `/proc/vmstat`.

use super::{Error, Root, cgroup::file::number};

/// Counts since boot.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct VmStat {
    /// Page faults that waited for a disk.
    pub major_faults: u64,
    /// Anonymous pages that were swapped out and needed again soon (since 5.9).
    pub refaults_anon: Option<u64>,
    /// Pages read from swap.
    pub swapped_in: u64,
    /// Pages written to swap.
    pub swapped_out: u64,
    /// Allocations that had to reclaim memory themselves, over all zones.
    pub direct_reclaims: u64,
}

/// Reads them.
pub fn read(root: &Root) -> Result<VmStat, Error> {
    root.parse("/proc/vmstat", "a line `pgmajfault …`", parse)
}

fn parse(text: &str) -> Option<VmStat> {
    let zones = text.lines().filter(|line| line.starts_with("allocstall_"));
    let stalls = zones.filter_map(|line| line.split_once(' ')?.1.trim().parse::<u64>().ok());
    Some(VmStat {
        major_faults: number(text, "pgmajfault")?,
        refaults_anon: number(text, "workingset_refault_anon"),
        // Not there without CONFIG_SWAP.
        swapped_in: number(text, "pswpin").unwrap_or(0),
        swapped_out: number(text, "pswpout").unwrap_or(0),
        direct_reclaims: stalls.fold(0, u64::saturating_add),
    })
}

impl VmStat {
    /// What was added since `start`.
    #[must_use]
    pub fn since(self, start: Self) -> Self {
        let refaults = self.refaults_anon.zip(start.refaults_anon);
        Self {
            major_faults: self.major_faults.saturating_sub(start.major_faults),
            refaults_anon: refaults.map(|(now, then)| now.saturating_sub(then)),
            swapped_in: self.swapped_in.saturating_sub(start.swapped_in),
            swapped_out: self.swapped_out.saturating_sub(start.swapped_out),
            direct_reclaims: self.direct_reclaims.saturating_sub(start.direct_reclaims),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const TEXT: &str = "nr_free_pages 207345\nworkingset_refault_anon 7\nworkingset_refault_file 900\npgpgin 1\npswpin 11\npswpout 13\n\
        allocstall_dma 1\nallocstall_dma32 2\nallocstall_normal 3\nallocstall_movable 4\npgfault 500\npgmajfault 17\noom_kill 1\n";

    #[test]
    fn counts_and_what_was_added() {
        let expected = VmStat { major_faults: 17, refaults_anon: Some(7), swapped_in: 11, swapped_out: 13, direct_reclaims: 10 };
        assert_eq!(parse(TEXT), Some(expected));
        assert_eq!(expected.since(VmStat { refaults_anon: Some(0), ..VmStat::default() }), expected);
        assert_eq!(expected.since(expected), VmStat { refaults_anon: Some(0), ..VmStat::default() });
        assert_eq!(parse(&TEXT.replace("pgmajfault", "other")), None);
        let without = parse(&TEXT.replace("workingset_refault_anon", "workingset_refault")).unwrap();
        assert_eq!(without.refaults_anon, None);
    }
}
