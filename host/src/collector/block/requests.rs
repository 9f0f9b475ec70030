//! Attaching and draining the request programs.

use kerno_ebpf_common::block::{Counters, Counts, Issued, REQUEST_ROWS, RequestKey, RequestTotals};
use kerno_signals::DeviceLatency;

use super::{
    BlockCollector, StartError,
    decode::{self, Requests},
    in_flight, syncs,
};
use crate::{
    collector::{
        context::Context,
        fields,
        loader::{LoadError, Object},
    },
    platform::{block_device, mounts},
};

/// Globals of the request programs.
pub fn globals(context: &Context) -> Result<Vec<(&'static str, u32)>, StartError> {
    let mut globals = context.globals(fields::REQUEST)?;
    match context.globals(fields::DISK_OF_QUEUE) {
        Ok(way) => globals.extend(way.into_iter().chain([("DISK_OF_QUEUE", 1)])),
        Err(_) => globals.extend(context.globals(fields::DISK_OF_REQUEST)?),
    }
    Ok(globals)
}

/// Attaches them. Completions first, so that no issue is seen whose completion is not.
pub fn attach(context: &Context, object: &mut Object) -> Result<(), StartError> {
    let kernel = &context.kernel;
    object.attach_tracepoint(kernel, "complete", "block_rq_complete")?;
    let form = |tracepoint, with_queue, without| match context.btf.tracepoint_arguments(tracepoint) {
        Some(1) => Ok(without),
        Some(_) => Ok(with_queue),
        None => Err(StartError::NoTracepoint(tracepoint)),
    };
    object.attach_tracepoint(kernel, form("block_rq_requeue", "requeue_queue", "requeue")?, "block_rq_requeue")?;
    object.attach_tracepoint(kernel, form("block_rq_issue", "issue_queue", "issue")?, "block_rq_issue")?;
    Ok(())
}

/// Whether it is one of their programs.
pub fn is_program(program: &str) -> bool {
    !syncs::is_program(program)
}

/// Latency of every device and operation. `now` is the window's end.
pub fn drain(collector: &BlockCollector, counters: &Counters, now: u64) -> Result<Vec<DeviceLatency>, LoadError> {
    let object = &collector.object;
    let known = object.entries::<RequestKey, u32>("REQUEST_ROW")?;
    let used = 0..known.iter().map(|(_, row)| row + 1).max().unwrap_or(0);
    let mut sums = vec![Requests::default(); used.end as usize];
    let (shards, cpus) = ((collector.shards, REQUEST_ROWS), (collector.cpus, REQUEST_ROWS));
    object.copies("REQUEST_HIST", shards, used.clone(), |row, counts: &Counts| sums[row].add_counts(counts))?;
    object.copies("REQUEST_TOTALS", cpus, used, |row, totals: &RequestTotals| sums[row].add_totals(totals))?;
    let rows = known.into_iter().map(|(key, row)| (key, std::mem::take(&mut sums[row as usize]))).collect();
    let issued = object.entries::<u64, Issued>("ISSUED")?;
    let certain = counters.completion_missed == 0 && object.missed_by(|program| program == "complete") == Some(0);
    let in_flight = if certain && !issued.is_empty() {
        std::thread::sleep(in_flight::SETTLE);
        in_flight::lasting(issued, &object.entries("ISSUED")?)
    } else {
        in_flight::counted(&collector.root, &collector.operations, issued)
    };
    let host = mounts::of_host(&collector.root);
    let name = |number| block_device::device_among(&collector.root, number, &host);
    Ok(decode::devices(rows, &in_flight, &collector.operations, now, name))
}
