//! Bytes as a recording, in each of its forms, and as the snapshot inside: what is read is written again alike, and judged.

use kerno::report::{self, Report, Style};
use kerno_rules_sdk::testing::Window;
use kerno_signals::Snapshot;
use kerno_signals::recording::{Form, read, write};

/// Whether there is a snapshot in them.
pub fn run(bytes: &[u8]) -> bool {
    let recording = read(bytes);
    if let Err(error) = &recording {
        assert!(!error.to_string().is_empty() && !error.fix().is_empty());
    }
    // Behind a checksum few would be tried.
    let snapshots = [recording.ok(), Snapshot::from_postcard(bytes).ok()];
    let came_through = snapshots.iter().any(Option::is_some);
    for snapshot in snapshots.into_iter().flatten() {
        // The one that rules are tested with takes what a fixture can hold.
        if is_written_as_it_is_read(&snapshot) {
            is_judged(snapshot);
        }
    }
    came_through
}

/// Whether JSON can hold it.
fn is_written_as_it_is_read(snapshot: &Snapshot) -> bool {
    let packed = write(snapshot, Form::Packed).expect("every snapshot can be packed");
    // Not compared as values: one that is no number is not equal to itself.
    let again = |bytes: &[u8]| write(&read(bytes).expect("it reads what it wrote"), Form::Packed).expect("it packs what it read");
    assert!(again(&packed) == packed, "packed, it is read as another one");
    let Ok(text) = write(snapshot, Form::Json) else { return false };
    assert!(again(&text) == packed, "as JSON, it is read as another one: {}", String::from_utf8_lossy(&text));
    true
}

/// By all that comes with kerno, as they are compiled here.
fn is_judged(snapshot: Snapshot) {
    let empty = Report::new(&snapshot, Vec::new());
    for text in [report::pretty(&empty, &Style::terminal(80, false)), report::json(&empty).expect("it can be written")] {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
    }
    let window = Window::of(snapshot);
    window.judge::<kerno_rule_cpu_throttling::CpuThrottling>().0.ok();
    window.judge::<kerno_rule_disk_io_bottleneck::DiskIoBottleneck>().0.ok();
    window.judge::<kerno_rule_fd_leak::FdLeak>().0.ok();
    window.judge::<kerno_rule_memory_pressure::MemoryPressure>().0.ok();
    window.judge::<kerno_rule_network_latency::NetworkLatency>().0.ok();
    window.judge::<kerno_rule_oom_imminent::OomImminent>().0.ok();
    window.judge::<kerno_rule_oom_kill::OomKill>().0.ok();
    window.judge::<kerno_rule_scheduler_contention::SchedulerContention>().0.ok();
    window.judge::<kerno_rule_syscall_error_rate::SyscallErrorRate>().0.ok();
    window.judge::<kerno_rule_syscall_latency::SyscallLatency>().0.ok();
    window.judge::<kerno_rule_tcp_retransmit_storm::TcpRetransmitStorm>().0.ok();
    window.judge::<kerno_rule_tcp_rtt_degradation::TcpRttDegradation>().0.ok();
}
