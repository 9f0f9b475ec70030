//! Answers about TCP connections.

use kerno_signals::{NamespaceTotals, NetworkProcess, PeerClass, query};

use super::{cgroup, latency};
use crate::engine::bindings::kerno::rules::tcp;
use crate::engine::sandbox::State;

impl tcp::Host for State {
    fn total(&mut self) -> wasmtime::Result<Option<tcp::Traffic>> {
        Ok(self.window()?.families.tcp.as_ref().map(|tcp| traffic(query::tcp::total(tcp))))
    }

    fn all_segments(&mut self) -> wasmtime::Result<Option<tcp::Segments>> {
        Ok(self.window()?.families.tcp.as_ref().map(|tcp| segments(query::tcp::all_segments(tcp))))
    }

    fn classes(&mut self) -> wasmtime::Result<Vec<tcp::ClassTraffic>> {
        let Some(tcp) = &self.window()?.families.tcp else { return Ok(Vec::new()) };
        let classes = query::tcp::classes(tcp).into_iter();
        Ok(classes.map(|of| tcp::ClassTraffic { class: class(of.class), traffic: traffic(of.traffic) }).collect())
    }

    fn cgroups(&mut self, min_sent: u64, min_ratio: f64, limit: u32) -> wasmtime::Result<Vec<tcp::CgroupSegments>> {
        let Some(tcp) = &self.window()?.families.tcp else { return Ok(Vec::new()) };
        let groups = query::tcp::cgroups(tcp, min_sent, min_ratio, limit).into_iter();
        Ok(groups.map(|of| tcp::CgroupSegments { cgroup: of.cgroup.map(cgroup), segments: segments(of.segments) }).collect())
    }

    fn connecting(&mut self, min_begun: u64, limit: u32) -> wasmtime::Result<Vec<tcp::CgroupTraffic>> {
        let Some(tcp) = &self.window()?.families.tcp else { return Ok(Vec::new()) };
        let groups = query::tcp::connecting(tcp, min_begun, limit).into_iter();
        Ok(groups.map(|of| tcp::CgroupTraffic { cgroup: of.cgroup.map(cgroup), traffic: traffic(of.traffic) }).collect())
    }

    fn lossy_destinations(&mut self, min_sent: u64, min_ratio: f64, limit: u32) -> wasmtime::Result<Vec<tcp::Destination>> {
        let Some(tcp) = &self.window()?.families.tcp else { return Ok(Vec::new()) };
        let lossy = query::tcp::lossy_destinations(tcp, min_sent, min_ratio, limit).into_iter();
        Ok(lossy.map(destination).collect())
    }

    fn slow_destinations(
        &mut self,
        kind: tcp::LatencyKind,
        classes: Vec<tcp::PeerClass>,
        quantile: f64,
        min_samples: u64,
        min_seconds: f64,
        limit: u32,
    ) -> wasmtime::Result<Vec<tcp::DestinationTraffic>> {
        let Some(tcp) = &self.window()?.families.tcp else { return Ok(Vec::new()) };
        let kind = match kind {
            tcp::LatencyKind::RoundTrip => query::tcp::LatencyKind::RoundTrip,
            tcp::LatencyKind::Handshake => query::tcp::LatencyKind::Handshake,
        };
        let classes = asked(&classes);
        let slow = query::tcp::slow_destinations(tcp, kind, &classes, quantile, min_samples, min_seconds, limit).into_iter();
        Ok(slow.map(destination_traffic).collect())
    }

    fn unanswering_destinations(&mut self, min_connects: u64, limit: u32) -> wasmtime::Result<Vec<tcp::DestinationTraffic>> {
        let Some(tcp) = &self.window()?.families.tcp else { return Ok(Vec::new()) };
        let found = query::tcp::unanswering_destinations(tcp, min_connects, limit).into_iter();
        Ok(found.map(destination_traffic).collect())
    }

    fn other(&mut self) -> wasmtime::Result<Option<tcp::Traffic>> {
        Ok(self.window()?.families.tcp.as_ref().map(|tcp| traffic(query::tcp::other(tcp))))
    }

    fn flows(&mut self, remote: String, namespace: Option<u32>, limit: u32) -> wasmtime::Result<Vec<tcp::Flow>> {
        let Some(tcp) = &self.window()?.families.tcp else { return Ok(Vec::new()) };
        Ok(query::tcp::flows(tcp, &remote, namespace, limit).into_iter().map(flow).collect())
    }

    fn own_namespace(&mut self) -> wasmtime::Result<Option<u32>> {
        Ok(self.window()?.families.tcp.as_ref().and_then(query::tcp::own_namespace))
    }

