//! What must be true of two findings for one to follow from the other.

use std::fmt;

use super::super::Severity;
use super::facts::{Facts, Group};

/// One condition over a cause and its consequence: entities, names of signals, keys of evidence. Never words for people.
#[derive(Clone, Copy, Debug)]
pub(super) enum Condition {
    /// The same control group, or the host as a whole.
    SameGroup,
    /// The consequence's group is the cause's or lies below it.
    GroupWithin,
    /// The consequence's group is the cause's or lies above it.
    GroupAround,
    /// The one's group is the other's, above it or below it.
    GroupsNested,
    /// The limit that killed is the cause's group's own, or one above: what grows or is short below another limit fills that one.
    LimitAround,
    /// A consequence that is a fact is about the very same group.
    FactIsShared,
    /// The path by itself is not too long already.
    MinimumWithin,
    /// A process that both name, by number.
    SharedProcess,
    /// The remote that the consequence is about is one that the cause names.
    SharedRemote,
    /// The cause is about the host as a whole.
    CauseIsHost,
    /// No other finding of its rule could be the cause.
    OnlyCause,
    /// The same, and nobody is known to have felt it.
    OnlyCauseOfNobody,
    /// A consequence that hangs has a cause that hangs.
    HangIsShared,
    /// The call that the consequence is about.
    Call(&'static [&'static str]),
    /// It is about none of these calls.
    OtherCall(&'static [&'static str]),
    /// A signal or a number of the cause that begins so.
    CauseTells(&'static str),
    /// A signal or a number of the consequence that begins so.
    ConsequenceTells(&'static str),
    /// A word among the consequence's names and numbers.
    ConsequenceNames(&'static str),
    /// At least one of these.
    Any(&'static [Self]),
}

impl Condition {
    /// Whether it holds for a cause and a consequence; `alone`: there is no other finding of the cause's rule.
    pub(super) fn holds(&self, cause: &Facts<'_>, consequence: &Facts<'_>, alone: bool) -> bool {
        let groups = cause.group.zip(consequence.group);
        match self {
            Self::SameGroup => groups.is_some_and(|(a, b)| a.is(b)),
            Self::GroupWithin => groups.is_some_and(|(a, b)| a.holds(b)),
            Self::GroupAround => groups.is_some_and(|(a, b)| b.holds(a)),
            Self::GroupsNested => groups.is_some_and(|(a, b)| a.holds(b) || b.holds(a)),
            Self::LimitAround => {
                let limits: Vec<Group<'_>> = consequence.limits().collect();
                if limits.is_empty() {
                    return groups.is_none_or(|(a, b)| a.is(b) || !a.holds(b));
                }
                cause.group.is_some_and(|group| limits.iter().any(|limit| limit.holds(group)))
            }
            Self::FactIsShared => consequence.finding.severity > Severity::Info || groups.is_some_and(|(a, b)| a.is(b)),
            Self::MinimumWithin => {
                let signal = &consequence.finding.signal;
                let smallest = consequence.number("smallest round trip").filter(|_| signal.unit == "seconds");
                smallest.is_none_or(|smallest| smallest <= signal.threshold)
            }
            Self::SharedProcess => !cause.pids.is_disjoint(&consequence.pids),
            Self::SharedRemote => {
                let (names, others) = (&consequence.finding.entity.names, &cause.finding.entity.names);
                // Each network namespace has a loopback of its own.
                let namespaces = names.get("network_namespace").zip(others.get("network_namespace"));
                let is_elsewhere = namespaces.is_some_and(|(a, b)| a != b);
                !is_elsewhere && names.get("remote").is_some_and(|remote| cause.names(remote))
            }
            Self::CauseIsHost => matches!(cause.group, Some(Group::Host)),
            Self::OnlyCause => alone,
            Self::OnlyCauseOfNobody => alone && cause.pids.is_empty(),
            Self::HangIsShared => !consequence.hangs() || cause.has_in_flight(),
            Self::Call(calls) => consequence.call.is_some_and(|call| calls.contains(&call)),
            Self::OtherCall(calls) => consequence.call.is_none_or(|call| !calls.contains(&call)),
            Self::CauseTells(beginning) => cause.tells(beginning),
            Self::ConsequenceTells(beginning) => consequence.tells(beginning),
            Self::ConsequenceNames(word) => consequence.names(word),
            Self::Any(conditions) => conditions.iter().any(|condition| condition.holds(cause, consequence, alone)),
        }
    }
}

impl fmt::Display for Condition {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::SameGroup => formatter.write_str("both are about the same control group, or both about the host"),
            Self::GroupWithin => formatter.write_str("the consequence's control group is the cause's or lies below it"),
            Self::GroupAround => formatter.write_str("the consequence's control group is the cause's or lies above it"),
            Self::GroupsNested => formatter.write_str("their control groups are the same, or one lies below the other"),
            Self::LimitAround => formatter.write_str(
                "the limit that killed (`kills by the limit of …`) is that of the cause's control group or of one above it; where no limit \
                 is told, the consequence's control group is not below the cause's",
            ),
            Self::FactIsShared => formatter
                .write_str("a consequence that is a fact (`info`) is about the same control group as the cause, or both about the host"),
            Self::MinimumWithin => {
                formatter.write_str("the consequence's `smallest round trip` is not past its threshold by itself")
            }
            Self::SharedProcess => formatter.write_str("both name the same process"),
            Self::SharedRemote => formatter.write_str("the cause names the consequence's remote"),
            Self::CauseIsHost => formatter.write_str("the cause is about the host as a whole"),
            Self::OnlyCause => formatter.write_str("the cause is the only finding of its rule"),
            Self::OnlyCauseOfNobody => formatter.write_str("the cause is the only finding of its rule and names no process"),
            Self::HangIsShared => {
                formatter.write_str("a consequence that is `in flight` has a cause with some `in flight at the end`")
            }
            Self::Call(calls) => write!(formatter, "the consequence's call is one of `{}`", calls.join(" ")),
            Self::OtherCall(calls) => write!(formatter, "the consequence's call is none of `{}`", calls.join(" ")),
            Self::CauseTells(beginning) => write!(formatter, "a signal or number of the cause begins with `{beginning}`"),
            Self::ConsequenceTells(beginning) => {
                write!(formatter, "a signal or number of the consequence begins with `{beginning}`")
            }
            Self::ConsequenceNames(word) => write!(formatter, "the consequence names `{word}`"),
            Self::Any(conditions) => {
                let texts: Vec<String> = conditions.iter().map(ToString::to_string).collect();
                formatter.write_str(&texts.join(", or "))
            }
        }
    }
}
