//! Questions about calls that failed.

use std::cmp::Reverse;
use std::collections::{BTreeSet, HashMap};
use std::rc::Rc;

use serde::Serialize;

use super::CgroupView;
use super::syscall::every;
use crate::{Call, CallFailure, Cgroup, Syscall};

/// Errors of the calls named; of every call when none is.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[expect(missing_docs, reason = "wit/v1/syscall.wit says it")]
pub struct ErrorsOf {
    pub errors: Vec<String>,
    pub calls: Vec<String>,
}

/// From when on failures are many.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "wit/v1/syscall.wit says it")]
pub struct FailureThreshold {
    pub only: Vec<ErrorsOf>,
    pub min_calls: u64,
    pub min_failed: u64,
    pub above_share: f64,
}

/// Which failures are asked for.
#[derive(Clone, Debug, Default, PartialEq)]
#[expect(missing_docs, reason = "wit/v1/syscall.wit says it")]
pub struct FailureFilter {
    pub by_cgroup: bool,
    pub except: Vec<ErrorsOf>,
    pub any_of: Vec<FailureThreshold>,
}

/// A process that makes calls.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/syscall.wit says it")]
pub struct CallProcessView {
    pub pid: u32,
    pub comm: String,
}

/// How often a call failed with one error.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/syscall.wit says it")]
pub struct CallErrorView {
    pub name: String,
    pub count: u64,
    pub caller: Option<CallProcessView>,
}

/// One call that failed.
#[derive(Clone, Debug, PartialEq, Serialize)]
#[expect(missing_docs, reason = "wit/v1/syscall.wit says it")]
pub struct FailingCallView {
    pub name: String,
    pub cgroup: Option<CgroupView>,
    pub calls: u64,
    pub failed: u64,
    pub errors: Vec<CallErrorView>,
}

/// Calls by the errors that they are named with, sorted; none: every call. Never multiplied out: rules ask for as many of both as they
/// like.
struct Pairs<'a>(HashMap<&'a str, Vec<Rc<[&'a str]>>>);

impl<'a> Pairs<'a> {
    fn of(all: &'a [ErrorsOf]) -> Self {
        let mut pairs: HashMap<_, Vec<_>> = HashMap::new();
        for one in all {
            let mut calls: Vec<&str> = one.calls.iter().map(String::as_str).collect();
            calls.sort_unstable();
            let calls: Rc<[&str]> = calls.into();
            for error in &one.errors {
                pairs.entry(error.as_str()).or_default().push(Rc::clone(&calls));
            }
        }
        Self(pairs)
    }

    fn have(&self, call: &str, error: &str) -> bool {
        let sets = self.0.get(error).map(Vec::as_slice).unwrap_or_default();
        sets.iter().any(|calls| calls.is_empty() || calls.binary_search(&call).is_ok())
    }
}

/// One threshold, ready to be asked often.
struct Threshold<'a> {
    /// `None`: every error is counted.
    only: Option<Pairs<'a>>,
    of: &'a FailureThreshold,
}

impl<'a> Threshold<'a> {
    fn new(of: &'a FailureThreshold) -> Self {
        Self { only: (!of.only.is_empty()).then(|| Pairs::of(&of.only)), of }
    }

    /// How many failures of a call count, when they are many.
    fn passed(&self, call: &Call, errors: &[&CallFailure]) -> Option<u64> {
        let is_counted = |error: &&&CallFailure| self.only.as_ref().is_none_or(|only| only.have(&call.name, &error.name));
        let failed = errors.iter().filter(is_counted).map(|error| error.count).fold(0, u64::saturating_add);
        let FailureThreshold { min_calls, min_failed, above_share, .. } = *self.of;
        let is_many = call.count >= min_calls && failed >= min_failed.max(1) && failed as f64 > above_share * call.count as f64;
        is_many.then_some(failed)
    }
}

