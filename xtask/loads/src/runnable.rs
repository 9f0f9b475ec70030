//! Samples how often more tasks are runnable than there are CPUs: the proof that a burst was one, or was none.

use std::time::Duration;
use std::{fs, io, thread};

/// Writes `samples above` to a file every second: samples so far, and those with more runnable tasks than CPUs.
pub fn run(file: &str) -> io::Result<()> {
    let cpus = u64::try_from(thread::available_parallelism()?.get()).map_err(io::Error::other)?;
    let (mut samples, mut above) = (0_u64, 0_u64);
    loop {
        for _ in 0..100 {
            let text = fs::read_to_string("/proc/loadavg")?;
            // This one is running as it reads.
            let others = runnable(&text).ok_or_else(|| io::Error::other("/proc/loadavg is not what it was"))?.saturating_sub(1);
            samples += 1;
            above += u64::from(others > cpus);
            thread::sleep(Duration::from_millis(10));
        }
        fs::write(file, format!("{samples} {above}\n"))?;
    }
}

/// Runnable tasks, by `0.20 0.18 0.12 1/80 11206`.
fn runnable(loadavg: &str) -> Option<u64> {
    loadavg.split_whitespace().nth(3)?.split('/').next()?.parse().ok()
}

#[cfg(test)]
mod tests {
    #[test]
    fn runnable_tasks_are_read_from_loadavg() {
        assert_eq!(super::runnable("0.20 0.18 0.12 3/80 11206\n"), Some(3));
        assert_eq!(super::runnable("0.20 0.18"), None);
    }
}
