//! One loaded rule: its description, checked; and its evaluation.

use std::collections::BTreeMap;
use std::sync::Arc;

use kerno_signals::{Snapshot, collector_of};

use super::bindings::RulePre;
use super::bindings::exports::kerno::rules::guest::{Description, Verdict};
use super::output::{self, Origin};
use super::parameters::{self, Given, Settings};
use super::sandbox::{Sandbox, State};
use super::{About, OfBundle, load};
use crate::findings::{Finding, RuleReport, RuleStatus};

/// Values of a rule's parameters by name, in force.
pub(super) type Parameters = BTreeMap<String, f64>;

/// Longest id, parameter or family name that makes sense.
const LONGEST_NAME: usize = 64;

pub(super) struct LoadedRule {
    pre: RulePre<State>,
    id: Arc<str>,
    source: String,
    about: About,
    values: Arc<Parameters>,
}

/// What came of an evaluation.
pub(super) struct Judged {
    pub(super) report: RuleReport,
    /// Linear memory that it took, bytes.
    pub(super) memory: usize,
    /// It trapped, or was stopped at one of its own limits.
    pub(super) stopped: bool,
}

impl LoadedRule {
    /// Compiles what is not compiled yet, links and describes. Needs a running clock.
    pub(super) fn load(
        sandbox: &Sandbox,
        bytes: &[u8],
        code: Option<&[u8]>,
        source: &str,
        settings: &Settings,
        bundle: Option<&OfBundle>,
    ) -> Result<Self, String> {
        let pre = load::prepare(sandbox, bytes, code)?;
        let state = State::new(None, Arc::default(), Arc::from(source));
        let description = sandbox
            .call(&pre, state, |rule, store| rule.kerno_rules_guest().call_describe(store))
            .map_err(|failure| format!("when asked to describe itself: {}", failure.reason))?;
        check(&description)?;
        let Description { id, title, version, severity, families, parameters } = description;
        if let Some(of) = bundle.filter(|of| (&of.id, &of.version) != (&id, &version)) {
            return Err(format!(
                "it is {id} {version}, and its bundle says that it is {} {}: make the bundle again with `kerno rules bundle`",
                of.id, of.version
            ));
        }
        let parameters = parameters::in_force(parameters, &Given::to(&id, settings, bundle))?;
        let values = parameters.iter().map(|parameter| (parameter.name.clone(), parameter.value)).collect();
        let imports = load::imports(sandbox, pre.instance_pre().component());
        let about = About {
            title: output::sentence(title),
            version,
            severity: output::severity(severity),
            families,
            imports,
            parameters,
        };
        Ok(Self { pre, id: Arc::from(id), source: source.to_owned(), about, values: Arc::new(values) })
    }

    pub(super) fn id(&self) -> &str {
        &self.id
    }

    /// The value of one of its parameters.
    pub(super) fn parameter(&self, name: &str) -> Option<f64> {
        self.values.get(name).copied()
    }

    pub(super) fn source(&self) -> &str {
        &self.source
    }

    pub(super) fn about(&self) -> &About {
        &self.about
    }

    /// Makes an instance, and gives it back.
    pub(super) fn instantiate(&self, sandbox: &Sandbox) -> Result<(), String> {
        sandbox.call(&self.pre, self.state(None), |_, _| Ok(())).map_err(|failure| failure.reason)
    }

    /// Evaluates the rule, unless a family that it needs is missing.
    pub(super) fn judge(&self, sandbox: &Sandbox, snapshot: &Arc<Snapshot>) -> Judged {
        if let Some(reason) = self.about.families.iter().find_map(|family| why_missing(snapshot, family)) {
            let report = self.report(RuleStatus::NotEvaluated, Some(reason), Vec::new());
            return Judged { report, memory: 0, stopped: false };
        }
        let mut memory = 0;
        let verdict = sandbox.call(&self.pre, self.state(Some(Arc::clone(snapshot))), |rule, store| {
            let verdict = rule.kerno_rules_guest().call_evaluate(&mut *store);
            memory = store.data().memory;
            verdict
        });
        let stopped = verdict.as_ref().is_err_and(|failure| failure.is_its_own);
        Judged { report: self.judged(sandbox, snapshot, verdict.map_err(|failure| failure.reason)), memory, stopped }
    }

