//! What was sent again, and how much of it was lost: not SYNs, and not what the other side reported as duplicates.

use kerno_rules_sdk::prelude::*;

/// Network namespaces that are looked at, most sent again first.
const NAMESPACES: u32 = 256;

/// Segments of some connections.
#[derive(Clone, Copy, Default)]
pub(crate) struct Loss {
    pub sent: u64,
    /// Sent again, SYNs aside.
    pub again: u64,
    /// Of these, those not reported as needless.
    pub lost: f64,
}

impl Loss {
    pub fn ratio(&self) -> f64 {
        if self.sent == 0 { 0.0 } else { self.lost / self.sent as f64 }
    }

    /// The same without a part of it.
    pub fn without(self, part: Self) -> Self {
        Self {
            sent: self.sent.saturating_sub(part.sent),
            again: self.again.saturating_sub(part.again),
            lost: (self.lost - part.lost).max(0.0),
        }
    }
}

/// The window, and how well it was seen.
pub(crate) struct Seen<'a> {
    pub signals: &'a Signals,
    pub family: FamilyInfo,
    pub total: Segments,
    /// Too many events were lost to judge by what single connections did.
    pub is_lossy: bool,
    pub namespaces: Vec<NetworkNamespace>,
    pub own: Option<u32>,
    pub threshold: f64,
    pub min: u64,
}

impl<'a> Seen<'a> {
    pub fn read(signals: &'a Signals, family: FamilyInfo, total: Segments) -> Self {
        Self {
            signals,
            is_lossy: family.lost_share() > signals.parameter("max_lost"),
            family,
            total,
            namespaces: signals.network_namespaces(1, NAMESPACES),
            own: signals.own_namespace(),
            threshold: signals.parameter("retransmit_ratio"),
            min: (signals.parameter("min_segments") as u64).max(1),
        }
    }

    pub fn crosses(&self, loss: &Loss) -> bool {
        loss.sent >= self.min && loss.ratio() > self.threshold
    }

    /// Losses of connections, the share of needless ones being that of all namespaces, or of those of `flows`.
    pub fn of(&self, segments: &Segments, flows: &[Flow]) -> Loss {
        let is_theirs =
            |namespace: &&NetworkNamespace| flows.is_empty() || flows.iter().any(|flow| flow.namespace == namespace.number);
        let totals = || self.namespaces.iter().filter(is_theirs).filter_map(|namespace| namespace.totals.as_ref());
        let sum = |of: fn(&NamespaceTotals) -> u64| totals().map(of).fold(0, u64::saturating_add);
        let syns = sum(|totals| totals.syn_retransmitted);
        // Without an account of connections their SYNs are among them; that they are all of these is the least that can be said.
        let again = segments.retransmitted.saturating_sub(if segments.syn_retransmitted.is_none() { syns } else { 0 });
        let (all, needless) = (sum(data), sum(|totals| totals.duplicates_reported));
        Loss { sent: segments.sent, again, lost: again as f64 * genuine(all, needless) }
    }

    /// Losses of a namespace by the kernel's own count.
    pub fn of_namespace(namespace: &NetworkNamespace) -> Option<Loss> {
        let totals = namespace.totals.as_ref()?;
        let again = data(totals);
        let lost = again as f64 * genuine(again, totals.duplicates_reported);
        Some(Loss { sent: totals.out_segments, again, lost })
    }

    /// Of as few as were sent again no part of the traffic that is large enough can be past the threshold.
    pub fn nothing_could_cross(&self) -> bool {
        self.of(&self.total, &[]).again as f64 <= self.threshold * self.min as f64
    }

    pub fn why_quiet(&self) -> String {
        let all = self.of(&self.total, &[]);
        if all.sent < self.min {
            return format!("{}, {} needed", counted(all.sent, "segment"), count(self.min));
        }
        let mut reason =
            format!("{} of {} lost, threshold {}", percent(all.ratio()), counted(all.sent, "segment"), percent(self.threshold));
        if all.lost < all.again as f64 {
            let needless = percent(1.0 - all.lost / all.again as f64);
            reason.push_str(&format!("; {} sent again, {needless} of them needlessly", count(all.again)));
        }
        if let Some(worst) = self.signals.lossy_destinations(self.min, f64::MIN_POSITIVE, 1).first() {
            let loss = self.of(&worst.segments, &[]);
            reason.push_str(&format!("; most to {}, {} of {}", worst.display_name(), percent(loss.ratio()), count(loss.sent)));
        }
        if let Some(syns) = self.total.syn_retransmitted.filter(|syns| *syns > 0) {
            reason.push_str(&format!("; {} sent again", counted(syns, "SYN")));
        }
        reason
    }
}

/// Segments with data sent again.
fn data(totals: &NamespaceTotals) -> u64 {
    totals.retransmitted.saturating_sub(totals.syn_retransmitted)
}

/// Share of what was sent again that the other side did not report to have had already.
fn genuine(again: u64, needless: u64) -> f64 {
    if again == 0 { 1.0 } else { 1.0 - needless.min(again) as f64 / again as f64 }
}
