//! By which calls the descriptors came, as far as calls were counted.

use kerno_rules_sdk::prelude::*;

/// Share of the growth that a kind must have been made in to explain it.
const EXPLAINS: f64 = 0.8;

/// What was made where the process is.
pub(crate) struct Route {
    /// `None`: calls of the whole host.
    pub group: Option<String>,
    /// Most first.
    pub made: Vec<DescriptorsMade>,
    /// The kind made about as often as descriptors were gained.
    pub likely: Option<DescriptorKind>,
}

/// `None` when calls were not counted.
pub(crate) fn of(signals: &Signals, process: &FdProcess) -> Option<Route> {
    let family = signals.family("syscall").filter(|family| family.coverage != Coverage::Fallback)?;
    signals.call_counts()?.returned.filter(|_| family.blind == 0.0)?;
    let made = signals.descriptors_made(process.cgroup.as_ref().map(|group| group.id));
    let gained = process.last.saturating_sub(process.first) as f64;
    // What is closed again is made far more often than descriptors are gained; what leaks, about as often.
    let likely = made.iter().rfind(|kind| kind.made as f64 >= EXPLAINS * gained).map(|kind| kind.kind);
    Some(Route { group: process.cgroup.as_ref().map(Cgroup::display_name), made, likely })
}

/// In the plural.
pub(crate) fn name(kind: DescriptorKind) -> &'static str {
    match kind {
        DescriptorKind::File => "files opened",
        DescriptorKind::Socket => "sockets made",
        DescriptorKind::Accepted => "connections accepted",
        DescriptorKind::Pipe => "ends of pipes",
        DescriptorKind::Copy => "copies made (dup)",
        DescriptorKind::Event => "eventfds",
        DescriptorKind::Memory => "memfds",
        DescriptorKind::Epoll => "epoll instances",
        DescriptorKind::Timer => "timerfds",
        DescriptorKind::Signal => "signalfds",
        DescriptorKind::Notify => "inotify or fanotify instances",
        DescriptorKind::Ring => "io_uring instances",
        DescriptorKind::Other => "descriptors of other kinds",
    }
}