    fn state(&self, snapshot: Option<Arc<Snapshot>>) -> State {
        State::new(snapshot, Arc::clone(&self.values), Arc::clone(&self.id))
    }

    /// The report of what it said.
    fn judged(&self, sandbox: &Sandbox, snapshot: &Snapshot, verdict: Result<Result<Verdict, String>, String>) -> RuleReport {
        let collector = self.about.families.first().map_or("", |family| collector_of(family));
        let coverage = snapshot.collector(collector).and_then(|report| report.coverage);
        let origin = Origin { rule: &self.id, collector, coverage, limits: &sandbox.limits };
        match verdict {
            Ok(Ok(Verdict::Fired(findings))) => match output::findings(findings, &origin) {
                Ok(findings) => self.report(RuleStatus::Fired, None, findings),
                Err(reason) => self.failed(reason),
            },
            Ok(Ok(Verdict::Quiet(reason))) => self.report(RuleStatus::Quiet, Some(output::sentence(reason)), Vec::new()),
            Ok(Ok(Verdict::NotEvaluated(reason))) => {
                self.report(RuleStatus::NotEvaluated, Some(output::sentence(reason)), Vec::new())
            }
            Ok(Err(reason)) => {
                self.failed(format!("it reported an error of its own ({}): ask its author", output::sentence(reason)))
            }
            Err(reason) => self.failed(reason),
        }
    }

    /// It was not judged, for this reason.
    pub(super) fn failed(&self, reason: String) -> RuleReport {
        self.report(RuleStatus::Failed, Some(output::sentence(reason)), Vec::new())
    }

    fn report(&self, status: RuleStatus, reason: Option<String>, findings: Vec<Finding>) -> RuleReport {
        let (id, version, source) = (self.id.to_string(), Some(self.about.version.clone()), self.source.clone());
        RuleReport { id, version, source, status, reason, findings }
    }
}

fn why_missing(snapshot: &Snapshot, family: &str) -> Option<String> {
    match snapshot.families.has(family) {
        Some(true) => return None,
        Some(false) => {}
        None => return Some(format!("{family} was not measured: this kerno has no such family")),
    }
    let own = snapshot.families.no_start.clone().filter(|_| family == "start");
    let reason = own.or_else(|| snapshot.collector(collector_of(family)).and_then(|report| report.reason.clone()));
    Some(format!("{family} was not measured: {}", reason.unwrap_or_else(|| "its collector is off".to_owned())))
}

/// A description must be fit to be shown and configured.
fn check(description: &Description) -> Result<(), String> {
    let id = &description.id;
    let letters = |c: char| c.is_ascii_lowercase() || c.is_ascii_digit() || c == '-';
    if id.is_empty() || id.len() > LONGEST_NAME || !id.chars().all(letters) || id.starts_with('-') || id.ends_with('-') {
        let id = output::sentence(id.chars().take(LONGEST_NAME).collect());
        return Err(format!("its id `{id}` is not made of lower-case letters, digits and dashes: choose another one"));
    }
    let plain = |text: &str| !text.is_empty() && text.len() <= LONGEST_NAME && text.chars().all(|c| c.is_ascii_graphic());
    if !plain(&description.version) {
        return Err("its version is empty or not plain text: give it one like 1.0.0".to_owned());
    }
    if description.families.len() > 16 || description.parameters.len() > 64 {
        return Err("it declares more than 16 families or 64 parameters: declare fewer".to_owned());
    }
    let names = description.families.iter().chain(description.parameters.iter().map(|parameter| &parameter.name));
    if !names.into_iter().all(|name| plain(name)) {
        return Err("the name of a family or parameter is empty or not plain text: rename it".to_owned());
    }
    match description.parameters.iter().find(|parameter| !parameter.default.is_finite()) {
        Some(parameter) => Err(format!("the default of its parameter `{}` is no number: give it one", parameter.name)),
        None => Ok(()),
    }
}