/// Calls that failed as the filter asks for, most failures first: of each threshold the `limit` calls with most of what it counts.
#[must_use]
pub fn failing_calls(syscall: &Syscall, filter: &FailureFilter, limit: u32) -> Vec<FailingCallView> {
    let except = Pairs::of(&filter.except);
    let thresholds: Vec<Threshold> = filter.any_of.iter().map(Threshold::new).collect();
    let mut failing: Vec<_> = every(syscall, filter.by_cgroup)
        .into_iter()
        .filter_map(|(cgroup, call)| {
            let is_counted = |error: &&CallFailure| error.count > 0 && !except.have(&call.name, &error.name);
            let errors: Vec<&CallFailure> = call.errors.iter().filter(is_counted).collect();
            let is_many =
                || thresholds.is_empty() || thresholds.iter().any(|threshold| threshold.passed(call, &errors).is_some());
            let failed = errors.iter().map(|error| error.count).fold(0, u64::saturating_add);
            (!errors.is_empty() && is_many()).then_some((failed, cgroup, call, errors))
        })
        .collect();
    failing.sort_by(|(a, of, x, _), (b, than, y, _)| {
        b.cmp(a).then_with(|| x.name.cmp(&y.name)).then_with(|| of.map(|group| group.id).cmp(&than.map(|group| group.id)))
    });
    let limit = limit as usize;
    let told: BTreeSet<usize> = if thresholds.is_empty() {
        (0..failing.len().min(limit)).collect()
    } else {
        let most = |threshold: &Threshold| {
            let passed = |(index, (_, _, call, errors)): (usize, &(_, _, &Call, Vec<_>))| {
                Some((Reverse(threshold.passed(call, errors)?), index))
            };
            let mut passed: Vec<_> = failing.iter().enumerate().filter_map(passed).collect();
            passed.sort_unstable();
            passed.into_iter().take(limit).map(|(_, index)| index)
        };
        thresholds.iter().flat_map(most).collect()
    };
    let view = |(failed, cgroup, call, errors): &(u64, Option<&Cgroup>, &Call, Vec<&CallFailure>)| FailingCallView {
        name: call.name.clone(),
        cgroup: cgroup.map(CgroupView::from),
        calls: call.count,
        failed: *failed,
        errors: views(errors),
    };
    told.into_iter().map(|index| view(&failing[index])).collect()
}

