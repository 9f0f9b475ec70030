//! Calls that hang, in a `/proc` made for it.

use super::*;
use std::fs;

use kerno_ebpf_common::syscall::{INTERRUPTIBLE, UNINTERRUPTIBLE};

struct Host(tempfile::TempDir);

impl Host {
    fn new() -> Self {
        Self(tempfile::tempdir().unwrap())
    }

    fn root(&self) -> Root {
        Root::new(self.0.path())
    }

    fn thread(&self, pid: u32, call: &str, state: char, wchan: &str, sleeps: u64) {
        let directory = self.0.path().join(format!("proc/{pid}/task/{pid}"));
        fs::create_dir_all(&directory).unwrap();
        let zeros = "0 ".repeat(18);
        let stat = format!("{pid} (p{pid}) {state} 1 1 1 0 -1 0 0 0 0 0 0 0 0 0 20 0 1 0 5 {zeros}0 0 0\n");
        fs::write(directory.join("stat"), stat).unwrap();
        fs::write(directory.join("syscall"), format!("{call} 0x0 0x0 0x0 0x0 0x0 0x7ffc12345678 0x7f5e00000001\n")).unwrap();
        fs::write(directory.join("wchan"), wchan).unwrap();
        fs::write(directory.join("status"), format!("voluntary_ctxt_switches:\t{sleeps}\n")).unwrap();
    }

    fn number(name: &str) -> u32 {
        (0..512).find(|row| names::name(*row) == Some(name)).unwrap()
    }

    fn call(name: &str) -> String {
        format!("{} 0x3", Self::number(name))
    }
}

fn moment(now_ns: u64) -> Moment<'static> {
    Moment { names: None, now_ns }
}

#[test]
fn a_sleep_that_lasts_from_look_to_look_is_told_with_the_age_that_is_known() {
    let host = Host::new();
    host.thread(4_000_001, &Host::call("fsync"), 'D', "jbd2_log_wait_commit", 5);
    host.thread(4_000_002, &Host::call("fsync"), 'D', "jbd2_log_wait_commit", 5);
    host.thread(4_000_003, &Host::call("futex"), 'S', "futex_wait_queue", 5);
    host.thread(4_000_004, &Host::call("vfork"), 'D', "kernel_clone", 5);
    let mut hung = Hung::default();
    hung.look(&host.root(), 1_000_000_000);
    assert_eq!(hung.count(), 2);
    // The second one woke and sleeps again in a call that looks the same.
    host.thread(4_000_002, &Host::call("fsync"), 'D', "jbd2_log_wait_commit", 6);
    hung.look(&host.root(), 31_000_000_000);
    let told = in_flight(&host.root(), &moment(31_000_000_000), &[], &hung);
    let [call] = told.as_slice() else { panic!("{told:?}") };
    assert_eq!((call.caller.pid, call.caller.comm.as_str(), call.name.as_str()), (4_000_001, "p4000001", "fsync"));
    assert_eq!((call.age_ns, call.at_least), (30_000_000_000, true));
    assert_eq!(call.sleeps_in.as_deref(), Some("jbd2_log_wait_commit"));
}

#[test]
fn of_many_threads_a_part_is_looked_at_and_who_woke_since_is_not_told() {
    let host = Host::new();
    for pid in 0..50 {
        host.thread(4_000_000 + pid, &Host::call("fsync"), 'D', "jbd2_log_wait_commit", 5);
    }
    fs::write(host.0.path().join("proc/loadavg"), "0.1 0.1 0.1 1/50 7\n").unwrap();
    let mut hung = Hung::default();
    hung.look_on(&host.root(), 1_000_000_000, 40);
    assert_eq!((hung.count(), hung.left_out(&host.root())), (20, Some((50, 50))));
    (0..2).for_each(|_| hung.look_on(&host.root(), 2_000_000_000, 40));
    assert_eq!((hung.count(), hung.left_out(&host.root())), (50, Some((50, 50))), "a whole walk");
    hung.look_on(&host.root(), 31_000_000_000, 40);
    assert_eq!(hung.left_out(&host.root()), Some((30, 50)));
    // Half of them wake up; the last look did not come to all of these.
    (0..25).for_each(|pid| host.thread(4_000_000 + pid, &Host::call("fsync"), 'D', "jbd2_log_wait_commit", 6));
    hung.check(&host.root(), 31_000_000_000, 50);
    let told = in_flight(&host.root(), &moment(31_000_000_000), &[], &hung);
    assert_eq!((told.len(), told.iter().map(|call| call.caller.pid).min()), (25, Some(4_000_025)));
    hung.check(&host.root(), 31_000_000_000, 7);
    assert_eq!(hung.count(), 7);
}

