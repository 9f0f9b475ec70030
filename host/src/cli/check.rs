//! `kerno check`: looks at this host and writes what it allows.

use super::arguments::{self, CheckForm};
use super::doctor::style;
use super::failure::chain;
use super::{Environment, Failure, exit, output};
use crate::agent;
use crate::report;

pub(super) fn run(arguments: &arguments::Check, environment: Environment) -> Result<u8, Failure> {
    let style = style(arguments.color);
    let check = agent::check(environment.ebpf, environment.node_name.as_deref(), environment.cluster)
        .map_err(|error| Failure::own(chain(&error), "mount /proc and /sys where kerno runs"))?;
    let text = match arguments.output {
        CheckForm::Pretty => report::pretty_check(&check, &style),
        CheckForm::Plain => report::pretty_check(&check, &style.plain()),
        CheckForm::Json => report::json(&check)
            .map_err(|error| Failure::own(format!("the check cannot be written as JSON: {error}"), "use --output pretty"))?,
    };
    output::write(&text)?;
    Ok(if check.ready { exit::DONE } else { exit::INSUFFICIENT_EVIDENCE })
}
