//! What tests do to a guest: devices with an exact latency, control groups, loads, windows.

use std::{
    collections::BTreeSet,
    fs,
    io::{Read, Seek, SeekFrom, Write},
    os::unix::{
        fs::{FileExt, OpenOptionsExt},
        process::CommandExt,
    },
    path::{Path, PathBuf},
    process::{Child, Command, Stdio},
    thread,
    time::Duration,
};

use kerno::collector::{Collected, Collectors, Options};
use kerno_signals::{Block, CollectorReport, Coverage, Families, Sched};

/// Runs `work` while the collectors measure with eBPF, and see all of it.
pub fn window(work: impl FnOnce()) -> Window {
    let window = lossy_window(work);
    assert!(window.reports.iter().all(|report| report.coverage == Some(Coverage::Full)), "{:?}", window.reports);
    window
}

/// Runs `work` while the collectors measure with eBPF.
pub fn lossy_window(work: impl FnOnce()) -> Window {
    let mut collectors = Collectors::start(&Options::default());
    work();
    collectors.tick();
    let Collected { families, reports, .. } = collectors.finish();
    for report in &reports {
        assert!(report.coverage.is_some_and(|coverage| coverage < Coverage::Fallback), "{report:?}");
    }
    let Families { sched, block, .. } = families.clone();
    Window { sched: sched.unwrap(), block: block.unwrap(), families, reports }
}

/// What one window held.
pub struct Window {
    pub sched: Sched,
    pub block: Block,
    pub families: Families,
    pub reports: Vec<CollectorReport>,
}

impl Window {
    pub fn report(&self, name: &str) -> &CollectorReport {
        self.reports.iter().find(|report| report.name == name).unwrap()
    }
}

pub fn modprobe(module: &str, arguments: &[&str]) {
    let status = Command::new("/bin/busybox").arg("modprobe").arg(module).args(arguments).status().unwrap();
    let is_file_system = || fs::read_to_string("/proc/filesystems").unwrap().split_whitespace().any(|name| name == module);
    assert!(status.success() || Path::new("/sys/module").join(module).exists() || is_file_system(), "no module {module}");
}

pub fn write(path: impl AsRef<Path>, text: &str) {
    fs::write(path.as_ref(), text).unwrap_or_else(|error| panic!("{}: {error}", path.as_ref().display()));
}

/// A memory-backed disk whose every request takes `latency`.
pub struct NullBlk {
    pub node: PathBuf,
    pub number: (u32, u32),
}

impl NullBlk {
    pub fn new(latency: Duration, attributes: &[(&str, &str)]) -> Self {
        modprobe("configfs", &[]);
        modprobe("null_blk", &["nr_devices=0"]);
        let config = Path::new("/sys/kernel/config/nullb");
        if !config.exists() {
            let _ = Command::new("/bin/busybox").args(["mount", "-t", "configfs", "none", "/sys/kernel/config"]).status();
        }
        let before = disks();
        let device = config.join(format!("nullb{}", before.len()));
        fs::create_dir(&device).unwrap();
        let set = |name: &str, value: &str| write(device.join(name), value);
        set("size", "64");
        set("memory_backed", "1");
        set("irqmode", "2");
        set("completion_nsec", &latency.as_nanos().to_string());
        attributes.iter().for_each(|(name, value)| set(name, value));
        set("power", "1");
        let name = disks().difference(&before).next().expect("a new disk").clone();
        let text = fs::read_to_string(format!("/sys/block/{name}/dev")).unwrap();
        let (major, minor) = text.trim().split_once(':').unwrap();
        let node = Path::new("/dev").join(name);
        Self { node, number: (major.parse().unwrap(), minor.parse().unwrap()) }
    }

    /// Opens it past the page cache.
    pub fn open(&self) -> Direct {
        let file = fs::File::options().read(true).write(true).custom_flags(libc::O_DIRECT).open(&self.node).unwrap();
        Direct { file, buffer: vec![0; 2 * PAGE] }
    }
}

const PAGE: usize = 4096;

/// A file opened with `O_DIRECT`, and an aligned page to move.
pub struct Direct {
    file: fs::File,
    buffer: Vec<u8>,
}

impl Direct {
    fn page(&mut self) -> std::ops::Range<usize> {
        let start = self.buffer.as_ptr().align_offset(PAGE);
        start..start + PAGE
    }

    /// Writes the page at `index`.
    pub fn write_page(&mut self, index: u64) {
        let page = self.page();
        self.file.seek(SeekFrom::Start(index * PAGE as u64)).unwrap();
        assert_eq!(self.file.write(&self.buffer[page]).unwrap(), PAGE);
    }

    /// Reads the page at `index`.
    pub fn read_page(&mut self, index: u64) {
        let page = self.page();
        self.file.seek(SeekFrom::Start(index * PAGE as u64)).unwrap();
        assert_eq!(self.file.read(&mut self.buffer[page]).unwrap(), PAGE);
    }

    /// Begins to write the page at `index` and does not wait for it.
    pub fn write_page_in_background(mut self, index: u64) -> thread::JoinHandle<()> {
        thread::spawn(move || {
            let page = self.page();
            assert_eq!(self.file.write_at(&self.buffer[page], index * PAGE as u64).unwrap(), PAGE);
        })
    }
}

