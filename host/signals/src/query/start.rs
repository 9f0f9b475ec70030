//! Questions about how control groups start.

use std::cmp::Reverse;

use serde::Serialize;

use super::{CgroupView, first, seconds};
use crate::{GroupStart, Start};

/// How one started, seconds since it was made.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/start.wit says it")]
pub struct GroupStartView {
    pub cgroup: CgroupView,
    pub age: f64,
    pub ended: bool,
    pub populated: Option<f64>,
    pub executed: Option<f64>,
    pub program: Option<String>,
    pub own_mounts: bool,
    pub listened: Option<f64>,
    pub listener: Option<String>,
    pub port: Option<u16>,
    pub connected: Option<f64>,
    pub asked: Option<f64>,
    pub answered: Option<f64>,
    pub answer_unknown: bool,
    pub below: u64,
}

impl From<&GroupStart> for GroupStartView {
    fn from(start: &GroupStart) -> Self {
        Self {
            cgroup: (&start.cgroup).into(),
            age: seconds(start.age_ns),
            ended: start.ended,
            populated: start.populated_ns.map(seconds),
            executed: start.executed_ns.map(seconds),
            program: start.program.clone(),
            own_mounts: start.own_mounts,
            listened: start.listened_ns.map(seconds),
            listener: start.listener.clone(),
            port: start.port,
            connected: start.connected_ns.map(seconds),
            asked: start.asked_ns.map(seconds),
            answered: start.answered_ns.map(seconds),
            answer_unknown: start.answer_unknown,
            below: start.below,
        }
    }
}

/// Groups whose longest stage took `min_seconds` or more, those with the longest first.
#[must_use]
pub fn starts(start: &Start, min_seconds: f64, limit: u32) -> Vec<GroupStartView> {
    let slow = start.groups.iter().filter(|group| seconds(longest(group)) >= min_seconds).collect();
    first(slow, limit, |group| (Reverse(longest(group)), group.cgroup.id), |group| GroupStartView::from(*group))
}

/// The longest of its stages; one that it has not come out of counts as far as it is.
fn longest(start: &GroupStart) -> u64 {
    let until = |end: Option<u64>, begin: u64| end.unwrap_or(start.age_ns).saturating_sub(begin);
    let to_listen = start.executed_ns.map_or(0, |executed| until(start.listened_ns, executed));
    // Who speaks first is not asked.
    let asked = start.asked_ns.or(start.connected_ns.filter(|_| start.answered_ns.is_some()));
    let to_answer = asked.map_or(0, |asked| until(start.answered_ns, asked));
    until(start.executed_ns, 0).max(to_listen).max(to_answer)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::Cgroup;

    const SECOND: u64 = 1_000_000_000;

    fn group(id: u64, executed: Option<u64>, listened: Option<u64>, asked: Option<u64>, answered: Option<u64>) -> GroupStart {
        let at = |seconds: Option<u64>| seconds.map(|seconds| seconds * SECOND);
        GroupStart {
            cgroup: Cgroup { id, ..Cgroup::default() },
            age_ns: 20 * SECOND,
            executed_ns: at(executed),
            listened_ns: at(listened),
            asked_ns: at(asked),
            answered_ns: at(answered),
            ..GroupStart::default()
        }
    }

    #[test]
    fn the_longest_stage_decides_and_one_that_lasts_counts_as_far_as_it_is() {
        let groups = vec![
            group(1, Some(3), Some(4), Some(5), Some(6)),
            group(2, Some(1), Some(8), Some(19), Some(19)),
            group(3, Some(1), Some(2), Some(9), None),
            group(4, None, None, None, None),
            group(5, Some(1), None, None, None),
        ];
        let start = Start { groups, made: 9, untold: 1, missed: Some(2) };
        let ids = |min, limit| starts(&start, min, limit).iter().map(|start| start.cgroup.id).collect::<Vec<_>>();
        // Waiting to be asked is no stage.
        assert_eq!(
            (ids(0.0, 9), ids(7.0, 9), ids(7.1, 9), ids(0.0, 1)),
            (vec![4, 5, 3, 2, 1], vec![4, 5, 3, 2], vec![4, 5, 3], vec![4])
        );
        assert_eq!((ids(3.0, 9).len(), ids(20.1, 9).len(), start.lost()), (5, 0, 3));
    }
}
