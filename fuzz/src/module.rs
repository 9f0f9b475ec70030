//! Bytes as the file of a user's rule: made a component where they are a module, compiled, asked what it is, and judged with.

use std::collections::BTreeMap;
use std::path::PathBuf;
use std::sync::{Arc, LazyLock, Mutex, PoisonError};
use std::time::Duration;

use kerno::engine::{Candidate, Limits, RuleSet, Runtime, Settings};
use kerno::findings::RuleStatus;
use kerno::report::{self, Report, Style};
use kerno_signals::Snapshot;

/// What it judges.
static WINDOW: LazyLock<Arc<Snapshot>> = LazyLock::new(|| {
    let window = include_str!("../../rules-builtin/scheduler-contention/fixtures/fires-hogs.json");
    Arc::new(serde_json::from_str(window).expect("a fixture is a window"))
});

/// The runtime, between two rules: it takes longer to set up than most rules to compile.
static RULES: Mutex<Option<RuleSet>> = Mutex::new(None);

fn no_rules() -> RuleSet {
    // What is endless is to end soon.
    let limits = Limits { deadline: Duration::from_millis(5), ..Limits::default() };
    let before = RULES.lock().unwrap_or_else(PoisonError::into_inner).take();
    match before {
        Some(rules) => rules.emptied(Settings::default(), BTreeMap::new()),
        None => Runtime::new(&limits).expect("there is room").without_rules(Settings::default(), BTreeMap::new()),
    }
}

/// Whether they are a rule that could be judged.
pub fn run(bytes: &[u8]) -> bool {
    let mut rules = no_rules();
    let candidate = Candidate::in_memory(PathBuf::from("guest.wasm"), bytes.to_vec());
    let code = rules.compile(candidate.clone());
    let described = rules.add(candidate.compiled(code));
    assert!(described.about.is_some() != described.reason.is_some(), "{described:?}");
    let said = rules.judge_decoded(&WINDOW);
    let [one] = said.as_slice() else { panic!("not one report of one rule: {said:?}") };
    let has_reason = one.reason.as_ref().is_some_and(|reason| !reason.is_empty());
    assert!(one.status != RuleStatus::Failed || has_reason, "no reason: {one:?}");
    assert!((one.status == RuleStatus::Fired) != one.findings.is_empty(), "{one:?}");
    let came_through = one.status != RuleStatus::Failed;
    told(said);
    *RULES.lock().unwrap_or_else(PoisonError::into_inner) = Some(rules);
    came_through
}

/// Whatever it says of itself moves no cursor and has an end.
fn told(said: Vec<kerno::findings::RuleReport>) {
    let report = Report::new(&WINDOW, said);
    for text in [report::pretty(&report, &Style::terminal(80, false)), report::json(&report).expect("it can be written")] {
        assert!(!text.chars().any(|c| c.is_control() && c != '\n'), "{text:?}");
        assert!(text.len() < 4 << 20, "{} bytes", text.len());
    }
}