fn disks() -> BTreeSet<String> {
    fs::read_dir("/sys/block").unwrap().map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

/// Makes a control group of the unified hierarchy with the cpu controller.
pub fn cgroup(name: &str) -> PathBuf {
    let group = Path::new("/sys/fs/cgroup").join(name);
    let _ = fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+cpu");
    fs::create_dir_all(&group).unwrap();
    group
}

/// A program that runs until it is dropped.
pub struct Load(Child);

impl Load {
    /// Starts `script` in a control group.
    pub fn start(script: &str, group: Option<&Path>) -> Self {
        let procs = group.map(|group| group.join("cgroup.procs").display().to_string());
        let enter = procs.map(|procs| format!("echo $$ > {procs} && ")).unwrap_or_default();
        let mut command = Command::new("/bin/busybox");
        command.args(["sh", "-c", &format!("{enter}{script}")]).stdin(Stdio::null()).process_group(0);
        Self(command.spawn().unwrap())
    }

    /// A process that never sleeps.
    pub fn hog(group: Option<&Path>) -> Self {
        Self::start("while :; do :; done", group)
    }

    /// Makes it a background process.
    pub fn niced(self) -> Self {
        // SAFETY: a call with three numbers.
        assert_eq!(unsafe { libc::setpriority(libc::PRIO_PROCESS, self.0.id(), 19) }, 0);
        self
    }

    /// Makes it a real-time process; its nice value stays.
    pub fn real_time(self) -> Self {
        let parameter = libc::sched_param { sched_priority: 1 };
        // SAFETY: the parameter lives until the call returns.
        assert_eq!(unsafe { libc::sched_setscheduler(self.0.id().cast_signed(), libc::SCHED_FIFO, &raw const parameter) }, 0);
        self
    }

    pub fn pid(&self) -> u32 {
        self.0.id()
    }

    pub fn wait(mut self) {
        assert!(self.0.wait().unwrap().success());
    }
}

impl Drop for Load {
    fn drop(&mut self) {
        let group = i32::try_from(self.0.id()).unwrap();
        // SAFETY: a call with two numbers.
        unsafe { libc::kill(-group, libc::SIGKILL) };
        let _ = self.0.wait();
    }
}

/// Makes a control group of the unified hierarchy with the memory controller.
pub fn memory_cgroup(name: &str) -> PathBuf {
    let group = Path::new("/sys/fs/cgroup").join(name);
    let _ = fs::write("/sys/fs/cgroup/cgroup.subtree_control", "+memory");
    fs::create_dir_all(&group).unwrap();
    group
}

/// A process whose anonymous memory does what is told, in exact steps.
pub struct Grower(i32);

impl Grower {
    /// Grows by `step` bytes every so many milliseconds.
    pub fn start(group: &Path, step: u64, milliseconds: u64) -> Self {
        Self::fork(&[group], 1 << 30, step, milliseconds * 1_000_000, false)
    }

    /// The same in groups of several hierarchies.
    pub fn in_all(groups: &[&Path], step: u64, milliseconds: u64) -> Self {
        Self::fork(groups, 1 << 30, step, milliseconds * 1_000_000, false)
    }

    /// Has so many bytes and writes to all of them over and over.
    pub fn touching(group: &Path, size: u64) -> Self {
        Self::fork(&[group], size, size, 1_000_000, true)
    }

    fn fork(groups: &[&Path], size: u64, step: u64, pause_ns: u64, again: bool) -> Self {
        let enter = |group: &&Path| fs::File::options().write(true).open(group.join("cgroup.procs")).unwrap();
        let doors: Vec<fs::File> = groups.iter().map(enter).collect();
        // SAFETY: the child does nothing but system calls and writes to memory that it has mapped itself, until it is killed.
        unsafe {
            let child = libc::fork();
            assert!(child >= 0);
            if child == 0 {
                grow(&doors, size, step, pause_ns, again);
            }
            Self(child)
        }
    }
}

/// The body of a [`Grower`]'s process, which has no other thread: it must not allocate.
unsafe fn grow(doors: &[fs::File], size: u64, step: u64, pause_ns: u64, again: bool) -> ! {
    // SAFETY: as the caller says; addresses stay inside of the mapping.
    unsafe {
        for door in doors {
            let fd = std::os::fd::AsRawFd::as_raw_fd(door);
            if libc::write(fd, c"0".as_ptr().cast(), 1) != 1 {
                libc::_exit(1);
            }
        }
        let flags = libc::MAP_PRIVATE | libc::MAP_ANONYMOUS | libc::MAP_NORESERVE;
        let memory = libc::mmap(std::ptr::null_mut(), size as usize, libc::PROT_READ | libc::PROT_WRITE, flags, -1, 0);
        // Whole huge pages would make steps of their own.
        libc::madvise(memory, size as usize, libc::MADV_NOHUGEPAGE);
        let mut next = libc::timespec { tv_sec: 0, tv_nsec: 0 };
        libc::clock_gettime(libc::CLOCK_MONOTONIC, &raw mut next);
        let mut at = 0;
        loop {
            let end = (at + step).min(size);
            while at < end {
                memory.cast::<u8>().add(at as usize).write_volatile(1);
                at += PAGE as u64;
            }
            if again && at >= size {
                at = 0;
            }
            next.tv_nsec += pause_ns.cast_signed();
            next.tv_sec += next.tv_nsec / 1_000_000_000;
            next.tv_nsec %= 1_000_000_000;
            libc::clock_nanosleep(libc::CLOCK_MONOTONIC, libc::TIMER_ABSTIME, &raw const next, std::ptr::null_mut());
        }
    }
}

impl Drop for Grower {
    fn drop(&mut self) {
        // SAFETY: calls with numbers; the child is this process's own.
        unsafe {
            libc::kill(self.0, libc::SIGKILL);
            libc::waitpid(self.0, std::ptr::null_mut(), 0);
        }
    }
}

pub fn sleep(milliseconds: u64) {
    thread::sleep(Duration::from_millis(milliseconds));
}

/// Whether `value` is within `share` of `expected`.
pub fn is_near(value: u64, expected: u64, share: f64) -> bool {
    (value as f64 - expected as f64).abs() <= expected as f64 * share
}
