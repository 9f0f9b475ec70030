//! Whether a collector stayed alive: its canary's answers over the window.

use super::load_error::Explained;

/// What a collector says of its canary.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Proof {
    /// It reads the kernel's own accounts, which cannot stop.
    NotNeeded,
    /// A known event was caused; what became of it is known at the next call.
    Pending,
    /// The known event of the last call was seen.
    Alive,
    /// It was not; which program or hook should have seen what.
    Blind(String),
}

/// So many in a row are no accident: one may be lost to a busy machine.
const IN_A_ROW: u32 = 2;

/// The answers so far.
#[derive(Debug, Default)]
pub(super) struct Watch {
    asked: u32,
    blind: u32,
    in_a_row: u32,
    /// The first of those in a row, and what was not seen; kept when it recovers.
    named: Option<(u32, String)>,
}

impl Watch {
    /// Takes the answer of one tick.
    pub fn note(&mut self, proof: Proof) {
        if matches!(proof, Proof::NotNeeded | Proof::Pending) {
            return;
        }
        self.asked += 1;
        let Proof::Blind(what) = proof else {
            self.in_a_row = 0;
            return;
        };
        self.blind += 1;
        self.in_a_row += 1;
        if self.in_a_row >= IN_A_ROW && self.named.is_none() {
            tracing::warn!(%what, "a collector stopped seeing events");
            self.named = Some((self.asked + 1 - self.in_a_row, what));
        }
    }

    /// Share of the answers that were blind.
    pub fn blind_ratio(&self) -> f64 {
        f64::from(self.blind) / f64::from(self.asked.max(1))
    }

    /// What to tell when it was blind.
    pub fn told(&self) -> Option<Explained> {
        let (first, what) = self.named.as_ref()?;
        Some(Explained {
            reason: format!("blind in {} of {} checks from check {first} on: {what}", self.blind, self.asked),
            fix: "measure again; where it stays, something outside of kerno takes its programs off their hooks (`bpftool link`)"
                .to_owned(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn blind() -> Proof {
        Proof::Blind("sys_exit saw none of 16 calls".to_owned())
    }

    #[test]
    fn one_miss_is_no_blindness_and_two_are_named() {
        let mut watch = Watch::default();
        [Proof::Pending, Proof::Alive, blind(), Proof::Alive, blind()].into_iter().for_each(|proof| watch.note(proof));
        assert_eq!(watch.told(), None);
        watch.note(blind());
        let reason = watch.told().unwrap().reason;
        assert_eq!(reason, "blind in 3 of 5 checks from check 4 on: sys_exit saw none of 16 calls");
    }

    #[test]
    fn blindness_that_passed_stays_told() {
        let mut watch = Watch::default();
        [blind(), blind(), Proof::Alive, Proof::Alive].into_iter().for_each(|proof| watch.note(proof));
        assert!(watch.told().unwrap().reason.starts_with("blind in 2 of 4 checks from check 1 on"));
    }

    #[test]
    fn files_need_no_proof() {
        let mut watch = Watch::default();
        (0..9).for_each(|_| watch.note(Proof::NotNeeded));
        assert_eq!((watch.asked, watch.told()), (0, None));
    }
}
