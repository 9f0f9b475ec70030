//! TCP connections. Hook: `tp_btf/inet_sock_set_state`; iterators `task_file` and `task` at the window's ends; kernels from 5.9
//! (`bpf_skc_to_tcp_sock`) with BTF.
//!
//! How control groups start is told beside it (`starts`), as half of that is about sockets.
//!
//! The iterators see the sockets of every network namespace without entering one. A connection that ends in the window tells its
//! last counters itself, so that what it sent after its process closed it is counted too.

mod book;
mod canary;
pub mod fallback;
mod family;
mod living;
mod namespaces;
mod netlink;
mod older;
mod peers;
mod records;
mod starts;
mod tally;

use std::collections::HashSet;

use kerno_ebpf_common::tcp::{Connection, Counters, Flow, Life, ORPHANS, OWN, Sums};
use kerno_signals::{CollectorReport, Families, OwnTraffic};

use super::{
    Collector, Failure, Moment, Proof,
    context::{Context, StartError},
    fields,
    load_error::Explained,
    loader::{LoadError, Object},
    report::{self, Counted},
};
use crate::{
    artifacts,
    platform::{
        Root,
        clock::{Clock, SystemClock},
        net,
    },
};
use book::Book;
use canary::Canary;
use living::Living;
use namespaces::Namespaces;
use peers::Peers;
use starts::Starts;

/// The collector's name everywhere.
pub const NAME: &str = "tcp";

const PROGRAM: &str = "state_changed";

/// The running collector.
pub struct TcpCollector {
    root: Root,
    object: Object,
    cpus: u32,
    book: Book,
    namespaces: Namespaces,
    canary: Option<Canary>,
    /// Connects of the canary that had ended when the last one was made.
    sung_at: Option<u64>,
    starts: Starts,
}

impl TcpCollector {
    /// Loads and attaches the program, then walks over the connections there are.
    ///
    /// # Errors
    ///
    /// When this host does not allow it.
    pub fn start(context: &Context) -> Result<Self, StartError> {
        let bytes = artifacts::ebpf_object(NAME).ok_or(StartError::NotBuiltIn)?;
        let (kernel, root) = (&context.kernel, context.root.clone());
        let canary = Canary::new();
        let mut globals = globals(context)?;
        globals.push(("CANARY_PORT", canary.as_ref().map_or(0, |canary| u32::from(canary.port()))));
        let starts = Starts::prepare(context, &mut globals);
        let mut object = Object::open(kernel, NAME, bytes, &globals, &[("COUNTERS", context.cpus)])?;
        object.load_iterator(kernel, "sockets", "task_file")?;
        object.load_iterator(kernel, "orphans", "task")?;
        object.attach_tracepoint(kernel, PROGRAM, "inet_sock_set_state")?;
        let starts = starts.attach(context, &mut object);
        let processes = net::namespaces(&root);
        let namespaces = Namespaces::begin(&root, &processes);
        let peers = Peers::read(&root, processes.iter(), namespaces.own);
        let mut book = Book::begin(SystemClock.monotonic_ns(), peers);
        let mut note = |bytes: &[u8]| records::connections(bytes).for_each(|told| book.found(&told));
        object.walk_by("sockets", size_of::<Connection>(), &mut note)?;
        Ok(Self { root, object, cpus: context.cpus, book, namespaces, canary, sung_at: None, starts })
    }

    /// Walks over all connections that have a descriptor and tells how often one was found.
    ///
    /// # Errors
    ///
    /// When the kernel's iterator cannot be read.
    pub fn walk(&mut self) -> Result<usize, LoadError> {
        let mut found = 0;
        let mut count = |bytes: &[u8]| found += records::connections(bytes).count();
        self.object.walk_by("sockets", size_of::<Connection>(), &mut count)?;
        Ok(found)
    }

    fn counters(&self) -> Result<Counters, LoadError> {
        Ok(self.object.rows("COUNTERS", 0..self.cpus)?.into_iter().fold(Counters::default(), add))
    }

    /// What the ring holds now.
    fn drain(&mut self) -> Result<Vec<Connection>, LoadError> {
        Ok(self.object.ring("ENDED")?.iter().filter_map(|record| records::connection(record)).collect())
    }

