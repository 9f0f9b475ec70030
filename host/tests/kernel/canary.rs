//! A collector that stops seeing events says so within two ticks, and one whose programs run never does.

use std::time::Duration;

use kerno::collector::{Collectors, Options};
use kerno_signals::{CollectorReport, CollectorStatus, Coverage};

use crate::guest::{NullBlk, sleep};

/// What a collector says of a window in which `fault` happens to it, with `work` in every second.
pub fn report(name: &str, options: &Options, fault: impl FnOnce(&mut Collectors), mut work: impl FnMut()) -> CollectorReport {
    let mut collectors = Collectors::start(options);
    collectors.tick();
    work();
    fault(&mut collectors);
    for _ in 0..3 {
        sleep(300);
        collectors.tick();
        work();
    }
    collectors.finish().reports.into_iter().find(|report| report.name == name).unwrap()
}

/// Each way in which a collector can go blind is named; nothing is named when nothing happens.
pub fn is_proved(name: &'static str, hook: &str, mut work: impl FnMut()) {
    let fine = report(name, &Options::default(), |_| {}, &mut work);
    assert_eq!((fine.status, &fine.reason, fine.blind_ratio), (CollectorStatus::Running, &None, 0.0), "{fine:?}");
    let detached = report(name, &Options::default(), |collectors| collectors.detach(name), &mut work);
    let silenced = report(name, &Options { silence: Some(name), ..Options::default() }, |_| {}, &mut work);
    for blind in [detached, silenced] {
        println!("measured: {name}: {}", blind.reason.as_deref().unwrap_or("nothing"));
        assert_eq!((blind.status, blind.coverage), (CollectorStatus::Degraded, Some(Coverage::Partial)), "{blind:?}");
        assert!(blind.blind_ratio >= 0.5, "{blind:?}");
        assert!(blind.reason.as_deref().is_some_and(|reason| reason.contains("blind") && reason.contains(hook)), "{blind:?}");
    }
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn syncs_that_are_not_seen_are_named() {
    is_proved("block", "fsync", || {});
}

/// Nothing of a disk's work is kerno's: what the kernel counted must have been seen.
#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn requests_that_are_not_seen_are_named() {
    let disk = NullBlk::new(Duration::from_micros(50), &[]);
    let mut file = disk.open();
    is_proved("block", "block_rq_complete", || (0..20).for_each(|page| file.write_page(page)));
}
