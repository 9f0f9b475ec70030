//! Processes that families name by number are told by their names, also when they have ended.

use std::fs::File;

use kerno::collector::{Collectors, Options};

use crate::{child::Child, guest::sleep};

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn a_process_that_has_ended_is_told_with_its_command_line() {
    let mut collectors = Collectors::start(&Options::default());
    collectors.tick();
    let file = File::create("/tmp/synced").unwrap();
    let child = Child::start("short-lived", move || {
        file.sync_all().unwrap();
        sleep(600);
    });
    let pid = child.pid();
    sleep(300);
    collectors.tick();
    child.wait();
    let collected = collectors.finish();
    assert!(collected.families.pids().contains(&pid), "{:?}", collected.families.block);
    let told = collected.processes.iter().find(|process| process.pid == pid);
    let told = told.unwrap_or_else(|| panic!("{:?}", collected.processes));
    assert!(told.ended && told.start_ns > 0, "{told:?}");
    let own = std::env::args().collect::<Vec<_>>().join(" ");
    assert_eq!(told.command_line, own);
    let living = collected.processes.iter().filter(|process| !process.ended);
    assert!(living.clone().all(|process| std::path::Path::new(&format!("/proc/{}", process.pid)).exists()));
}