    fn look_at_starts(&mut self) {
        if let Err(error) = self.starts.look(&mut self.object, self.canary.as_ref()) {
            tracing::debug!(%error, "connections that may have been answered were not looked at");
        }
    }

    /// Settles every connection that still lives, and what the kernel kept in sums. Gives the events that the program missed, where
    /// that can be read.
    fn close(&mut self, now_ns: u64) -> Result<Option<u64>, LoadError> {
        for told in self.drain()? {
            self.book.event(told);
        }
        let mut living = Living::default();
        let mut note = |bytes: &[u8]| records::connections(bytes).for_each(|told| living.note(told, &self.book));
        self.object.walk_by("sockets", size_of::<Connection>(), &mut note)?;
        // What ends now is told singly while there is room.
        let mut ended = HashSet::new();
        self.settle_ended(&mut ended)?;
        let orphans = self.orphans(&living.seen)?;
        living.extend(orphans);
        let missed = self.object.missed_by(|program| !Starts::has(program));
        self.object.detach_program(PROGRAM);
        // What ended since the walk began has told its last counters itself.
        self.settle_ended(&mut ended)?;
        living.settle(&ended, &mut self.book, now_ns);
        let flows =
            self.object.entries::<Flow, Sums>("FLOWS")?.into_iter().map(|(flow, sums)| (Some(flow), flow.namespace, sums));
        let namespaces = self.object.entries::<u32, Sums>("NAMESPACES")?.into_iter().map(|(number, sums)| (None, number, sums));
        self.book.sums(&flows.chain(namespaces).collect::<Vec<_>>());
        Ok(missed)
    }

    /// Settles what has ended since the walk began.
    fn settle_ended(&mut self, ended: &mut HashSet<(u64, u64)>) -> Result<(), LoadError> {
        for told in self.drain()? {
            ended.insert((told.socket, told.since));
            self.book.event(told);
        }
        Ok(())
    }

    /// Connections that live without a descriptor: closed by their process but not by the other side, not yet accepted, or the
    /// kernel's own.
    fn orphans(&mut self, seen: &HashSet<u64>) -> Result<Vec<Connection>, LoadError> {
        let born = self.object.entries::<u64, Life>("LIVE")?;
        let mut missing: Vec<u64> = born
            .into_iter()
            .filter(|(socket, life)| life.birth != OWN && !seen.contains(socket))
            .map(|(socket, _)| socket)
            .collect();
        missing.extend(self.book.missing(seen));
        missing.sort_unstable();
        missing.dedup();
        let mut found = Vec::new();
        for part in missing.chunks(ORPHANS as usize - 1) {
            for (index, socket) in (0..).zip(part.iter().chain(&[0])) {
                self.object.set("ORPHANS", index, *socket)?;
            }
            self.object.set("ORPHANS_TOLD", 0, 0_u32)?;
            let mut told = 0;
            while told < part.len() {
                // A walk tells one at every task.
                let walk = self.object.walk("orphans")?;
                // A socket that has ended meanwhile may be nothing any more.
                let living = |told: &Connection| (1..=11).contains(&told.state) && !matches!(told.state, 6 | 7 | 10);
                found.extend(records::connections(&walk).filter(living));
                let so_far = self.object.get::<u32>("ORPHANS_TOLD", 0)? as usize;
                if so_far == told {
                    tracing::debug!(left = part.len() - told, "a walk over orphans told none");
                    break;
                }
                told = so_far;
            }
        }
        Ok(found)
    }
}

impl Collector for TcpCollector {
    /// Changes of TCP sockets' states so far, those that begin or end a connection.
    fn events(&self) -> u64 {
        self.counters().map_or(0, |counters| counters.changes)
    }

    fn tick(&mut self, _moment: &Moment<'_>) {
        match self.drain() {
            Ok(ended) => ended.into_iter().for_each(|told| self.book.event(told)),
            Err(error) => tracing::debug!(%error, "connections that ended stay in the ring"),
        }
        self.look_at_starts();
    }

