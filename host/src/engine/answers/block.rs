//! Answers about block requests and the fsync family.

use kerno_signals::{Operation, query};

use super::{cgroup, latency};
use crate::engine::bindings::kerno::rules::block;
use crate::engine::sandbox::State;

impl block::Host for State {
    fn devices(
        &mut self,
        operation: Option<block::Operation>,
        min_requests: u64,
        min_p99: f64,
        limit: u32,
    ) -> wasmtime::Result<Vec<block::DeviceLatency>> {
        let operation = operation.map(|operation| match operation {
            block::Operation::Read => Operation::Read,
            block::Operation::Write => Operation::Write,
            block::Operation::Flush => Operation::Flush,
            block::Operation::Discard => Operation::Discard,
            block::Operation::Other => Operation::Other,
        });
        let Some(block) = &self.window()?.families.block else { return Ok(Vec::new()) };
        Ok(query::devices(block, operation, min_requests, min_p99, limit).into_iter().map(device_latency).collect())
    }

    fn file_systems(&mut self, min_syncs: u64, min_p99: f64, limit: u32) -> wasmtime::Result<Option<Vec<block::FileSystemSync>>> {
        let Some(block) = &self.window()?.families.block else { return Ok(None) };
        Ok(query::file_systems(block, min_syncs, min_p99, limit)
            .map(|systems| systems.into_iter().map(file_system_sync).collect()))
    }

    fn callers(&mut self, major: u32, minor: u32, limit: u32) -> wasmtime::Result<Vec<block::CallerSync>> {
        let Some(block) = &self.window()?.families.block else { return Ok(Vec::new()) };
        Ok(query::callers(block, major, minor, limit).into_iter().map(caller_sync).collect())
    }
}

fn device_latency(view: query::DeviceLatencyView) -> block::DeviceLatency {
    let query::DeviceView { major, minor, name, mounts } = view.device;
    block::DeviceLatency {
        device: block::Device { major, minor, name, mounts },
        operation: match view.operation {
            query::OperationView::Read => block::Operation::Read,
            query::OperationView::Write => block::Operation::Write,
            query::OperationView::Flush => block::Operation::Flush,
            query::OperationView::Discard => block::Operation::Discard,
            query::OperationView::Other => block::Operation::Other,
        },
        latency: latency(view.latency),
        bytes: view.bytes,
        errors: view.errors,
        in_flight: view.in_flight,
        oldest_in_flight: view.oldest_in_flight,
    }
}

fn file_system_sync(view: query::FileSystemSync) -> block::FileSystemSync {
    let query::FileSystemView { major, minor, kind, mount, source, device, in_memory } = view.file_system;
    block::FileSystemSync {
        file_system: block::FileSystem { major, minor, kind, mount, source, device, in_memory },
        latency: latency(view.latency),
        errors: view.errors,
        in_flight: view.in_flight,
        oldest_in_flight: view.oldest_in_flight,
        callers: view.callers,
    }
}

fn caller_sync(view: query::CallerSync) -> block::CallerSync {
    block::CallerSync {
        pid: view.pid,
        comm: view.comm,
        cgroup: cgroup(view.cgroup),
        latency: latency(view.latency),
        in_flight: view.in_flight,
        oldest_in_flight: view.oldest_in_flight,
        own: view.own,
    }
}
