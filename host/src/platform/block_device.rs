//! Block devices: names, partitions, devices stacked on others (dm, md, loop), and the mounts that each serves.

use std::collections::BTreeSet;
use std::path::Path;

use kerno_signals::Device;

use super::{Root, mounts};
use mounts::Mount;

/// Major and minor number.
pub type Number = (u32, u32);

/// Kernel name (`nvme0n1p2`, `dm-0`) of a device number; `None` for anonymous numbers and devices that are gone.
#[must_use]
pub fn name(root: &Root, major: u32, minor: u32) -> Option<String> {
    let target = std::fs::read_link(root.path(format!("/sys/dev/block/{major}:{minor}"))).ok()?;
    Some(node_name(target.file_name()?.to_str()?))
}

/// The kernel writes `!` in sysfs for `/` in a name (`cciss!c0d0`).
fn node_name(sysfs: &str) -> String {
    sysfs.replace('!', "/")
}

/// Device number by kernel name.
#[must_use]
pub fn number(root: &Root, name: &str) -> Option<Number> {
    parse_number(&root.read(format!("/sys/class/block/{}/dev", name.replace('/', "!"))).ok()?)
}

fn parse_number(text: &str) -> Option<Number> {
    let (major, minor) = text.trim().split_once(':')?;
    Some((major.parse().ok()?, minor.parse().ok()?))
}

/// Device number of a node below `/dev`, by its name alone: the path may have been chosen by someone else, and a look at it may lead
/// anywhere, into a dead file server too. Of links only those below `/dev/disk/by-*` are read, which udev makes.
#[must_use]
pub fn number_of_node(root: &Root, node: &str) -> Option<Number> {
    let name = node.strip_prefix("/dev/")?;
    let parts: Vec<&str> = name.split('/').collect();
    if parts.iter().any(|part| matches!(*part, "" | "." | "..")) {
        return None;
    }
    match parts[..] {
        ["mapper", mapped] => mapper(root, mapped),
        ["disk", by, _] if by.starts_with("by-") => {
            let target = std::fs::read_link(root.path(node)).ok()?;
            number(root, target.file_name()?.to_str()?)
        }
        // LVM's links; a name such as `cciss/c0d0` is the kernel's own.
        [group, volume] => {
            let doubled = |name: &str| name.replace('-', "--");
            number(root, name).or_else(|| mapper(root, &format!("{}-{}", doubled(group), doubled(volume))))
        }
        _ => number(root, name),
    }
}

/// Device number by the name that the device mapper knows.
fn mapper(root: &Root, mapped: &str) -> Option<Number> {
    let is_it = |name: &String| root.read(format!("/sys/class/block/{name}/dm/name")).is_ok_and(|text| text.trim_end() == mapped);
    root.names("/sys/class/block").into_iter().find(is_it).and_then(|name| number(root, &name))
}

/// Whether a whole device takes requests: others (dm, md, some of nvme and zram) hand the I/O on as it came.
#[must_use]
pub fn takes_requests(root: &Root, name: &str) -> bool {
    root.exists(format!("/sys/block/{}/mq", name.replace('/', "!")))
}

/// Whether the device is a partition of another.
#[must_use]
pub fn is_partition(root: &Root, device: Number) -> bool {
    root.exists(directory(device, "partition"))
}

/// The device a partition is on; the device itself when it is none.
#[must_use]
pub fn whole(root: &Root, device: Number) -> Number {
    let parent = || {
        let target = std::fs::read_link(root.path(directory(device, "").trim_end_matches('/'))).ok()?;
        number(root, target.parent()?.file_name()?.to_str()?)
    };
    if is_partition(root, device) { parent().unwrap_or(device) } else { device }
}

/// Devices directly below: the whole device of a partition, the members of a dm or md device, the device that a loop device's
/// file is on. None for hardware.
#[must_use]
pub fn below(root: &Root, device: Number, host: &[Mount]) -> BTreeSet<Number> {
    let mut found: BTreeSet<Number> = linked(root, device, "slaves").collect();
    if is_partition(root, device) {
        found.insert(whole(root, device));
    }
    found.extend(backing_file(root, device, host));
    found.remove(&device);
    found
}

