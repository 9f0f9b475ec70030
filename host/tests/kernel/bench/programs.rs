//! What the kernel tells of its programs: run times, locked memory.

use std::{collections::BTreeMap, fs, process::Command};

use serde_json::Value;

/// Run time and runs of a program.
#[derive(Clone, Debug)]
pub struct Cost {
    pub id: u64,
    pub name: String,
    pub time_ns: u64,
    pub runs: u64,
}

impl Cost {
    pub fn mean_ns(&self) -> f64 {
        self.time_ns as f64 / self.runs.max(1) as f64
    }
}

fn programs() -> Vec<Value> {
    let output = Command::new("bpftool").args(["-j", "prog", "show"]).output().unwrap();
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    all.as_array().unwrap().clone()
}

/// Ids of all programs.
pub fn ids() -> Vec<u64> {
    programs().iter().filter_map(|program| program["id"].as_u64()).collect()
}

/// Costs of all programs but `others`.
pub fn costs(others: &[u64]) -> Vec<Cost> {
    let cost = |program: &Value| {
        let number = |name: &str| program[name].as_u64().unwrap_or(0);
        let name = program["name"].as_str().unwrap_or_default().to_owned();
        Cost { id: number("id"), name, time_ns: number("run_time_ns"), runs: number("run_cnt") }
    };
    programs().iter().map(cost).filter(|cost| !others.contains(&cost.id)).collect()
}

/// What was added since `before`.
pub fn between(before: &[Cost], after: &[Cost]) -> Vec<Cost> {
    let added = |now: &Cost| {
        let then = before.iter().find(|then| then.id == now.id);
        let (time, runs) = then.map_or((0, 0), |then| (then.time_ns, then.runs));
        Cost { time_ns: now.time_ns - time, runs: now.runs - runs, ..now.clone() }
    };
    after.iter().map(added).collect()
}

/// Bytes that the kernel locks for the maps and programs that a process has open, each once.
pub fn locked_bytes(pid: u32) -> u64 {
    let mut each: BTreeMap<String, u64> = BTreeMap::new();
    for entry in fs::read_dir(format!("/proc/{pid}/fdinfo")).unwrap() {
        let Ok(text) = fs::read_to_string(entry.unwrap().path()) else { continue };
        let value = |name: &str| text.lines().find_map(|line| line.strip_prefix(name)).map(|value| value.trim().to_owned());
        let Some(bytes) = value("memlock:").and_then(|bytes| bytes.parse().ok()) else { continue };
        let key = value("map_id:").map(|id| format!("map {id}")).or(value("prog_id:").map(|id| format!("program {id}")));
        each.extend(key.map(|key| (key, bytes)));
    }
    each.values().sum()
}

/// Names and locked bytes of the largest maps of the kernel.
pub fn largest_maps(number: usize) -> Vec<(String, u64)> {
    let output = Command::new("bpftool").args(["-j", "map", "show"]).output().unwrap();
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    let map = |map: &Value| (map["name"].as_str().unwrap_or_default().to_owned(), map["bytes_memlock"].as_u64().unwrap_or(0));
    let mut maps: Vec<(String, u64)> = all.as_array().unwrap().iter().map(map).collect();
    maps.sort_by_key(|(_, bytes)| std::cmp::Reverse(*bytes));
    maps.truncate(number);
    maps
}

/// A line of a process's status that tells memory; `VmHWM:` is the most that was ever resident.
pub fn resident_bytes(pid: u32, line: &str) -> u64 {
    try_resident_bytes(pid, line).unwrap_or_else(|| panic!("no {line} of {pid}"))
}

/// The same of a process that may be gone.
pub fn try_resident_bytes(pid: u32, line: &str) -> Option<u64> {
    let status = fs::read_to_string(format!("/proc/{pid}/status")).ok()?;
    let value = status.lines().find_map(|text| text.strip_prefix(line))?;
    Some(value.trim().trim_end_matches("kB").trim().parse::<u64>().ok()? << 10)
}
