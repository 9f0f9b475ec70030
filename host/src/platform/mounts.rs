//! Mounted file systems: `/proc/<pid>/mountinfo`, and which block device is below one.

use std::cell::OnceCell;
use std::path::Path;

use kerno_signals::FileSystem;

use super::{Root, block_device};

/// One mount, as `proc(5)` describes a line of mountinfo.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Mount {
    /// Device number of the file system (`s_dev`), major.
    pub major: u32,
    /// Device number, minor.
    pub minor: u32,
    /// The directory of the file system that is mounted: `/`, or less for a bind mount or a subvolume.
    pub root: String,
    /// Where.
    pub mount_point: String,
    /// Type of the file system.
    pub kind: String,
    /// What is mounted.
    pub source: String,
    /// Options of the file system.
    pub options: String,
}

/// All mounts in a text of mountinfo, in the order they were made; lines that are not understood are left out.
#[must_use]
pub fn parse(text: &str) -> Vec<Mount> {
    text.lines().filter_map(parse_line).collect()
}

/// `36 35 98:0 /mnt1 /mnt2 rw,noatime master:1 - ext3 /dev/root rw,errors=continue`, optional fields before the dash.
fn parse_line(line: &str) -> Option<Mount> {
    let (mount, file_system) = line.split_once(" - ")?;
    let mut fields = mount.split(' ').skip(2);
    let (major, minor) = fields.next()?.split_once(':')?;
    let (root, mount_point) = (unescape(fields.next()?), unescape(fields.next()?));
    let mut fields = file_system.split(' ');
    let (kind, source) = (fields.next()?.to_owned(), unescape(fields.next()?));
    let options = unescape(fields.next().unwrap_or_default());
    Some(Mount { major: major.parse().ok()?, minor: minor.parse().ok()?, root, mount_point, kind, source, options })
}

/// The kernel writes space, tab, newline, backslash and `#` as a backslash and three octal digits.
fn unescape(field: &str) -> String {
    let mut bytes = Vec::with_capacity(field.len());
    let mut rest = field.as_bytes();
    while let Some((&first, after)) = rest.split_first() {
        let octal = after.get(..3).filter(|digits| first == b'\\' && digits.iter().all(|digit| (b'0'..=b'7').contains(digit)));
        if let Some(digits) = octal {
            bytes.push(digits.iter().fold(0u8, |value, digit| value.wrapping_mul(8).wrapping_add(digit - b'0')));
            rest = &after[3..];
        } else {
            bytes.push(first);
            rest = after;
        }
    }
    String::from_utf8_lossy(&bytes).into_owned()
}

/// Mounts as a process sees them; `None` when it is gone or may not be looked at.
#[must_use]
pub fn of_process(root: &Root, pid: impl std::fmt::Display) -> Option<Vec<Mount>> {
    root.read(format!("/proc/{pid}/mountinfo")).ok().map(|text| parse(&text))
}

/// Mounts of the host: those of process 1, else this process's.
#[must_use]
pub fn of_host(root: &Root) -> Vec<Mount> {
    of_process(root, 1).or_else(|| of_process(root, "self")).unwrap_or_default()
}

/// Mounts for naming many file systems: the host's are read once, and those of a process once when it is asked for many times in a
/// row.
#[derive(Debug)]
pub struct Views<'a> {
    root: &'a Root,
    host: OnceCell<Vec<Mount>>,
    own: OnceCell<Vec<Mount>>,
    process: Option<(u32, Vec<Mount>)>,
}

impl<'a> Views<'a> {
    /// Nothing is read yet.
    #[must_use]
    pub fn new(root: &'a Root) -> Self {
        Self { root, host: OnceCell::new(), own: OnceCell::new(), process: None }
    }

    /// Names the file system with a device number (`s_dev`) as process `pid` sees it; where that process is gone or does not see it,
    /// as the host does.
    pub fn file_system(&mut self, pid: u32, major: u32, minor: u32) -> FileSystem {
        let Self { root, host, own, process } = self;
        if process.as_ref().is_none_or(|(read, _)| *read != pid) {
            *process = Some((pid, of_process(root, pid).unwrap_or_default()));
        }
        let host = host.get_or_init(|| of_host(root));
        let seen = process.as_ref().and_then(|(_, mounts)| best(mounts, major, minor));
        let own = || best(own.get_or_init(|| of_process(root, "self").unwrap_or_default()), major, minor);
        let Some(mount) = seen.or_else(|| best(host, major, minor)).or_else(own) else {
            let device = block_device::name(root, major, minor);
            return FileSystem { major, minor, kind: None, mount: None, source: None, device, in_memory: false };
        };
        FileSystem {
            major,
            minor,
            kind: Some(mount.kind.clone()),
            mount: Some(mount.mount_point.clone()),
            source: Some(mount.source.clone()),
            device: device_number(root, mount, host).and_then(|(major, minor)| block_device::name(root, major, minor)),
            in_memory: matches!(mount.kind.as_str(), "tmpfs" | "ramfs" | "devtmpfs" | "hugetlbfs" | "rootfs"),
        }
    }
}

