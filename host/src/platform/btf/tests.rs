//! The BTF reader on files built from literals.

use super::*;

/// A BTF file in the making.
#[derive(Default)]
struct File {
    types: Vec<u32>,
    strings: Vec<u8>,
}

impl File {
    fn new() -> Self {
        Self { types: vec![], strings: vec![0] }
    }

    fn name(&mut self, name: &str) -> u32 {
        if name.is_empty() {
            return 0;
        }
        let offset = self.strings.len() as u32;
        self.strings.extend(name.bytes().chain([0]));
        offset
    }

    /// A type with what follows its header.
    fn add(&mut self, name: &str, kind: u32, length: usize, flag: bool, size_or_type: u32, rest: &[u32]) {
        let name = self.name(name);
        self.types.extend([name, u32::from(flag) << 31 | kind << 24 | length as u32, size_or_type]);
        self.types.extend(rest);
    }

    fn structure(&mut self, name: &str, flag: bool, members: &[(&str, u32, u32)]) {
        let rest: Vec<u32> = members.iter().flat_map(|(name, id, bits)| [self.name(name), *id, *bits]).collect();
        self.add(name, KIND_STRUCT, members.len(), flag, 64, &rest);
    }

    fn bytes(&self) -> Vec<u8> {
        let types: Vec<u8> = self.types.iter().flat_map(|word| word.to_ne_bytes()).collect();
        let header = [u32::from(MAGIC) | 1 << 16, 24, 0, types.len() as u32, types.len() as u32, self.strings.len() as u32];
        let header = header.iter().flat_map(|word| word.to_ne_bytes());
        header.chain(types.iter().copied()).chain(self.strings.iter().copied()).collect()
    }
}

/// What a kernel's file looks like, small.
fn kernel() -> File {
    let mut file = File::new();
    file.add("int", KIND_INT, 0, false, 4, &[0x0100_0020]); // 1
    file.structure("task_struct", false, &[]); // 2: a declaration
    file.structure("sched_info", false, &[("pcount", 1, 0), ("run_delay", 1, 64)]); // 3
    file.structure("", false, &[("hidden", 1, 0), ("pid", 1, 32)]); // 4
    file.structure("task_struct", false, &[("state", 1, 0), ("sched_info", 6, 128), ("", 4, 256)]); // 5
    file.add("sched_info_t", KIND_TYPEDEF, 0, false, 3, &[]); // 6
    file.structure("flags", true, &[("low", 1, 3 << 24), ("high", 1, 5 << 24 | 40)]); // 7
    file.add("", 2, 0, false, 9, &[]); // 8: pointer
    file.add("", KIND_FUNC_PROTO, 3, false, 0, &[0, 0, 0, 1, 0, 8]); // 9
    file.add("btf_trace_sched_switch", KIND_TYPEDEF, 0, false, 8, &[]); // 10
    file.add("vfs_fsync_range", KIND_FUNC, 0, false, 9, &[]); // 11
    let (css, cpu) = (file.name("cpuset_cgrp_id"), file.name("cpu_cgrp_id"));
    file.add("cgroup_subsys_id", KIND_ENUM, 2, false, 4, &[css, 0, cpu, 1]); // 12
    let wide = file.name("WIDE");
    file.add("wide", KIND_ENUM64, 1, false, 8, &[wide, 7, 0]); // 13
    file
}

#[test]
fn members_are_found_through_typedefs_anonymous_structs_and_bit_fields() {
    let btf = Btf::parse(kernel().bytes()).unwrap();
    assert_eq!(btf.offset("task_struct", "state"), Some(0));
    assert_eq!(btf.offset("task_struct", "sched_info.run_delay"), Some(24));
    assert_eq!(btf.offset("task_struct", "pid"), Some(36));
    assert_eq!(btf.offset("flags", "high"), Some(5));
}

#[test]
fn what_a_kernel_lacks_is_none() {
    let btf = Btf::parse(kernel().bytes()).unwrap();
    assert_eq!(btf.offset("task_struct", "__state"), None);
    assert_eq!(btf.offset("task_struct", "state.inner"), None);
    assert_eq!(btf.offset("no_struct", "state"), None);
    assert_eq!(btf.tracepoint_arguments("block_rq_issue"), None);
    assert_eq!(btf.enum_value("cgroup_subsys_id", "cpuacct_cgrp_id"), None);
    assert!(!btf.has_function("vfs_fsync"));
}

#[test]
fn arguments_functions_and_enumerators_are_found() {
    let btf = Btf::parse(kernel().bytes()).unwrap();
    assert_eq!(btf.tracepoint_arguments("sched_switch"), Some(2));
    assert!(btf.has_function("vfs_fsync_range"));
    assert_eq!(btf.enum_value("cgroup_subsys_id", "cpu_cgrp_id"), Some(1));
    assert_eq!(btf.enum_value("wide", "WIDE"), Some(7));
}

#[test]
fn a_file_cut_anywhere_is_refused_or_read_without_panic() {
    let whole = kernel().bytes();
    for length in 0..whole.len() {
        assert!(Btf::parse(whole[..length].to_vec()).is_err(), "cut at {length}");
    }
}

#[test]
fn endless_chains_end() {
    let mut file = File::new();
    file.add("circle", KIND_TYPEDEF, 0, false, 1, &[]);
    file.structure("outer", false, &[("", 2, 0)]);
    let btf = Btf::parse(file.bytes()).unwrap();
    assert_eq!(btf.offset("outer", "member"), None);
}

#[test]
fn targets_keep_their_ids_and_names() {
    let whole = Btf::parse(kernel().bytes()).unwrap();
    let targets = Btf::parse(whole.targets()).unwrap();
    assert_eq!(targets.types.len(), whole.types.len());
    for (name, kept) in [("vfs_fsync_range", true), ("vfs_fsync", false)] {
        assert_eq!(targets.has_function(name), kept, "{name}");
        let id = |btf: &Btf| btf.ids(&btf.functions, name).next();
        assert_eq!(id(&targets), id(&whole), "{name}");
    }
    let tracepoint = |btf: &Btf| btf.ids(&btf.typedefs, "btf_trace_sched_switch").next();
    assert_eq!(tracepoint(&targets), Some(10));
    assert_eq!(targets.ids(&targets.typedefs, "sched_info_t").next(), None, "no target");
    assert!(targets.structs.is_empty() && targets.targets() == whole.targets());
}
