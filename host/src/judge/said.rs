//! Both sides of the connection as functions of any bytes, for tests of what neither of them would ever send.

use serde_json::Value;

use super::shown;
use super::wire::{LONGEST_REQUEST, Reply, Request, longest_reply, receive, receive_bytes, send, send_bytes};
use crate::engine::{Described, Limits};

/// What the process that judges takes of these bytes, as it is sent.
#[doc(hidden)]
#[must_use]
pub fn requests_of(mut bytes: &[u8]) -> Vec<u8> {
    let mut taken = Vec::new();
    while let Ok(Some(request)) = receive::<Request>(&mut bytes, LONGEST_REQUEST) {
        // Neither can fail: it is memory that is written.
        let _ = send(&mut taken, &request);
        if matches!(request, Request::Snapshot) {
            let Ok(Some(snapshot)) = receive_bytes(&mut bytes, LONGEST_REQUEST) else { break };
            let _ = send_bytes(&mut taken, &snapshot);
        }
    }
    taken
}

/// What kerno takes of these bytes, as it is sent; and what it makes of them for people.
#[doc(hidden)]
#[must_use]
pub fn replies_of(mut bytes: &[u8], limits: &Limits) -> (Vec<u8>, Vec<Value>) {
    let (mut taken, mut told, mut rule) = (Vec::new(), Vec::new(), None);
    while let Ok(Some(reply)) = receive::<Reply>(&mut bytes, longest_reply(limits)) {
        let _ = send(&mut taken, &reply);
        let shown = match reply {
            // Its bundle is the one that it was sent with.
            Reply::Added(described) => {
                serde_json::to_value(rule.insert(Described { bundle: None, ..shown::described(described) }))
            }
            Reply::Report(report, _) => match &rule {
                Some(rule) => serde_json::to_value(shown::report(report, rule, limits)),
                None => continue,
            },
            Reply::Bench(bench) => serde_json::to_value(shown::bench(bench)),
            Reply::Component(Err(error)) => serde_json::to_value(shown::no_component(error)),
            Reply::Begun(_) | Reply::Taken(_) | Reply::Component(Ok(_)) | Reply::Compiled(_) => continue,
        };
        told.extend(shown);
    }
    (taken, told)
}
