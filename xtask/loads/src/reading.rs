//! What a naive tool reads: totals of `/proc` and of control groups, once. Two readings and the time between them make its numbers.

use std::path::Path;
use std::{fs, io};

/// Prints one line per number: its name, whose it is, its values.
pub fn print() -> io::Result<()> {
    let snmp = fs::read_to_string("/proc/net/snmp")?;
    println!("tcp host {} {}", column(&snmp, "Tcp:", "OutSegs"), column(&snmp, "Tcp:", "RetransSegs"));
    let kills = fs::read_to_string("/proc/vmstat")?;
    println!("oom host {}", field(&kills, "oom_kill"));
    let memory = fs::read_to_string("/proc/meminfo")?;
    let (total, free) = (field(&memory, "MemTotal:") * 1024, field(&memory, "MemFree:") * 1024);
    println!("memory host {} {total}", total.saturating_sub(free));
    groups(Path::new("/sys/fs/cgroup"));
    for entry in fs::read_dir("/proc")?.flatten() {
        let Some(pid) = entry.file_name().to_str().and_then(|name| name.parse::<u32>().ok()) else { continue };
        let Ok(descriptors) = fs::read_dir(entry.path().join("fd")) else { continue };
        println!("fds {pid} {}", descriptors.count());
    }
    Ok(())
}

fn groups(directory: &Path) {
    let read = |name: &str| fs::read_to_string(directory.join(name)).unwrap_or_default();
    let path = directory.display();
    let text = read("cpu.stat");
    if field(&text, "nr_periods") > 0 {
        println!("quota {path} {} {}", field(&text, "nr_periods"), field(&text, "nr_throttled"));
    }
    if let (Ok(limit), Ok(used)) = (read("memory.max").trim().parse::<u64>(), read("memory.current").trim().parse::<u64>()) {
        println!("memory {path} {used} {limit}");
    }
    for entry in fs::read_dir(directory).into_iter().flatten().flatten() {
        if entry.file_type().is_ok_and(|kind| kind.is_dir()) {
            groups(&entry.path());
        }
    }
}

/// The number after a name at the beginning of a line.
fn field(text: &str, name: &str) -> u64 {
    let line = text.lines().find(|line| line.split_whitespace().next() == Some(name));
    line.and_then(|line| line.split_whitespace().nth(1)?.parse().ok()).unwrap_or_default()
}

/// A number of `/proc/net/snmp`, which has a line of names and a line of numbers for each protocol.
fn column(text: &str, protocol: &str, name: &str) -> u64 {
    let mut lines = text.lines().filter(|line| line.starts_with(protocol));
    let (Some(names), Some(numbers)) = (lines.next(), lines.next()) else { return 0 };
    let number = names.split_whitespace().zip(numbers.split_whitespace()).find(|(found, _)| *found == name);
    number.and_then(|(_, number)| number.parse().ok()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn numbers_are_found_by_their_names() {
        let snmp = "Ip: A B\nIp: 1 2\nTcp: RtoMin OutSegs RetransSegs\nTcp: 200 77 3\n";
        assert_eq!((column(snmp, "Tcp:", "OutSegs"), column(snmp, "Tcp:", "RetransSegs"), column(snmp, "Udp:", "x")), (77, 3, 0));
        assert_eq!((field("oom_kill_x 3\noom_kill 4\n", "oom_kill"), field("", "oom_kill")), (4, 0));
    }
}
