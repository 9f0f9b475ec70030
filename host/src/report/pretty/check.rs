//! A check of this host as text for people: the verdict, what was looked at, what each collector would tell.

use kerno_signals::{CollectorStatus, Coverage, THEN};

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
    let mut fixes = Fixes::of(check);
    for (group, heading) in
        [(Group::Kernel, "Kernel"), (Group::Privileges, "Privileges"), (Group::Accounts, "Control groups and accounts")]
    {
        page.heading(heading);
        check.checks.iter().filter(|item| item.group == group).for_each(|item| one(item, &mut fixes, &mut page));
    }
    page.heading("Hooks");
    hooks(&check.hooks, &mut page);
    page.heading("Collectors");
    check.collectors.iter().for_each(|item| collector(item, &mut fixes, &mut page));
    page.lines.join("\n") + "\n"
}

fn verdict(check: &Check, page: &mut Page) {
    page.gap();
    let style = page.style;
    let all = check.collectors.len();
    let of = |wanted: Coverage| check.collectors.iter().filter(|collector| collector.coverage == Some(wanted)).count();
    let (word, painted) = if check.ready { ("READY", style.good("READY")) } else { ("NOT READY", style.doubt("NOT READY")) };
    let gaps = match check.gaps() {
        0 => "nothing will be missing".to_owned(),
        1 => "1 gap".to_owned(),
        number => format!("{number} gaps"),
    };
    let partly = match of(Coverage::Partial) {
        0 => String::new(),
        number => format!(", {number} in part"),
    };
    let text = format!("{} of {all} collectors measure as designed{partly}, {gaps}", of(Coverage::Full));
    page.paragraph(&format!("{painted}  "), word.len() + 2, &text);
    let lacking = check.rules.iter().filter(|rule| !rule.ready);
    let lacking: Vec<String> = lacking.map(|rule| format!("{} ({})", rule.id, rule.lacks.join(", "))).collect();
    if !lacking.is_empty() {
        page.paragraph("", 0, &format!("rules without all that they need: {}", lacking.join(", ")));
    } else if of(Coverage::Full) < all {
        page.paragraph("", 0, "every built-in rule has all that it needs");
    }
}

/// The fixes in the order in which they are told. One that mends several things has a number and is told whole the first time only.
struct Fixes<'a> {
    all: Vec<&'a str>,
    numbered: Vec<&'a str>,
}

impl<'a> Fixes<'a> {
    fn of(check: &'a Check) -> Self {
        let items = check.checks.iter().filter_map(|item| item.fix.as_deref());
        let collectors = check.collectors.iter().filter_map(|collector| collector.fix.as_deref());
        Self { all: items.chain(collectors).flat_map(|fix| fix.split(THEN)).collect(), numbered: Vec::new() }
    }

    /// What there is to do about one thing, with a label each.
    fn tell(&mut self, fix: Option<&'a str>) -> Vec<(String, &'a str)> {
        fix.into_iter().flat_map(|fix| fix.split(THEN)).map(|fix| self.label(fix)).collect()
    }

    fn label(&mut self, fix: &'a str) -> (String, &'a str) {
        if self.all.iter().filter(|other| **other == fix).count() < 2 {
            return ("fix".to_owned(), fix);
        }
        if let Some(index) = self.numbered.iter().position(|told| *told == fix) {
            return (format!("fix {}", index + 1), "as above");
        }
        self.numbered.push(fix);
        (format!("fix {}", self.numbered.len()), fix)
    }
}

/// `mark  text`, with what is missing or why, and what to do about it, below.
fn entry(mark: &str, painted: &str, text: &str, more: Option<(&str, &str)>, fixes: &[(String, &str)], page: &mut Page) {
    let columns = mark.len() + 4;
    page.paragraph(&format!("  {painted}  "), columns, text);
    for (label, text) in more.into_iter().chain(fixes.iter().map(|(label, text)| (label.as_str(), *text))) {
        page.paragraph(&format!("{}{label}: ", " ".repeat(columns)), columns + label.len() + 2, text);
    }
}

fn one<'a>(item: &'a Item, fixes: &mut Fixes<'a>, page: &mut Page) {
    let style = page.style;
    let (mark, painted) = match item.status {
        Status::Ok => ("ok ", style.good("ok ")),
        Status::Gap => ("gap", style.warn("gap")),
        Status::Unknown => ("?  ", style.doubt("?  ")),
    };
    let lost = item.effect.as_deref().map(|effect| ("lost", effect));
    entry(mark, &painted, &item.found, lost, &fixes.tell(item.fix.as_deref()), page);
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

fn collector<'a>(collector: &'a Collector, fixes: &mut Fixes<'a>, page: &mut Page) {
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
    let why = collector.reason.as_deref().map(|reason| ("why", reason));
    entry(mark, &painted, &text, why, &fixes.tell(collector.fix.as_deref()), page);
}
