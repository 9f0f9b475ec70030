//! What this host is: name, kernel, CPUs, memory, and what manages its workloads.

use kerno_signals::Environment;

use super::{Error, Root};

/// Facts that do not change while kerno runs.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Facts {
    /// Node name as given, else the host name.
    pub name: String,
    /// Kernel release, as `uname -r`.
    pub kernel: String,
    /// Machine architecture, as `uname -m`.
    pub arch: String,
    /// Online CPUs.
    pub cpus: u32,
    /// Highest number of a CPU that may come online, plus one: maps are indexed by these numbers.
    pub possible_cpus: u32,
    /// Physical memory, bytes.
    pub memory_bytes: u64,
    /// What manages the workloads.
    pub environment: Environment,
}

/// Reads them. `node_name` is the name the settings give, if any.
pub fn facts(root: &Root, node_name: Option<&str>) -> Result<Facts, Error> {
    let line = |path: &str| Ok::<_, Error>(root.read(path)?.trim_end().to_owned());
    let cpus = |which: &str, read: fn(&str) -> Option<u32>| {
        root.parse(format!("/sys/devices/system/cpu/{which}"), "a list such as `0-3,8`", read)
    };
    let online = online_cpus(root)?;
    Ok(Facts {
        name: match node_name.filter(|name| !name.is_empty()) {
            Some(name) => name.to_owned(),
            None => line("/proc/sys/kernel/hostname")?,
        },
        kernel: line("/proc/sys/kernel/osrelease")?,
        arch: rustix::system::uname().machine().to_string_lossy().into_owned(),
        cpus: online,
        possible_cpus: cpus("possible", end_of_list).unwrap_or(online),
        memory_bytes: root.parse("/proc/meminfo", "a line `MemTotal: … kB`", total_memory)?,
        environment: environment(root),
    })
}

/// Online CPUs.
pub fn online_cpus(root: &Root) -> Result<u32, Error> {
    let list = root.parse("/sys/devices/system/cpu/online", "a list such as `0-3,8`", count_list);
    list.or_else(|error| count_processors(root).ok_or(error))
}

/// Number of CPUs in a list such as `0-3,8`.
pub(super) fn count_list(text: &str) -> Option<u32> {
    let count = |range: &str| match range.split_once('-') {
        Some((first, last)) => (last.parse::<u32>().ok()?.checked_sub(first.parse().ok()?)?).checked_add(1),
        None => range.parse::<u32>().ok().map(|_| 1),
    };
    text.trim().split(',').map(count).try_fold(0u32, |sum, count| sum.checked_add(count?))
}

/// Highest number in such a list, plus one.
fn end_of_list(text: &str) -> Option<u32> {
    let last = |range: &str| range.split_once('-').map_or(range, |(_, last)| last).parse::<u32>().ok()?.checked_add(1);
    text.trim().split(',').map(last).try_fold(0, |end, last| Some(end.max(last?)))
}

/// CPUs of `/proc/stat`, where `/sys` is not mounted.
fn count_processors(root: &Root) -> Option<u32> {
    let text = root.read("/proc/stat").ok()?;
    let is_cpu =
        |line: &&str| line.strip_prefix("cpu").is_some_and(|rest| rest.starts_with(|first: char| first.is_ascii_digit()));
    u32::try_from(text.lines().filter(is_cpu).count()).ok().filter(|count| *count > 0)
}

fn total_memory(text: &str) -> Option<u64> {
    let value = text.lines().find_map(|line| line.strip_prefix("MemTotal:"))?;
    value.trim().strip_suffix("kB")?.trim().parse::<u64>().ok()?.checked_mul(1024)
}

/// Kubernetes where a kubelet has made its group of pods, or where kerno itself is in a pod; systemd where it is the init system.
fn environment(root: &Root) -> Environment {
    const PODS: [&str; 2] = ["kubepods", "kubepods.slice"];
    let hierarchies = root.names("/sys/fs/cgroup");
    let has_pods = PODS
        .iter()
        .any(|group| hierarchies.iter().any(|entry| entry == group || root.exists(format!("/sys/fs/cgroup/{entry}/{group}"))));
    let in_pod = root.exists("/var/run/secrets/kubernetes.io/serviceaccount")
        || root.read("/proc/self/cgroup").is_ok_and(|text| text.contains("/kubepods"));
    if has_pods || in_pod {
        return Environment::Kubernetes;
    }
    let booted = root.exists("/run/systemd/system") || root.read("/proc/1/comm").is_ok_and(|comm| comm.trim_end() == "systemd");
    if booted { Environment::Systemd } else { Environment::BareMetal }
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn lists_of_cpus() {
        for (text, count) in [
            ("0\n", Some(1)),
            ("0-3,8\n", Some(5)),
            ("0-1,4-7\n", Some(6)),
            ("\n", None),
            ("3-1", None),
            ("0-4294967294,9", None),
            ("0-4294967295", None),
        ] {
            assert_eq!(count_list(text), count, "{text:?}");
        }
        for (text, end) in [("0\n", Some(1)), ("0-3,8\n", Some(9)), ("0-1,4-7\n", Some(8)), ("\n", None)] {
            assert_eq!(end_of_list(text), end, "{text:?}");
        }
    }

    #[test]
    fn memory_is_told_in_bytes() {
        assert_eq!(total_memory("MemTotal:       24684092 kB\nMemFree: 1 kB\n"), Some(24_684_092 * 1024));
        assert_eq!(total_memory("MemFree: 1 kB\n"), None);
        assert_eq!(total_memory(&format!("MemTotal: {} kB\n", u64::MAX)), None);
    }

    #[test]
    fn each_environment_by_its_evidence() {
        for (evidence, expected) in [
            (vec!["sys/fs/cgroup/kubepods.slice", "run/systemd/system"], Environment::Kubernetes),
            (vec!["sys/fs/cgroup/memory/kubepods"], Environment::Kubernetes),
            (vec!["var/run/secrets/kubernetes.io/serviceaccount"], Environment::Kubernetes),
            (vec!["run/systemd/system", "sys/fs/cgroup/system.slice"], Environment::Systemd),
            (vec!["sys/fs/cgroup/cpu"], Environment::BareMetal),
        ] {
            let directory = tempfile::tempdir().unwrap();
            for path in &evidence {
                fs::create_dir_all(directory.path().join(path)).unwrap();
            }
            assert_eq!(environment(&Root::new(directory.path())), expected, "{evidence:?}");
        }
    }

    #[test]
    fn this_host_has_all_facts() {
        let facts = facts(&Root::default(), Some("node-7")).unwrap();
        assert_eq!(facts.name, "node-7");
        assert!(facts.cpus >= 1 && facts.possible_cpus >= facts.cpus && facts.memory_bytes > 1 << 20, "{facts:?}");
        assert!(facts.kernel.contains('.') && !facts.arch.is_empty());
        assert!(!super::facts(&Root::default(), None).unwrap().name.is_empty());
    }
}
