//! Texts of real kernels.

use super::*;

/// 5.10; 6.1, 6.12 and 7.2 have more lines (`kernel`, `pagetables`, `zswap` …) and the same names.
const STAT: &str = "anon 10485760\nfile 7340032\nkernel_stack 16384\npercpu 0\nsock 0\nshmem 4194304\nfile_mapped 0\nfile_dirty 0\n\
    anon_thp 0\ninactive_anon 14680064\nactive_anon 0\ninactive_file 2097152\nactive_file 1048576\nunevictable 0\n\
    slab_reclaimable 65536\nslab_unreclaimable 131072\nworkingset_refault_anon 5\nworkingset_refault_file 90\npgfault 4000\npgmajfault 3\n";

const STAT_V1: &str = "cache 7340032\nrss 10485760\nshmem 4194304\npgmajfault 1\ninactive_file 1\nactive_file 1\n\
    hierarchical_memory_limit 104857600\ntotal_cache 7340032\ntotal_rss 10485760\ntotal_rss_huge 0\ntotal_shmem 4194304\n\
    total_pgmajfault 3\ntotal_inactive_file 2097152\ntotal_active_file 1048576\n";

const MIB: u64 = 1 << 20;

fn group(files: &[(&str, &str)]) -> tempfile::TempDir {
    let directory = tempfile::tempdir().unwrap();
    files.iter().for_each(|(name, text)| std::fs::write(directory.path().join(name), text).unwrap());
    directory
}

#[test]
fn page_cache_and_reclaimable_slab_are_not_used_but_tmpfs_is() {
    let expected = Usage {
        current: 20 * MIB,
        reclaimable: 3 * MIB + 65_536,
        anon: 10 * MIB,
        shared: 4 * MIB,
        major_faults: Some(3),
        refaults_anon: Some(5),
    };
    let of = group(&[("memory.current", "20971520\n"), ("memory.stat", STAT)]);
    assert_eq!(usage(of.path(), Version::V2).unwrap(), Some(expected));
    assert_eq!(expected.working_set(), 17 * MIB - 65_536);

    let v1 = group(&[("memory.usage_in_bytes", "20971520\n"), ("memory.stat", STAT_V1)]);
    let expected = Usage { reclaimable: 3 * MIB, refaults_anon: None, ..expected };
    assert_eq!(usage(v1.path(), Version::V1).unwrap(), Some(expected));

    let young = Usage { current: 4_096, reclaimable: 8_192, ..Usage::default() };
    assert_eq!(young.working_set(), 0);
    assert_eq!(usage(group(&[]).path(), Version::V2).unwrap(), None);
    let broken = group(&[("memory.current", "20971520\n"), ("memory.stat", "anon 5\n")]);
    assert!(usage(broken.path(), Version::V2).unwrap_err().to_string().contains("memory.stat"));
}

#[test]
fn limits_of_both_versions() {
    let read = |files: &[(&str, &str)], version| limits(group(files).path(), version).unwrap();
    let v2 = |high: &str, max: &str| read(&[("memory.high", high), ("memory.max", max)], Version::V2);
    assert_eq!(v2("max\n", "104857600\n"), Limits { high: None, max: Some(100 * MIB) });
    assert_eq!(v2("52428800\n", "max\n"), Limits { high: Some(50 * MIB), max: None });
    assert_eq!(v2("0\n", "0\n"), Limits { high: Some(0), max: Some(0) });
    assert_eq!(read(&[], Version::V2), Limits::default());
    let v1 = |limit: &str| read(&[("memory.limit_in_bytes", limit)], Version::V1);
    assert_eq!(v1("104857600\n"), Limits { high: None, max: Some(100 * MIB) });
    assert_eq!(v1("9223372036854771712\n"), Limits::default());
}

#[test]
fn swap_of_both_versions() {
    let v2 = group(&[("memory.swap.current", "4096\n"), ("memory.swap.max", "max\n")]);
    assert_eq!(swap(v2.path(), Version::V2).unwrap(), (Some(4_096), None));
    let v1 = group(&[
        ("memory.usage_in_bytes", "1000\n"),
        ("memory.memsw.usage_in_bytes", "5096\n"),
        ("memory.limit_in_bytes", "9000\n"),
        ("memory.memsw.limit_in_bytes", "10000\n"),
    ]);
    assert_eq!(swap(v1.path(), Version::V1).unwrap(), (Some(4_096), Some(1_000)));
    assert_eq!(swap(group(&[]).path(), Version::V1).unwrap(), (None, None));
}

#[test]
fn events_of_both_versions() {
    let v2 = group(&[("memory.events", "low 0\nhigh 7\nmax 20\noom 2\noom_kill 1\noom_group_kill 0\n")]);
    assert_eq!(events(v2.path(), Version::V2).unwrap(), Some(Events { high: 7, max: 20, oom: 2, oom_kill: 1 }));
    let local = ("memory.events.local", "low 0\nhigh 0\nmax 3\noom 1\noom_kill 0\noom_group_kill 0\n");
    let both = group(&[("memory.events", "low 0\nhigh 7\nmax 20\noom 2\noom_kill 1\noom_group_kill 0\n"), local]);
    assert_eq!(events(both.path(), Version::V2).unwrap(), Some(Events { high: 0, max: 3, oom: 1, oom_kill: 0 }), "its own");
    let broken = group(&[("memory.events.local", "max many\n")]);
    assert!(events(broken.path(), Version::V2).unwrap_err().to_string().contains("memory.events.local"));
    let v1 = group(&[("memory.failcnt", "20\n"), ("memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 1\n")]);
    assert_eq!(events(v1.path(), Version::V1).unwrap(), Some(Events { high: 0, max: 20, oom: 1, oom_kill: 1 }));
    assert_eq!(events(group(&[]).path(), Version::V2).unwrap(), None);
}