fn views(errors: &[&CallFailure]) -> Vec<CallErrorView> {
    let mut errors: Vec<_> = errors.to_vec();
    errors.sort_by_key(|error| (Reverse(error.count), error.errno));
    errors
        .into_iter()
        .map(|error| CallErrorView {
            name: error.name.clone(),
            count: error.count,
            caller: error.caller.as_ref().map(|caller| CallProcessView { pid: caller.pid, comm: caller.comm.clone() }),
        })
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{Caller, CgroupCall};

    fn call(name: &str, count: u64, errors: &[(u32, &str, u64)]) -> Call {
        let failure = |(errno, name, count): &(u32, &str, u64)| CallFailure {
            errno: *errno,
            name: (*name).to_owned(),
            count: *count,
            caller: (*errno == 13).then(|| Caller { pid: 7, comm: "cat".to_owned() }),
        };
        Call { name: name.to_owned(), count, errors: errors.iter().map(failure).collect(), ..Call::default() }
    }

    fn errors_of(errors: &[&str], calls: &[&str]) -> ErrorsOf {
        let own = |texts: &[&str]| texts.iter().map(|text| (*text).to_owned()).collect();
        ErrorsOf { errors: own(errors), calls: own(calls) }
    }

    fn names(failing: &[FailingCallView]) -> Vec<(&str, u64)> {
        failing.iter().map(|call| (call.name.as_str(), call.failed)).collect()
    }

    #[test]
    fn errors_that_are_excepted_do_not_count_of_the_calls_named_alone() {
        let calls = vec![
            call("openat", 1_000, &[(2, "ENOENT", 900), (13, "EACCES", 30)]),
            call("getpid", 1_000, &[(2, "ENOENT", 50), (11, "EAGAIN", 500)]),
        ];
        let syscall = Syscall { calls, ..Syscall::default() };
        let except = vec![errors_of(&["ENOENT"], &["openat", "stat"]), errors_of(&["EAGAIN", "EINTR"], &[])];
        let filter = FailureFilter { except, ..FailureFilter::default() };
        let failing = failing_calls(&syscall, &filter, 9);
        assert_eq!(names(&failing), [("getpid", 50), ("openat", 30)]);
        assert_eq!(failing[1].errors[0].caller, Some(CallProcessView { pid: 7, comm: "cat".to_owned() }));
        let only = FailureThreshold { only: vec![errors_of(&["EACCES"], &[])], ..FailureThreshold::default() };
        let with_eacces = FailureFilter { any_of: vec![only], ..FailureFilter::default() };
        assert_eq!(names(&failing_calls(&syscall, &with_eacces, 9)), [("openat", 930)], "with all that it met");
        assert_eq!(names(&failing_calls(&syscall, &FailureFilter::default(), 1)), [("openat", 930)]);
    }

    #[test]
    fn few_calls_few_failures_and_small_shares_are_left_out() {
        let syscall = Syscall { calls: vec![call("write", 1_000, &[(28, "ENOSPC", 10)])], ..Syscall::default() };
        let any = |any_of: Vec<FailureThreshold>| {
            !failing_calls(&syscall, &FailureFilter { any_of, ..FailureFilter::default() }, 9).is_empty()
        };
        let passes = |threshold: FailureThreshold| any(vec![threshold]);
        let all = FailureThreshold::default;
        assert!(
            passes(FailureThreshold { min_calls: 1_000, ..all() }) && !passes(FailureThreshold { min_calls: 1_001, ..all() })
        );
        assert!(passes(FailureThreshold { min_failed: 10, ..all() }) && !passes(FailureThreshold { min_failed: 11, ..all() }));
        assert!(passes(FailureThreshold { above_share: 0.009, ..all() }));
        assert!(!passes(FailureThreshold { above_share: 0.01, ..all() }));
        let (many, other) = (
            FailureThreshold { min_failed: 11, ..all() },
            FailureThreshold { only: vec![errors_of(&["ENOSPC"], &[])], min_failed: 10, ..all() },
        );
        assert!(any(vec![many.clone(), other]) && !any(vec![many]) && any(vec![]));
    }

    #[test]
    fn many_failures_do_not_hide_the_few_that_another_threshold_counts() {
        let mut calls: Vec<Call> = (0..200).map(|index| call(&format!("noisy{index}"), 1_000, &[(13, "EACCES", 500)])).collect();
        calls.push(call("write", 1_000, &[(28, "ENOSPC", 3), (13, "EACCES", 2)]));
        let syscall = Syscall { calls, ..Syscall::default() };
        let any_of = vec![
            FailureThreshold { above_share: 0.01, ..FailureThreshold::default() },
            FailureThreshold { only: vec![errors_of(&["ENOSPC"], &[])], ..FailureThreshold::default() },
        ];
        let failing = failing_calls(&syscall, &FailureFilter { any_of, ..FailureFilter::default() }, 4);
        assert_eq!(names(&failing).last(), Some(&("write", 5)));
        assert_eq!(failing.len(), 5);
    }

    #[test]
    fn groups_are_told_apart() {
        let of = |id, failed| CgroupCall {
            cgroup: Cgroup { id, ..Cgroup::default() },
            call: call("write", 100, &[(28, "ENOSPC", failed)]),
        };
        let syscall = Syscall { cgroups: vec![of(1, 3), of(2, 70)], calls: vec![call("write", 200, &[])], ..Syscall::default() };
        let filter = FailureFilter { by_cgroup: true, ..FailureFilter::default() };
        let groups: Vec<_> =
            failing_calls(&syscall, &filter, 9).into_iter().filter_map(|call| call.cgroup).map(|group| group.id).collect();
        assert_eq!(groups, [2, 1]);
        assert!(failing_calls(&syscall, &FailureFilter::default(), 9).is_empty());
    }
}
