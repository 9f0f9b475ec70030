//! Every offset that is handed to the kernel programs equals what bpftool reads from the same kernel.

use std::{collections::HashMap, process::Command};

use kerno::{
    collector::fields::{self, Field},
    platform::btf::Btf,
};

/// Types as `bpftool btf dump … format raw` prints them.
struct Dump {
    types: HashMap<u32, Type>,
    structs: HashMap<String, Vec<u32>>,
}

struct Type {
    /// Behind a typedef or qualifier.
    to: Option<u32>,
    /// Name, type, bit offset.
    members: Vec<(String, u32, u32)>,
}

impl Dump {
    fn read() -> Self {
        let output =
            Command::new("bpftool").args(["btf", "dump", "file", "/sys/kernel/btf/vmlinux", "format", "raw"]).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        let (mut types, mut structs) = (HashMap::new(), HashMap::<String, Vec<u32>>::new());
        let mut last = 0;
        for line in String::from_utf8_lossy(&output.stdout).lines() {
            if let Some((id, rest)) = line.strip_prefix('[').and_then(|line| line.split_once("] ")) {
                last = id.parse().unwrap();
                let (kind, rest) = rest.split_once(' ').unwrap();
                let name = rest.split('\'').nth(1).unwrap_or_default().to_owned();
                let is_alias = matches!(kind, "TYPEDEF" | "CONST" | "VOLATILE" | "RESTRICT" | "TYPE_TAG");
                types.insert(last, Type { to: is_alias.then(|| number(rest, "type_id=")).flatten(), members: vec![] });
                if kind == "STRUCT" && number(rest, "vlen=") != Some(0) {
                    structs.entry(name).or_default().push(last);
                }
            } else if let (Some(bits), Some(id)) = (number(line, "bits_offset="), number(line, "type_id=")) {
                let name = line.split('\'').nth(1).unwrap_or_default();
                let name = if name == "(anon)" { "" } else { name };
                types.get_mut(&last).unwrap().members.push((name.to_owned(), id, bits));
            }
        }
        Self { types, structs }
    }

    fn offset(&self, structure: &str, path: &str) -> Option<u32> {
        self.structs.get(structure)?.iter().find_map(|id| {
            let (mut id, mut bits) = (*id, 0);
            for name in path.split('.') {
                let (inner, offset) = self.member(id, name)?;
                bits += offset;
                id = inner;
            }
            Some(bits / 8)
        })
    }

    fn member(&self, id: u32, name: &str) -> Option<(u32, u32)> {
        let mut found = self.types.get(&id)?;
        while let Some(next) = found.to {
            found = self.types.get(&next)?;
        }
        found.members.iter().find_map(|(member, inner, bits)| match member.as_str() {
            "" => self.member(*inner, name).map(|(inner, below)| (inner, bits + below)),
            _ => (member == name).then_some((*inner, *bits)),
        })
    }
}

fn number(text: &str, key: &str) -> Option<u32> {
    text.split(key).nth(1)?.split_whitespace().next()?.parse().ok()
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn every_offset_is_bpftools() {
    let (dump, btf) = (Dump::read(), Btf::vmlinux().unwrap());
    let mut found = 0;
    let all = [
        fields::SCHED,
        fields::CGROUP_V2,
        fields::CGROUP_V1,
        fields::REQUEST,
        fields::DISK_OF_QUEUE,
        fields::DISK_OF_REQUEST,
        fields::FILE,
        fields::DESCRIPTORS,
        fields::OOM,
        fields::NODE_PARENT,
        fields::NODE_PARENT_RCU,
        fields::TASK_STATE,
        fields::TASK_STATE_OLD,
        fields::CALL,
        fields::CALL_FILE,
    ];
    for Field { structure, path, .. } in all.into_iter().flatten() {
        let (ours, theirs) = (btf.offset(structure, path), dump.offset(structure, path));
        assert_eq!(ours, theirs, "{structure}.{path}");
        found += usize::from(ours.is_some());
    }
    println!("measured: {found} offsets equal bpftool's");
    assert!(found > 30, "only {found} members were found");
}
