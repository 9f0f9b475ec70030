//! Marked victims where the programs do not know which of them are killed: tasks that were dying already are marked as well.
//!
//! The kernel counts a kill before it marks the victim. So the marks that were read by now are kills as far as it has counted that
//! many by now; the rest is left out, the least likely ones first.

use std::collections::VecDeque;

use kerno_signals::OomKill;

/// Processes that are remembered as killed.
const KNOWN: usize = 1_024;

/// Which marks are kills.
#[derive(Debug, Default)]
pub struct Marks {
    known: VecDeque<u32>,
    kills: u64,
    /// Marks left out that may have been kills in place of others that were told.
    pub doubtful: u64,
}

impl Marks {
    /// Of new marks, in their order, those that are told as kills. `counted` is what the kernel has counted since the start.
    pub fn kills(&mut self, mut marks: Vec<OomKill>, counted: u64) -> Vec<OomKill> {
        let room = usize::try_from(counted.saturating_sub(self.kills)).unwrap_or(usize::MAX);
        let mut excess = marks.len().saturating_sub(room);
        let known = &self.known;
        // A process is killed once: then another of its threads was dying.
        let repeated = |marks: &[OomKill], at: usize| {
            let pid = marks[at].pid;
            known.contains(&pid) || marks[..at].iter().any(|before| before.pid == pid)
        };
        remove(&mut marks, &mut excess, repeated);
        self.doubtful += excess as u64;
        // Who ran out of memory while dying marked itself.
        remove(&mut marks, &mut excess, |marks, at| {
            marks[at].trigger.as_ref().and_then(|trigger| trigger.pid) == Some(marks[at].pid)
        });
        remove(&mut marks, &mut excess, |_, _| true);
        self.kills += marks.len() as u64;
        self.known.extend(marks.iter().map(|kill| kill.pid));
        self.known.drain(..self.known.len().saturating_sub(KNOWN));
        marks
    }
}

/// Removes as many as are too many of those that `which` picks, the latest first.
fn remove(marks: &mut Vec<OomKill>, excess: &mut usize, which: impl Fn(&[OomKill], usize) -> bool) {
    for at in (0..marks.len()).rev() {
        if *excess > 0 && which(marks, at) {
            marks.remove(at);
            *excess -= 1;
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use kerno_signals::{OomLimit, OomTrigger};

    fn mark(pid: u32, trigger: u32) -> OomKill {
        OomKill {
            at_ns: 0,
            case: 0,
            pid,
            comm: "x".to_owned(),
            cgroup: None,
            limit: OomLimit::Unknown,
            memory: None,
            score_adj: None,
            score: None,
            trigger: Some(OomTrigger { pid: Some(trigger), comm: "y".to_owned(), cgroup: None }),
        }
    }

    fn pids(kills: &[OomKill]) -> Vec<u32> {
        kills.iter().map(|kill| kill.pid).collect()
    }

    #[test]
    fn as_many_marks_as_the_kernel_counted_are_kills() {
        let mut marks = Marks::default();
        assert_eq!(pids(&marks.kills(vec![mark(1, 9), mark(2, 2)], 2)), [1, 2]);
        assert_eq!((pids(&marks.kills(vec![mark(3, 9)], 2)), marks.doubtful), (vec![], 1), "nothing was killed");
        assert_eq!(pids(&marks.kills(vec![mark(4, 9)], 5)), [4]);
    }

    #[test]
    fn of_too_many_the_process_that_was_killed_before_goes_first_and_then_who_marked_itself() {
        let mut marks = Marks::default();
        assert_eq!(pids(&marks.kills(vec![mark(1, 9), mark(2, 9), mark(1, 1), mark(3, 3), mark(4, 9)], 4)), [1, 2, 3, 4]);
        assert_eq!(marks.doubtful, 0);
        assert_eq!(pids(&marks.kills(vec![mark(5, 5), mark(2, 9), mark(6, 9), mark(7, 9)], 5)), [6]);
        assert_eq!(marks.doubtful, 2);
    }

    #[test]
    fn what_is_remembered_is_bounded() {
        let mut marks = Marks::default();
        let all = (0..3 * KNOWN as u32).map(|pid| mark(pid, 9)).collect();
        assert_eq!(marks.kills(all, u64::MAX).len(), 3 * KNOWN);
        assert_eq!(marks.known.len(), KNOWN);
    }
}
