//! A second network namespace behind a wire whose delay and losses are known, and what is sent over it.

use std::{
    fs::File,
    io::{Read, Write},
    net::{IpAddr, SocketAddr, TcpListener, TcpStream},
    os::fd::AsRawFd,
    path::Path,
    process::Command,
    thread,
};

use kerno_signals::{Families, NetworkNamespace, Tcp};

use crate::guest::{Load, modprobe, sleep};

/// This side's addresses.
pub const NEAR: [&str; 2] = ["10.7.0.1", "fd07::1"];
/// The other side's.
pub const FAR: [&str; 2] = ["10.7.0.2", "fd07::2"];
/// Link-layer addresses of this side and the other.
const ETHERNET: [&str; 2] = ["02:00:00:00:07:01", "02:00:00:00:07:02"];

/// Runs a program of the guest by its full path: the shell would prefer its own.
pub fn run(program: &str, arguments: &str) -> String {
    let output = Command::new(program).args(arguments.split_whitespace()).output().unwrap();
    let text = |bytes: &[u8]| String::from_utf8_lossy(bytes).into_owned();
    assert!(output.status.success(), "{program} {arguments}: {}{}", text(&output.stdout), text(&output.stderr));
    text(&output.stdout)
}

fn ip(arguments: &str) -> String {
    run("/usr/sbin/ip", arguments)
}

/// The namespace `far`, with a process in it, and a wire to it.
pub struct Wire {
    process: Load,
}

impl Wire {
    /// Lays it. Every buffer is one segment, so that what netem drops is one; each side knows the other, so that no question for a
    /// neighbour is dropped.
    pub fn new() -> Self {
        modprobe("veth", &[]);
        modprobe("sch_netem", &[]);
        ip("netns add far");
        let [near, far] = ETHERNET;
        ip(&format!("link add near0 address {near} type veth peer name far0 address {far} netns far"));
        for (side, device, addresses, others, ethernet) in [("", "near0", NEAR, FAR, far), ("-n far ", "far0", FAR, NEAR, near)] {
            ip(&format!("{side}addr add {}/24 dev {device}", addresses[0]));
            ip(&format!("{side}-6 addr add {}/64 dev {device} nodad", addresses[1]));
            ip(&format!("{side}link set {device} gso_max_segs 1 up"));
            for other in others {
                ip(&format!("{side}neigh replace {other} lladdr {ethernet} dev {device} nud permanent"));
            }
        }
        ip("-n far link set lo up");
        let process = Load::start("exec /usr/sbin/ip netns exec far sleep 100000", None);
        sleep(2_000);
        Self { process }
    }

    /// What every segment to the other side meets: `delay 30ms`, `loss 5%`.
    pub fn impair(&self, how: &str) {
        run("/usr/sbin/tc", &format!("qdisc replace dev near0 root netem limit 100000 {how}"));
    }

    /// The same for every segment from there.
    pub fn impair_back(&self, how: &str) {
        run("/usr/sbin/tc", &format!("-n far qdisc replace dev far0 root netem limit 100000 {how}"));
    }

    /// Packets that were dropped on the way there.
    pub fn dropped(&self) -> u64 {
        let text = run("/usr/sbin/tc", "-s qdisc show dev near0");
        let after = text.split("dropped ").nth(1).unwrap();
        after.split(',').next().unwrap().parse().unwrap()
    }

    /// Number of the namespace.
    pub fn number(&self) -> u32 {
        let link = std::fs::read_link(format!("/proc/{}/ns/net", self.process.pid())).unwrap();
        link.to_str().unwrap().trim_matches(|c: char| !c.is_ascii_digit()).parse().unwrap()
    }
}

/// Runs `work` on a thread inside the namespace `far`.
pub fn far<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> thread::JoinHandle<T> {
    thread::spawn(|| {
        enter(Path::new("/run/netns/far"));
        work()
    })
}

fn enter(namespace: &Path) {
    let file = File::open(namespace).unwrap();
    // SAFETY: a call with a descriptor and a flag.
    assert_eq!(unsafe { libc::setns(file.as_raw_fd(), libc::CLONE_NEWNET) }, 0);
}

/// Listens in the namespace `far`; the socket is used from anywhere.
pub fn far_listener(address: &str) -> TcpListener {
    let address: IpAddr = address.parse().unwrap();
    far(move || TcpListener::bind(SocketAddr::new(address, 0)).unwrap()).join().unwrap()
}

/// Answers every connection with as many bytes as it asks for, and closes before they have arrived.
pub fn serve(listener: TcpListener, connections: usize) -> thread::JoinHandle<()> {
    thread::spawn(move || {
        for _ in 0..connections {
            let (mut stream, _) = listener.accept().unwrap();
            let mut length = [0; 4];
            stream.read_exact(&mut length).unwrap();
            stream.write_all(&vec![7; u32::from_le_bytes(length) as usize]).unwrap();
        }
    })
}

/// Asks for `bytes` and reads them.
pub fn ask(to: SocketAddr, bytes: u32) {
    let mut stream = TcpStream::connect(to).unwrap();
    stream.write_all(&bytes.to_le_bytes()).unwrap();
    let mut answer = Vec::new();
    stream.read_to_end(&mut answer).unwrap();
    assert_eq!(answer.len(), bytes as usize);
}

/// Sends `bytes` to a peer that reads and closes.
pub fn send(listener: &TcpListener, bytes: usize) {
    let to = listener.local_addr().unwrap();
    let sender = thread::spawn(move || TcpStream::connect(to).unwrap().write_all(&vec![7; bytes]).unwrap());
    let (mut stream, _) = listener.accept().unwrap();
    let mut all = Vec::new();
    stream.read_to_end(&mut all).unwrap();
    sender.join().unwrap();
    assert_eq!(all.len(), bytes);
}

/// Sends `bytes` from one side of a connection to the other.
pub fn exchange(from: &mut TcpStream, to: &mut TcpStream, bytes: usize) {
    thread::scope(|scope| {
        scope.spawn(|| from.write_all(&vec![7; bytes]).unwrap());
        to.read_exact(&mut vec![0; bytes]).unwrap();
    });
}

pub fn tcp(families: &Families) -> &Tcp {
    families.tcp.as_ref().expect("the family tcp")
}

pub fn namespace(tcp: &Tcp, number: u32) -> &NetworkNamespace {
    tcp.namespaces.iter().find(|namespace| namespace.number == number).unwrap_or_else(|| panic!("{:?}", tcp.namespaces))
}

pub fn own(tcp: &Tcp) -> &NetworkNamespace {
    tcp.namespaces.iter().find(|namespace| namespace.own).unwrap()
}