/// Of several mounts of one file system the one that says most: whole before part, directories before the single files that
/// container runtimes mount below `/etc` and `/dev`, short before long.
fn best(mounts: &[Mount], major: u32, minor: u32) -> Option<&Mount> {
    mounts.iter().filter(|mount| (mount.major, mount.minor) == (major, minor)).min_by_key(|mount| {
        let runtime = mount.mount_point.starts_with("/etc/") || mount.mount_point.starts_with("/dev/");
        (mount.root != "/", runtime, mount.mount_point.len())
    })
}

/// Number of the block device below a mount. Its own where that is no anonymous one (major 0); else by the mount's source where the
/// kernel itself writes that (btrfs, bcachefs), or for overlayfs that of the file system its upper directory is on.
#[must_use]
pub fn device_number(root: &Root, mount: &Mount, host: &[Mount]) -> Option<(u32, u32)> {
    device_below(root, mount, host, OVERLAYS)
}

/// How many overlays are followed: the kernel stacks two, but two whose upper directories read as lying on each other (one path,
/// different namespaces) would never end.
const OVERLAYS: u32 = 8;

fn device_below(root: &Root, mount: &Mount, host: &[Mount], overlays: u32) -> Option<(u32, u32)> {
    if mount.major != 0 {
        return Some((mount.major, mount.minor));
    }
    if mount.kind == "overlay" {
        let upper = mount.options.split(',').find_map(|option| option.strip_prefix("upperdir="))?;
        let below = containing(host, Path::new(upper))?;
        // An overlay on an overlay goes down one more; a mount cannot lie on itself.
        return if below == mount { None } else { device_below(root, below, host, overlays.checked_sub(1)?) };
    }
    // Of FUSE, tmpfs and others the source is any text that whoever mounted it likes.
    if matches!(mount.kind.as_str(), "btrfs" | "bcachefs") { block_device::number_of_node(root, &mount.source) } else { None }
}