/// Devices directly above: partitions, and the dm and md devices that hold it.
fn above(root: &Root, device: Number) -> BTreeSet<Number> {
    let partitions = root.names(directory(device, "")).into_iter().filter_map(|entry| {
        let base = directory(device, &entry);
        root.exists(format!("{base}/partition")).then(|| parse_number(&root.read(format!("{base}/dev")).ok()?)).flatten()
    });
    partitions.chain(linked(root, device, "holders")).collect()
}

fn linked<'a>(root: &'a Root, device: Number, kind: &str) -> impl Iterator<Item = Number> + 'a {
    root.names(directory(device, kind)).into_iter().filter_map(|name| number(root, &name))
}

fn directory((major, minor): Number, entry: &str) -> String {
    format!("/sys/dev/block/{major}:{minor}/{entry}")
}

fn backing_file(root: &Root, device: Number, host: &[Mount]) -> Option<Number> {
    let file = root.read(directory(device, "loop/backing_file")).ok()?;
    mounts::device_number(root, mounts::containing(host, Path::new(file.trim_end()))?, host)
}

/// Names a device and lists the mount points that it serves: its own, its partitions', and those of devices stacked on it.
#[must_use]
pub fn device(root: &Root, major: u32, minor: u32) -> Device {
    device_among(root, (major, minor), &mounts::of_host(root))
}

/// [`device`] with the host's mounts read once for many devices.
#[must_use]
pub fn device_among(root: &Root, device: Number, host: &[Mount]) -> Device {
    let (major, minor) = device;
    let name = name(root, major, minor).unwrap_or_else(|| format!("{major}:{minor}"));
    Device { major, minor, name, mounts: served(root, device, host) }
}