    fn namespaces(&mut self, min_retransmitted: u64, limit: u32) -> wasmtime::Result<Vec<tcp::NetworkNamespace>> {
        let Some(tcp) = &self.window()?.families.tcp else { return Ok(Vec::new()) };
        Ok(query::tcp::namespaces(tcp, min_retransmitted, limit).into_iter().map(namespace).collect())
    }

    fn full_accept_queues(&mut self, limit: u32) -> wasmtime::Result<Vec<tcp::NetworkNamespace>> {
        let Some(tcp) = &self.window()?.families.tcp else { return Ok(Vec::new()) };
        Ok(query::tcp::full_accept_queues(tcp, limit).into_iter().map(namespace).collect())
    }
}

fn asked(classes: &[tcp::PeerClass]) -> Vec<PeerClass> {
    let recorded = |class: &tcp::PeerClass| match class {
        tcp::PeerClass::NodeLocal => PeerClass::NodeLocal,
        tcp::PeerClass::Cluster => PeerClass::Cluster,
        tcp::PeerClass::Private => PeerClass::Private,
        tcp::PeerClass::Public => PeerClass::Public,
    };
    classes.iter().map(recorded).collect()
}

fn class(view: query::tcp::PeerClassView) -> tcp::PeerClass {
    use query::tcp::PeerClassView as View;
    match view {
        View::NodeLocal => tcp::PeerClass::NodeLocal,
        View::Cluster => tcp::PeerClass::Cluster,
        View::Private => tcp::PeerClass::Private,
        View::Public => tcp::PeerClass::Public,
    }
}

fn traffic(view: query::tcp::TrafficView) -> tcp::Traffic {
    let query::tcp::TrafficView { connections: ends, sent, retransmitted, rtt, min_rtt } = view;
    tcp::Traffic { connections: ends.map(connections), sent, retransmitted, rtt: latency(rtt), min_rtt }
}

fn connections(view: query::tcp::ConnectionsView) -> tcp::Connections {
    tcp::Connections {
        connected: view.connected,
        retried: view.retried,
        accepted: view.accepted,
        refused: view.refused,
        timed_out: view.timed_out,
        abandoned: view.abandoned,
        failed: view.failed,
        in_flight: view.in_flight,
        oldest_in_flight: view.oldest_in_flight,
        closed: view.closed,
        syn_retransmitted: view.syn_retransmitted,
        handshake: latency(view.handshake),
    }
}

fn segments(view: query::tcp::SegmentsView) -> tcp::Segments {
    let query::tcp::SegmentsView { sent, retransmitted, syn_retransmitted } = view;
    tcp::Segments { sent, retransmitted, syn_retransmitted }
}

fn destination(view: query::tcp::DestinationView) -> tcp::Destination {
    let query::tcp::DestinationView { remote, port, class: of, namespace, segments: all, flows } = view;
    tcp::Destination { remote, port, class: class(of), namespace, segments: segments(all), flows }
}

fn destination_traffic(view: query::tcp::DestinationTrafficView) -> tcp::DestinationTraffic {
    tcp::DestinationTraffic { destination: destination(view.destination), traffic: traffic(view.traffic) }
}

fn flow(view: query::tcp::FlowView) -> tcp::Flow {
    tcp::Flow {
        remote: view.remote,
        port: view.port,
        class: class(view.class),
        namespace: view.namespace,
        cgroup: view.cgroup.map(cgroup),
        process: view.process.map(process),
        segments: segments(view.segments),
    }
}

fn process(of: NetworkProcess) -> tcp::NetworkProcess {
    let NetworkProcess { pid, comm } = of;
    tcp::NetworkProcess { pid, comm }
}

fn namespace(view: query::tcp::NetworkNamespaceView) -> tcp::NetworkNamespace {
    let query::tcp::NetworkNamespaceView { number, own, process: one, cgroup: group, totals: all, sent, retransmitted } = view;
    let (one, group, all) = (one.map(process), group.map(cgroup), all.map(totals));
    tcp::NetworkNamespace { number, own, process: one, cgroup: group, totals: all, sent, retransmitted }
}

fn totals(of: NamespaceTotals) -> tcp::NamespaceTotals {
    tcp::NamespaceTotals {
        out_segments: of.out_segments,
        retransmitted: of.retransmitted,
        syn_retransmitted: of.syn_retransmitted,
        duplicates_reported: of.duplicates_reported,
        loss_probes: of.loss_probes,
        lost_retransmitted: of.lost_retransmitted,
        timeouts: of.timeouts,
        active_opens: of.active_opens,
        passive_opens: of.passive_opens,
        attempt_fails: of.attempt_fails,
        established_resets: of.established_resets,
        resets_sent: of.resets_sent,
        in_errors: of.in_errors,
        listen_overflows: of.listen_overflows,
        listen_drops: of.listen_drops,
        syn_queue_drops: of.syn_queue_drops,
        backlog_drops: of.backlog_drops,
    }
}
