//! TCP without eBPF: the kernel's totals of every namespace that can be seen, and the connections that live at the window's end in
//! kerno's own. How connections began and ended is not known.

use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

use kerno_ebpf_common::tcp::Flow;
use kerno_signals::{CollectorReport, Families, Tcp, Traffic};

use super::book::{Book, CONNECTIONS};
use super::family::{Sent, family};
use super::namespaces::Namespaces;
use super::peers::Peers;
use super::{NAME, beyond, netlink};
use crate::collector::{Collector, Failure, Moment, report};
use crate::platform::{self, Root, net, net::diag::Socket};

/// Why TCP cannot be measured from files.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// Not even kerno's own totals.
    #[error("the kernel's TCP totals cannot be read")]
    Totals(#[source] platform::Error),
}

/// A running measurement.
pub struct TcpFallback {
    root: Root,
    namespaces: Namespaces,
    /// Connections at the start; `None` when the kernel does not list them.
    start: Option<Start>,
}

/// Accounts of connections by cookie: segments sent, retransmitted, with data.
#[derive(Debug, Default)]
struct Start {
    accounts: HashMap<u64, (u32, u32, u32)>,
    /// There were more than are kept.
    is_full: bool,
}

impl Start {
    fn note(&mut self, socket: &Socket) {
        if self.accounts.len() >= CONNECTIONS {
            self.is_full = true;
        } else {
            self.accounts.insert(socket.cookie, (socket.sent, socket.retransmitted, socket.data_sent));
        }
    }

    /// What a connection had; `None` when that is not known.
    fn of(&self, socket: &Socket) -> Option<(u32, u32, u32)> {
        match self.accounts.get(&socket.cookie) {
            Some(account) => Some(*account),
            // Where all are known, it was made since.
            None => (!self.is_full).then_some((0, 0, 0)),
        }
    }
}

impl TcpFallback {
    /// Takes the first reading.
    ///
    /// # Errors
    ///
    /// When not even the totals of kerno's own namespace can be read.
    pub fn start() -> Result<Self, Error> {
        let root = Root::default();
        net::totals(&root, std::process::id()).map_err(Error::Totals)?;
        let namespaces = Namespaces::begin(&root, &visible(&root));
        let mut start = Start::default();
        let listed = netlink::sockets(|socket| start.note(&socket));
        let listed = listed.inspect_err(|error| tracing::debug!(%error, "connections cannot be listed"));
        Ok(Self { root, namespaces, start: listed.is_ok().then_some(start) })
    }
}

impl TcpFallback {
    /// What was counted since the start.
    fn tell(&mut self, moment: &Moment<'_>, families: &mut Families) -> Result<CollectorReport, Failure> {
        let processes = visible(&self.root);
        let peers = Peers::read(&self.root, processes.iter(), self.namespaces.own);
        let (mut book, mut events) = (Book::default(), 0);
        let own = self.namespaces.own.unwrap_or(0);
        let listed = self.start.as_ref().is_some_and(|start| {
            let listed = netlink::sockets(|socket| {
                events += 1;
                match start.of(&socket) {
                    Some(account) => count(&mut book, own, &socket, account),
                    None => book.beyond += 1,
                }
            });
            listed.is_ok()
        });
        if !listed {
            (book, events) = (Book::default(), 0);
        }
        let (mut family, sent) = family(&book, &peers, moment.names);
        family.namespaces = self.namespaces.end(&self.root, &processes, &sent, moment.names);
        family.total = totals(&family, &sent);
        forget_connections(&mut family);
        families.tcp = Some(family);
        let files = "/proc/<pid>/net/{snmp,netstat}";
        let source = if listed { format!("{files} and sock_diag of kerno's own network namespace") } else { files.to_owned() };
        Ok(report::partial(report::fallback(NAME, events, source), beyond(book.beyond)))
    }
}

impl Collector for TcpFallback {
    /// Connections that were there at the start.
    fn events(&self) -> u64 {
        self.start.as_ref().map_or(0, |start| start.accounts.len()) as u64
    }

    fn so_far(&mut self, moment: &Moment<'_>, families: &mut Families) -> Option<Result<CollectorReport, Failure>> {
        Some(self.tell(moment, families))
    }

    fn finish(mut self: Box<Self>, moment: &Moment<'_>, families: &mut Families) -> Result<CollectorReport, Failure> {
        self.tell(moment, families)
    }
}

/// Namespaces whose totals can be read; where no process's can be asked for, kerno's own.
fn visible(root: &Root) -> BTreeMap<u32, u32> {
    let mut found = net::namespaces(root);
    if found.is_empty() {
        found.insert(0, std::process::id());
    }
    found
}