fn served(root: &Root, device: Number, host: &[Mount]) -> Vec<String> {
    let loops: Vec<(Number, Number)> = root
        .names("/sys/class/block")
        .iter()
        .filter(|name| name.starts_with("loop"))
        .filter_map(|name| number(root, name))
        .filter_map(|number| Some((number, backing_file(root, number, host)?)))
        .collect();
    let mut stack = BTreeSet::from([device]);
    let mut open = vec![device];
    while let Some(next) = open.pop() {
        let on_file = loops.iter().filter(|(_, below)| *below == next).map(|(number, _)| *number);
        for upper in above(root, next).into_iter().chain(on_file) {
            if stack.insert(upper) {
                open.push(upper);
            }
        }
    }
    let mut points = BTreeSet::new();
    for number in stack {
        // Of an overlay the mount point says nothing about the disk; of bind mounts only when nothing better is there.
        let of_it =
            || host.iter().filter(|mount| mount.kind != "overlay" && mounts::device_number(root, mount, host) == Some(number));
        let (whole, bound): (Vec<_>, Vec<_>) = of_it().partition(|mount| mount.root == "/" || mount.kind == "btrfs");
        let bound = bound.into_iter().min_by_key(|mount| mount.mount_point.len()).filter(|_| whole.is_empty());
        points.extend(whole.into_iter().chain(bound).map(|mount| mount.mount_point.clone()));
    }
    points.into_iter().collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;
    use std::os::unix::fs::symlink;

    /// sda (8:0) with sda1 (/) and sda2, dm-0 on sda2 (/data), loop0 on a file below /data (/mnt).
    fn host() -> (tempfile::TempDir, Root, Vec<Mount>) {
        let directory = tempfile::tempdir().unwrap();
        let at = |path: &str| directory.path().join(path);
        let devices = [
            ("8:0", "devices/sda"),
            ("8:1", "devices/sda/sda1"),
            ("8:2", "devices/sda/sda2"),
            ("253:0", "devices/dm-0"),
            ("7:0", "devices/loop0"),
        ];
        fs::create_dir_all(at("sys/dev/block")).unwrap();
        fs::create_dir_all(at("sys/class/block")).unwrap();
        for (number, path) in devices {
            fs::create_dir_all(at("sys").join(path).join("holders")).unwrap();
            fs::create_dir_all(at("sys").join(path).join("slaves")).unwrap();
            fs::write(at("sys").join(path).join("dev"), format!("{number}\n")).unwrap();
            symlink(format!("../../{path}"), at("sys/dev/block").join(number)).unwrap();
            symlink(format!("../../{path}"), at("sys/class/block").join(path.rsplit('/').next().unwrap())).unwrap();
        }
        for partition in ["sda1", "sda2"] {
            fs::write(at("sys/devices/sda").join(partition).join("partition"), "1\n").unwrap();
        }
        symlink("../../dm-0", at("sys/devices/sda/sda2/holders/dm-0")).unwrap();
        symlink("../../sda/sda2", at("sys/devices/dm-0/slaves/sda2")).unwrap();
        fs::create_dir_all(at("sys/devices/dm-0/dm")).unwrap();
        fs::write(at("sys/devices/dm-0/dm/name"), "vg-data\n").unwrap();
        fs::create_dir_all(at("sys/devices/loop0/loop")).unwrap();
        fs::write(at("sys/devices/loop0/loop/backing_file"), "/data/image\n").unwrap();
        let mounts = mounts::parse(
            "1 0 8:1 / / rw - ext4 /dev/sda1 rw\n2 1 253:0 / /data rw - xfs /dev/mapper/vg-data rw\n\
             3 1 7:0 / /mnt ro - squashfs /dev/loop0 ro\n4 1 253:0 /pods/1 /var/pods/1 rw - xfs /dev/mapper/vg-data rw\n",
        );
        let root = Root::new(directory.path());
        (directory, root, mounts)
    }

    #[test]
    fn a_disk_serves_what_is_stacked_on_it() {
        let (_directory, root, mounts) = host();
        let mounts_of = |number| device_among(&root, number, &mounts).mounts;
        assert_eq!(mounts_of((8, 0)), ["/", "/data", "/mnt"]);
        assert_eq!(mounts_of((8, 1)), ["/"]);
        assert_eq!(mounts_of((253, 0)), ["/data", "/mnt"]);
        assert_eq!(mounts_of((7, 0)), ["/mnt"]);
        assert!(mounts_of((9, 9)).is_empty());
    }

    #[test]
    fn names_partitions_and_what_is_below() {
        let (_directory, root, mounts) = host();
        assert_eq!(name(&root, 8, 2).as_deref(), Some("sda2"));
        assert_eq!(device_among(&root, (9, 9), &mounts).name, "9:9");
        assert!(is_partition(&root, (8, 1)) && !is_partition(&root, (253, 0)));
        assert_eq!((whole(&root, (8, 2)), whole(&root, (253, 0))), ((8, 0), (253, 0)));
        assert_eq!(below(&root, (253, 0), &mounts), BTreeSet::from([(8, 2)]));
        assert_eq!(below(&root, (8, 2), &mounts), BTreeSet::from([(8, 0)]));
        assert_eq!(below(&root, (7, 0), &mounts), BTreeSet::from([(253, 0)]));
        assert!(below(&root, (8, 0), &mounts).is_empty());
        assert_eq!(node_name("cciss!c0d0"), "cciss/c0d0");
    }

    #[test]
    fn nodes_are_found_by_name() {
        let (_directory, root, _) = host();
        assert_eq!(number_of_node(&root, "/dev/sda1"), Some((8, 1)));
        assert_eq!(number_of_node(&root, "/dev/mapper/vg-data"), Some((253, 0)));
        assert_eq!(number_of_node(&root, "/dev/vg/data"), Some((253, 0)));
        for other in ["/dev/mapper/other", "/dev/", "/dev/..", "/dev/./sda1", "/dev/mapper/../sda1", "/dev/shm/x/sda1", "sda1"] {
            assert_eq!(number_of_node(&root, other), None, "{other}");
        }
    }
}
