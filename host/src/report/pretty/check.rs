//! A check of this host as text for people: the verdict, what was looked at, what each collector would tell.

use kerno_signals::{CollectorStatus, Coverage};

use super::{Page, header::facts_line};
use crate::check::{Check, Collector, Group, Hook, Item, Status};
use crate::report::Style;

/// The whole check, with a newline at its end.
#[must_use]
pub fn pretty_check(check: &Check, style: &Style) -> String {
    let mut page = Page { lines: Vec::new(), style: *style };
    let host = &check.host;
    let cpus = if host.cpus == 1 { "1 CPU".to_owned() } else { format!("{} CPUs", host.cpus) };
    let mut facts = vec![format!("kerno check on {}", host.name)];
    facts.extend(host.cluster.iter().map(|cluster| format!("cluster {cluster}")));
    facts.extend([format!("Linux {}", host.kernel), host.arch.clone(), cpus]);
    facts_line(&facts, true, &mut page);
    verdict(check, &mut page);
    for (group, heading) in
        [(Group::Kernel, "Kernel"), (Group::Privileges, "Privileges"), (Group::Accounts, "Control groups and accounts")]
    {
        page.heading(heading);
        check.checks.iter().filter(|item| item.group == group).for_each(|item| one(item, &mut page));
    }
    page.heading("Hooks");
    hooks(&check.hooks, &mut page);
    page.heading("Collectors");
    check.collectors.iter().for_each(|item| collector(item, &mut page));
    page.lines.join("\n") + "\n"
}

fn verdict(check: &Check, page: &mut Page) {
    page.gap();
    let style = page.style;
    let all = check.collectors.len();
    let measure = check.collectors.iter().filter(|collector| measures(collector)).count();
    let (word, painted) = if check.ready { ("READY", style.good("READY")) } else { ("NOT READY", style.doubt("NOT READY")) };
    let gaps = match check.gaps() {
        0 => "nothing will be missing".to_owned(),
        1 => "1 gap".to_owned(),
        number => format!("{number} gaps"),
    };
    let partly = |collector: &&Collector| collector.coverage == Some(Coverage::Partial);
    let partly = match check.collectors.iter().filter(partly).count() {
        0 => String::new(),
        number => format!(" ({number} in part)"),
    };
    let text = format!("{measure} of {all} collectors measure as designed{partly}, {gaps}");
    page.paragraph(&format!("{painted}  "), word.len() + 2, &text);
}

fn measures(collector: &Collector) -> bool {
    matches!(collector.coverage, Some(Coverage::Full | Coverage::Partial))
}

/// `mark  text`, with what is missing and what to do about it below.
fn entry(mark: &str, painted: &str, text: &str, more: [(&str, Option<&str>); 2], page: &mut Page) {
    let columns = mark.len() + 4;
    page.paragraph(&format!("  {painted}  "), columns, text);
    for (label, text) in more {
        if let Some(text) = text {
            page.paragraph(&format!("{}{label}: ", " ".repeat(columns)), columns + label.len() + 2, text);
        }
    }
}

fn one(item: &Item, page: &mut Page) {
    let style = page.style;
    let (mark, painted) = match item.status {
        Status::Ok => ("ok ", style.good("ok ")),
        Status::Gap => ("gap", style.warn("gap")),
        Status::Unknown => ("?  ", style.doubt("?  ")),
    };
    entry(mark, &painted, &item.found, [("lost", item.effect.as_deref()), ("fix", item.fix.as_deref())], page);
}

/// One paragraph a collector: the hooks of this kernel with what came of them, then those that it does not have.
fn hooks(hooks: &[Hook], page: &mut Page) {
    let mut owners: Vec<&str> = Vec::new();
    for hook in hooks {
        if !owners.contains(&hook.collector.as_str()) {
            owners.push(&hook.collector);
        }
    }
    let widest = owners.iter().map(|owner| owner.len()).max().unwrap_or_default();
    for owner in owners {
        let of = |wanted: fn(&Hook) -> bool| {
            let names = hooks.iter().filter(|hook| hook.collector == owner && wanted(hook));
            names.map(|hook| format!("{}/{}", hook.kind, hook.target)).collect::<Vec<_>>().join(" ")
        };
        let parts = [
            ("attached", of(|hook| hook.attached == Some(true))),
            ("refused", of(|hook| hook.attached == Some(false))),
            ("there, not tried", of(|hook| hook.attached.is_none() && hook.present == Some(true))),
            ("not in this kernel", of(|hook| hook.attached.is_none() && hook.present == Some(false))),
            ("not known", of(|hook| hook.attached.is_none() && hook.present.is_none())),
        ];
        let parts: Vec<String> =
            parts.into_iter().filter(|(_, names)| !names.is_empty()).map(|(what, names)| format!("{what}: {names}")).collect();
        for (index, part) in parts.iter().enumerate() {
            let name = if index == 0 { owner } else { "" };
            page.paragraph(&format!("  {name:widest$}  "), widest + 4, part);
        }
    }
}

fn collector(collector: &Collector, page: &mut Page) {
    let style = page.style;
    let source = collector.source.as_deref().unwrap_or("nothing");
    let (mark, painted, text) = match (collector.status, collector.coverage) {
        (CollectorStatus::Off, _) => ("off", style.doubt("off"), collector.name.clone()),
        (CollectorStatus::Running, _) => ("ok ", style.good("ok "), format!("{} from {source}", collector.name)),
        (CollectorStatus::Degraded, Some(Coverage::Full | Coverage::Partial)) => {
            ("gap", style.warn("gap"), format!("{} from {source}, in part", collector.name))
        }
        (CollectorStatus::Degraded, _) => ("gap", style.warn("gap"), format!("{} from {source} instead", collector.name)),
    };
    entry(mark, &painted, &text, [("why", collector.reason.as_deref()), ("fix", collector.fix.as_deref())], page);
}