/// The mount a path lies on: the longest mount point above it, of equals the one mounted last.
#[must_use]
pub fn containing<'a>(mounts: &'a [Mount], path: &Path) -> Option<&'a Mount> {
    let above = mounts.iter().filter(|mount| path.starts_with(&mount.mount_point));
    above.max_by_key(|mount| Path::new(&mount.mount_point).components().count())
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::fs;

    #[test]
    fn optional_fields_and_escapes() {
        let text = "36 35 98:0 /mnt1 /mnt\\0402\\134x rw,noatime master:1 shared:2 - ext3 /dev/my\\040disk rw,errors=continue\n\
            37 35 0:5 / /\\303\\251\\043\\011 rw - tmpfs none rw\nnonsense\n";
        let mounts = parse(text);
        assert_eq!(mounts.len(), 2);
        let first = &mounts[0];
        assert_eq!((first.major, first.minor, first.root.as_str()), (98, 0, "/mnt1"));
        assert_eq!((first.mount_point.as_str(), first.source.as_str()), ("/mnt 2\\x", "/dev/my disk"));
        assert_eq!((first.kind.as_str(), first.options.as_str()), ("ext3", "rw,errors=continue"));
        assert_eq!(mounts[1].mount_point, "/é#\t");
        assert_eq!(unescape("a\\9b\\04"), "a\\9b\\04");
    }

    fn host(process: &str, init: &str) -> (tempfile::TempDir, Root) {
        let directory = tempfile::tempdir().unwrap();
        for (pid, text) in [("42", process), ("1", init), ("self", init)] {
            fs::create_dir_all(directory.path().join("proc").join(pid)).unwrap();
            fs::write(directory.path().join("proc").join(pid).join("mountinfo"), text).unwrap();
        }
        for (number, name) in [("8:1", "sda1"), ("253:3", "dm-3")] {
            fs::create_dir_all(directory.path().join("sys/dev/block")).unwrap();
            fs::create_dir_all(directory.path().join("sys/class/block").join(name)).unwrap();
            fs::write(directory.path().join("sys/class/block").join(name).join("dev"), format!("{number}\n")).unwrap();
            std::os::unix::fs::symlink(format!("../../devices/x/{name}"), directory.path().join("sys/dev/block").join(number))
                .unwrap();
        }
        let root = Root::new(directory.path());
        (directory, root)
    }

    const INIT: &str = "27 1 8:1 / / rw - ext4 /dev/sda1 rw\n28 27 0:44 /@home /home rw - btrfs /dev/sda1 rw,subvol=/@home\n\
        29 27 0:25 / /run rw - tmpfs tmpfs rw\n30 27 0:50 / /srv rw - nfs4 server:/export rw\n";

    #[test]
    fn a_file_system_is_named_as_its_process_sees_it() {
        let process =
            "50 1 8:1 /pods/x/hosts /etc/hosts rw - ext4 /dev/sda1 rw\n51 1 8:1 /pods/x/data /var/data rw - ext4 /dev/sda1 rw\n";
        let (_directory, root) = host(process, INIT);
        let seen = Views::new(&root).file_system(42, 8, 1);
        assert_eq!((seen.mount.as_deref(), seen.device.as_deref()), (Some("/var/data"), Some("sda1")));
        let gone = Views::new(&root).file_system(43, 8, 1);
        assert_eq!((gone.mount.as_deref(), gone.kind.as_deref()), (Some("/"), Some("ext4")));
        let hidden = Views::new(&root).file_system(42, 0, 25);
        assert!(hidden.in_memory);
        assert_eq!((hidden.mount.as_deref(), hidden.device), (Some("/run"), None));
        let remote = Views::new(&root).file_system(42, 0, 50);
        assert_eq!((remote.source.as_deref(), remote.device), (Some("server:/export"), None));
        let unknown = Views::new(&root).file_system(42, 253, 3);
        assert_eq!((unknown.mount, unknown.kind, unknown.device.as_deref()), (None, None, Some("dm-3")));
    }

    #[test]
    fn anonymous_numbers_are_resolved_by_source_and_upper_directory() {
        let process = "60 1 0:60 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/var/lib/docker/overlay2/a/diff,workdir=/w\n";
        let (_directory, root) = host(process, INIT);
        assert_eq!(Views::new(&root).file_system(42, 0, 44).device.as_deref(), Some("sda1"), "btrfs");
        let overlay = Views::new(&root).file_system(42, 0, 60);
        assert_eq!((overlay.kind.as_deref(), overlay.device.as_deref()), (Some("overlay"), Some("sda1")));

        let on_tmpfs = "60 1 0:60 / / rw - overlay overlay rw,lowerdir=/l,upperdir=/run/a,workdir=/w\n";
        let (_directory, root) = host(on_tmpfs, INIT);
        assert_eq!(Views::new(&root).file_system(42, 0, 60).device, None);
    }

    #[test]
    fn mounts_of_the_host_and_of_a_process_are_read_once() {
        let (directory, root) = host("50 1 8:1 /pods/x /data rw - ext4 /dev/sda1 rw\n", INIT);
        let mut views = Views::new(&root);
        let told = |views: &mut Views<'_>, minor| views.file_system(42, if minor == 1 { 8 } else { 0 }, minor).mount;
        assert_eq!((told(&mut views, 1).as_deref(), told(&mut views, 25).as_deref()), (Some("/data"), Some("/run")));
        for pid in ["1", "42"] {
            fs::remove_file(directory.path().join("proc").join(pid).join("mountinfo")).unwrap();
        }
        assert_eq!((told(&mut views, 1).as_deref(), told(&mut views, 25).as_deref()), (Some("/data"), Some("/run")));
    }

    #[test]
    fn a_source_that_a_user_chose_is_neither_believed_nor_looked_at() {
        let hostile = "70 1 0:70 / /home/u/m rw - fuse.x /dev/sda1 rw\n71 1 0:71 / /home/u/t rw - tmpfs /dev/sda1 rw\n\
            72 1 0:72 / /home/u/b rw - btrfs /dev/../dev/sda1 rw\n73 1 0:73 / /home/u/c rw - btrfs /dev/disk/by-x/../../sda1 rw\n\
            74 1 0:74 / /home/u/d rw - btrfs /dev/shm/u/disk rw\n75 1 0:75 / /home/u/e rw - btrfs /dev/disk/by-id/x rw\n";
        let (directory, root) = host(hostile, INIT);
        // What a look would find: all of them lead to the disk.
        for link in ["dev/shm/u/disk", "dev/disk/by-id/x", "dev/disk/by-x/y"] {
            let link = directory.path().join(link);
            fs::create_dir_all(link.parent().unwrap()).unwrap();
            std::os::unix::fs::symlink("../../sda1", link).unwrap();
        }
        let mut views = Views::new(&root);
        let mut device = |minor| views.file_system(42, 0, minor).device;
        assert!((70..75).all(|minor| device(minor).is_none()));
        assert_eq!(device(75).as_deref(), Some("sda1"), "udev's own links are root's");
    }

    #[test]
    fn overlays_that_read_as_lying_on_each_other_have_no_device() {
        let circle = "60 1 0:60 / /a rw - overlay overlay rw,lowerdir=/l,upperdir=/b/upper,workdir=/w\n\
            61 1 0:61 / /b rw - overlay overlay rw,lowerdir=/l,upperdir=/a/upper,workdir=/w\n";
        let (_directory, root) = host(circle, circle);
        assert_eq!(Views::new(&root).file_system(42, 0, 60).device, None);
    }

    #[test]
    fn the_root_of_this_host_has_a_type() {
        let mounts = of_host(&Root::default());
        let root = containing(&mounts, Path::new("/")).expect("a root");
        assert!(!root.kind.is_empty());
    }
}