#[test]
fn an_interruptible_sleep_counts_only_while_a_file_systems_server_is_waited_for() {
    let host = Host::new();
    host.thread(4_000_001, &Host::call("read"), 'S', "request_wait_answer", 1);
    host.thread(4_000_002, &Host::call("read"), 'S', "pipe_read", 1);
    host.thread(4_000_003, &Host::call("openat"), 'S', "wait_for_partner", 1);
    host.thread(4_000_004, &Host::call("connect"), 'S', "request_wait_answer", 1);
    let mut hung = Hung::default();
    hung.look(&host.root(), 1);
    host.thread(4_000_005, &Host::call("read"), 'S', "0", 1);
    fs::create_dir(host.0.path().join("proc/4000005/fdinfo")).unwrap();
    fs::write(host.0.path().join("proc/4000005/fdinfo/3"), "mnt_id:\t29\n").unwrap();
    fs::write(host.0.path().join("proc/4000005/mountinfo"), "29 1 0:41 / /mnt rw - 9p share rw\n").unwrap();
    let mut untold = Hung::default();
    untold.look(&host.root(), 1);
    assert_eq!(untold.count(), 2, "a kernel that names no function names the file system");
    assert_eq!(hung.seen.keys().copied().collect::<Vec<_>>(), [(4_000_001, 4_000_001)]);
}

fn saved(name: &str, how: u32, pid: u32) -> SavedCall {
    SavedCall {
        entered: 1_000_000_000,
        left: 2_000_000_000,
        uninterruptible: 300_000_000,
        interruptible: 400_000_000,
        waiting: 0,
        call: Host::number(name) + FIRST,
        how,
        tid: pid,
        tgid: pid,
    }
}

#[test]
fn a_saved_call_counts_its_sleep_so_far_and_only_while_it_is_still_made() {
    let host = Host::new();
    host.thread(4_000_001, &Host::call("write"), 'D', "io_schedule", 1);
    host.thread(4_000_002, &Host::call("futex"), 'S', "futex_wait_queue", 1);
    host.thread(4_000_003, &Host::call("read"), 'S', "pipe_read", 1);
    host.thread(4_000_004, &Host::call("unlink"), 'S', "request_wait_answer", 1);
    let saved = [
        saved("write", UNINTERRUPTIBLE, 4_000_001),
        saved("write", UNINTERRUPTIBLE, 4_000_002),
        saved("read", INTERRUPTIBLE, 4_000_003),
        saved("unlink", INTERRUPTIBLE, 4_000_004),
        saved("write", UNINTERRUPTIBLE, 4_000_005),
    ];
    let told = in_flight(&host.root(), &moment(12_000_000_000), &saved, &Hung::default());
    let told: Vec<_> = told.iter().map(|call| (call.tid, call.name.as_str(), call.age_ns, call.judged_ns)).collect();
    assert_eq!(
        told,
        [
            (4_000_004, "unlink", 11_000_000_000, 10_700_000_000),
            (4_000_001, "write", 11_000_000_000, 10_300_000_000),
            (4_000_003, "read", 11_000_000_000, 300_000_000),
        ]
    );
}

#[test]
fn calls_of_32_bit_programs_are_not_named_by_our_table() {
    let host = Host::new();
    host.thread(4_000_001, "3 0x3", 'D', "io_schedule", 1);
    let file = host.0.path().join("proc/4000001/task/4000001/syscall");
    fs::write(file, "3 0x3 0x0 0x0 0x0 0x0 0x0 0xff812340 0xf7f00001\n").unwrap();
    let mut hung = Hung::default();
    hung.look(&host.root(), 1);
    let told = in_flight(&host.root(), &moment(10_000_000), &[], &hung);
    assert_eq!(told[0].name, "32-bit");
}