    fn prove(&mut self) -> Proof {
        let (Some(canary), Ok(counters)) = (&self.canary, self.counters()) else { return Proof::Pending };
        let proof = match self.sung_at {
            None => Proof::Pending,
            Some(before) if counters.own > before => Proof::Alive,
            Some(_) => Proof::Blind(format!("{PROGRAM} did not see kerno's own connect to a closed port of loopback end")),
        };
        self.sung_at = canary.sing().then_some(counters.own);
        proof
    }

    fn finish(mut self: Box<Self>, moment: &Moment<'_>, families: &mut Families) -> Result<CollectorReport, Failure> {
        self.look_at_starts();
        match self.starts.told(&self.object, moment) {
            Ok(start) => families.start = Some(start),
            Err(reason) => families.no_start = Some(reason),
        }
        let missed = self.close(moment.now_ns)?;
        let counters = self.counters()?;
        let processes = net::namespaces(&self.root);
        let peers = Peers::read(&self.root, processes.iter(), self.namespaces.own);
        let (mut family, mut sent) = family::family(&self.book, &peers, moment.names);
        let own_first = counters.own_sent - counters.own_retransmitted.min(counters.own_sent);
        if let Some(own) = self.namespaces.own {
            let sums = sent.entry(own).or_default();
            sums.sent += own_first;
            sums.retransmitted += counters.own_retransmitted;
        }
        family.own = OwnTraffic { connects: counters.own, sent: own_first, retransmitted: counters.own_retransmitted };
        family.namespaces = self.namespaces.end(&self.root, &processes, &sent, moment.names);
        families.tcp = Some(family);
        let lost = counters.lost + self.book.lost;
        tracing::debug!(lost, ?missed, live_full = counters.live_full, "connections that the tcp collector could not keep");
        let report = report::running(NAME, &[Counted { what: "changes of connections", events: counters.changes, lost, missed }]);
        Ok(report::partial(report::partial(report, beyond(self.book.beyond)), untold(self.book.untold)))
    }

    fn detach(&mut self) {
        self.object.detach_program(PROGRAM);
    }
}

/// Why the segments of some are not told.
fn untold(connections: u64) -> Option<Explained> {
    (connections > 0).then(|| Explained {
        reason: format!(
            "more connections ended at once than can be told singly: of {connections} it is not known what they sent in the window"
        ),
        fix: "look at the totals of each network namespace, which are the kernel's own and whole".to_owned(),
    })
}

/// Why some connections are not told.
fn beyond(connections: u64) -> Option<Explained> {
    (connections > 0).then(|| Explained {
        reason: format!(
            "more than the {} connections that are kept are open: of up to {connections} it is not told what they sent",
            book::CONNECTIONS
        ),
        fix: "look at the totals of each network namespace, which are the kernel's own and whole; at connections with `ss -ti`"
            .to_owned(),
    })
}

fn globals(context: &Context) -> Result<Vec<(&'static str, u32)>, StartError> {
    let mut globals = context.common_globals(NAME);
    globals.extend(context.globals(fields::TCP)?);
    globals.extend(context.cgroup_globals()?);
    if !context.cgroup_v1 {
        globals.extend(context.globals(fields::SOCK_CGROUP).or_else(|_| context.globals(fields::SOCK_CGROUP_WORD))?);
    }
    // The value is the second half of a sample of `struct minmax`.
    let value = fields::Field { global: "TCP_MIN_RTT", structure: "minmax_sample", path: "v" };
    let inside = context.btf.offset(value.structure, value.path).ok_or(value)?;
    globals.iter_mut().filter(|(name, _)| *name == value.global).for_each(|(_, offset)| *offset += inside);
    let helper = context.btf.enum_value("bpf_func_id", "BPF_FUNC_sock_from_file").is_some();
    globals.push(("SOCK_FROM_FILE", u32::from(helper)));
    globals.push(("CURRENT_IS_TYPED", u32::from(context.btf.has_function("bpf_get_current_task_btf"))));
    Ok(globals)
}

fn add(a: Counters, b: Counters) -> Counters {
    Counters {
        changes: a.changes + b.changes,
        own: a.own + b.own,
        own_sent: a.own_sent + b.own_sent,
        own_retransmitted: a.own_retransmitted + b.own_retransmitted,
        live_full: a.live_full + b.live_full,
        lost: a.lost + b.lost,
    }
}