/// Adds what a connection did since it had `start`.
fn count(book: &mut Book, namespace: u32, socket: &Socket, start: (u32, u32, u32)) {
    let remote = match socket.remote {
        IpAddr::V4(address) => address.to_ipv6_mapped(),
        IpAddr::V6(address) => address,
    };
    let mut words = [0; 4];
    words.iter_mut().zip(remote.octets().as_chunks::<4>().0).for_each(|(word, part)| *word = u32::from_ne_bytes(*part));
    let tally = book.tally(Flow { group: socket.cgroup.unwrap_or(0), remote: words, namespace, padding: 0 });
    let retransmitted = socket.retransmitted.wrapping_sub(start.1);
    tally.sent += u64::from(socket.sent.wrapping_sub(start.0).saturating_sub(retransmitted));
    tally.retransmitted += u64::from(retransmitted);
    let data_sent = socket.data_sent.wrapping_sub(start.2);
    if data_sent > 0 && socket.rtt_us > 0 {
        tally.rtt.add(u64::from(socket.rtt_us) * 1_000, u64::from(data_sent));
        let min_rtt = (socket.min_rtt_us != u32::MAX).then_some(u64::from(socket.min_rtt_us) * 1_000);
        tally.min_rtt_ns = tally.min_rtt_ns.into_iter().chain(min_rtt).min();
    }
}

/// The kernel's totals of all namespaces, in place of the sums over connections that still live.
fn totals(family: &Tcp, sent: &BTreeMap<u32, Sent>) -> Traffic {
    let all = || family.namespaces.iter().filter_map(|namespace| namespace.totals.as_ref());
    if all().next().is_none() {
        let sums = |of: fn(&Sent) -> u64| sent.values().map(of).sum();
        return Traffic { sent: sums(|one| one.sent), retransmitted: sums(|one| one.retransmitted), ..family.total.clone() };
    }
    Traffic {
        sent: all().map(|totals| totals.out_segments).sum(),
        retransmitted: all().map(|totals| totals.retransmitted).sum(),
        ..family.total.clone()
    }
}

/// Takes out what this source does not tell.
fn forget_connections(family: &mut Tcp) {
    let Tcp { total, classes, cgroups, flows, other_flows, .. } = family;
    let all = [total, other_flows].into_iter();
    let all = all.chain(classes.iter_mut().map(|class| &mut class.traffic));
    let all = all.chain(cgroups.iter_mut().map(|group| &mut group.traffic));
    all.chain(flows.iter_mut().map(|flow| &mut flow.traffic)).for_each(|traffic| traffic.connections = None);
}

#[cfg(test)]
mod tests {
    use super::*;
    use std::io::{Read, Write};
    use std::net::{TcpListener, TcpStream};

    #[test]
    fn of_more_connections_than_are_kept_none_counts_from_nothing() {
        let socket = |cookie| Socket {
            cookie,
            state: 1,
            remote: "10.0.0.9".parse().unwrap(),
            remote_port: 443,
            cgroup: None,
            sent: 90,
            retransmitted: 3,
            data_sent: 80,
            rtt_us: 0,
            min_rtt_us: 0,
        };
        let mut start = Start::default();
        let all = CONNECTIONS as u64;
        (0..all).for_each(|cookie| start.note(&socket(cookie)));
        assert_eq!((start.of(&socket(1)), start.of(&socket(all))), (Some((90, 3, 80)), Some((0, 0, 0))));
        (all..all + 9).for_each(|cookie| start.note(&socket(cookie)));
        assert_eq!((start.accounts.len(), start.of(&socket(1)), start.of(&socket(all))), (CONNECTIONS, Some((90, 3, 80)), None));
    }

    #[test]
    fn a_connection_that_lives_is_told_and_its_birth_is_not() {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let running = TcpFallback::start().unwrap();
        let mut client = TcpStream::connect(listener.local_addr().unwrap()).unwrap();
        let (mut server, _) = listener.accept().unwrap();
        for _ in 0..20 {
            client.write_all(b"ping").unwrap();
            server.read_exact(&mut [0; 4]).unwrap();
        }
        let mut families = Families::default();
        let moment = Moment { names: None, now_ns: 0 };
        let report = Box::new(running).finish(&moment, &mut families).unwrap();
        let family = families.tcp.unwrap();
        assert!(family.total.sent >= 20, "{:?}", family.total);
        assert_eq!(family.total.connections, None);
        if report.source.contains("sock_diag") {
            let flow = family.flows.iter().find(|flow| flow.remote.is_loopback()).unwrap();
            assert!(flow.traffic.sent >= 20 && flow.traffic.rtt.count >= 20, "{flow:?}");
            assert_eq!(flow.traffic.connections, None);
        }
    }
}
