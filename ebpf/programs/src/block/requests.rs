//! Latency of block requests from issue to the driver to completion, per device and operation.
use aya_ebpf::{
    helpers::bpf_ktime_get_ns,
    macros::{btf_tracepoint, map},
    maps::{Array, HashMap, Queue},
    programs::BtfTracePointContext,
};
use kerno_ebpf::{
    kernel::{Request, shards},
    rows::{add_shared, count_shared, row_of},
};
use kerno_ebpf_common::block::{Counts, IN_FLIGHT, Issued, OTHER, REQUEST_ROWS, RequestKey, RequestTotals, device};

use super::this_cpu;

#[map]
static ISSUED: HashMap<u64, Issued> = HashMap::with_max_entries(IN_FLIGHT, 0);
#[map]
static REQUEST_ROW: HashMap<RequestKey, u32> = HashMap::with_max_entries(REQUEST_ROWS, 0);
#[map]
static REQUEST_FREE: Queue<u32> = Queue::with_max_entries(REQUEST_ROWS, 0);
#[map]
static REQUEST_HIST: Array<Counts> = Array::with_max_entries(REQUEST_ROWS, 0);
#[map]
static REQUEST_TOTALS: Array<RequestTotals> = Array::with_max_entries(REQUEST_ROWS, 0);

/// `block:block_rq_issue(struct request *rq)`: the request goes to the driver. Since 5.11 (a54895fa057c), and in stable kernels
/// from 5.10.137.
#[btf_tracepoint(function = "block_rq_issue")]
pub fn issue(ctx: BtfTracePointContext) -> i32 {
    issued(Request::new(ctx.arg(0)));
    0
}

/// `block:block_rq_issue(struct request_queue *q, struct request *rq)`: the form before that commit.
#[btf_tracepoint(function = "block_rq_issue")]
pub fn issue_queue(ctx: BtfTracePointContext) -> i32 {
    issued(Request::new(ctx.arg(1)));
    0
}

/// `block:block_rq_requeue(struct request *rq)`: the driver gave the request back, it will be issued again. Arguments changed
/// with those of `block_rq_issue`.
#[btf_tracepoint(function = "block_rq_requeue")]
pub fn requeue(ctx: BtfTracePointContext) -> i32 {
    requeued(Request::new(ctx.arg(0)));
    0
}

/// `block:block_rq_requeue(struct request_queue *q, struct request *rq)`: the form before that commit.
#[btf_tracepoint(function = "block_rq_requeue")]
pub fn requeue_queue(ctx: BtfTracePointContext) -> i32 {
    requeued(Request::new(ctx.arg(1)));
    0
}

/// `block:block_rq_complete(struct request *rq, blk_status_t error, unsigned int nr_bytes)`: bytes of the request are done. The
/// error was an `int` before 5.16 (8a7d267b4a2c); zero is success in both. A request whose bytes do not all complete at once
/// passes here several times, with `__data_len` not yet reduced; only the last time ends it.
#[btf_tracepoint(function = "block_rq_complete")]
pub fn complete(ctx: BtfTracePointContext) -> i32 {
    completed(Request::new(ctx.arg(0)), ctx.arg::<u32>(1), ctx.arg::<u32>(2));
    0
}

#[inline(always)]
fn issued(request: Request) {
    let Some((_, counters)) = this_cpu() else { return };
    counters.issued += 1;
    let address = request.address();
    if let Some(known) = ISSUED.get_ptr_mut(address) {
        // SAFETY: a request is issued on one CPU at a time.
        let known = unsafe { &mut *known };
        if known.requeued != 0 {
            known.requeued = 0;
            return;
        }
        counters.completion_missed += 1;
    }
    let (major, minor) = request.disk();
    // SAFETY: a helper without arguments.
    let at = unsafe { bpf_ktime_get_ns() };
    let key = RequestKey { device: device(major, minor), operation: request.operation() };
    if ISSUED.insert(address, Issued { at, bytes: request.bytes(), key, requeued: 0 }, 0).is_err() {
        counters.in_flight_full += 1;
    }
}

#[inline(always)]
fn requeued(request: Request) {
    if let Some(known) = ISSUED.get_ptr_mut(request.address()) {
        // SAFETY: a request is requeued on one CPU at a time.
        unsafe { (*known).requeued = 1 };
    }
}

#[inline(always)]
fn completed(request: Request, error: u32, bytes: u32) {
    if bytes < request.bytes() {
        return;
    }
    let address = request.address();
    // Issued before the programs were attached, or the data request that a flush sequence completes a second time.
    let Some(known) = ISSUED.get_ptr(address) else { return };
    // SAFETY: the entry is removed below only, and the request completes once.
    let known = unsafe { *known };
    let _ = ISSUED.remove(address);
    let Some((id, counters)) = this_cpu() else { return };
    // SAFETY: a helper without arguments.
    let latency = unsafe { bpf_ktime_get_ns() } - known.at;
    counters.completed += 1;
    let row = match row_of(&REQUEST_ROW, &REQUEST_FREE, known.key) {
        Some((row, _)) => row,
        None => {
            counters.requests_without_row += 1;
            OTHER
        }
    };
    if let Some(totals) = REQUEST_TOTALS.get_ptr_mut(id * REQUEST_ROWS + row) {
        // SAFETY: only this CPU writes this entry. A completion in a hard interrupt may come between: sums are added atomically, the
        // maximum is at worst the smaller of two that ended within microseconds.
        unsafe {
            add_shared(&raw mut (*totals).sum_ns, latency);
            add_shared(&raw mut (*totals).bytes, u64::from(known.bytes));
            if error != 0 {
                add_shared(&raw mut (*totals).errors, 1);
            }
            if latency > (*totals).max_ns {
                (*totals).max_ns = latency;
            }
        }
    }
    if let Some(counts) = REQUEST_HIST.get_ptr_mut((id & (shards() - 1)) * REQUEST_ROWS + row) {
        count_shared(counts, latency);
    }
}
