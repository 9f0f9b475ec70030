//! What is in force as YAML that kerno reads again, and where each value comes from.

use super::Config;
use super::limits::LIMITS;
use crate::cli::Environment;
use crate::cli::window;
use crate::engine::{Described, OfBundle, Parameter, quantity};
use crate::findings::Objective;

/// Column at which origins begin, where there is room.
const ORIGINS: usize = 44;

/// All of it. Rules that did not load have no parameters to show.
pub(super) fn show(config: &Config, rules: &[Described], origin: bool, environment: &Environment) -> String {
    let mut page = Page { text: String::new(), origin };
    if origin {
        page.comment(&match &config.place {
            Some(place) => format!("file: {}, {}", place.path.display(), place.by),
            None => "file: none".to_owned(),
        });
        for (name, value) in environment.told() {
            page.comment(&format!("{name}={value}"));
        }
    }
    let settings = &config.settings;
    let at = |line: Option<usize>| line.map_or_else(|| "default".to_owned(), |line| config.at(line));
    page.line("doctor:", None);
    let (duration, line) = settings.duration.map_or((window::DEFAULT, None), |(duration, line)| (duration, Some(line)));
    page.line(&format!("  duration: {}", humantime::format_duration(duration)), Some(at(line)));
    page.line("rules:", None);
    let dirs = settings.dirs.iter().map(|(path, line)| (quoted(&path.to_string_lossy()), *line));
    page.list("  dirs:", dirs.collect(), at);
    page.list("  disabled:", settings.disabled.iter().map(|(id, line)| (quoted(id), *line)).collect(), at);
    page.list("  replaces:", settings.replaces.iter().map(|(id, line)| (quoted(id), *line)).collect(), at);
    let (required, line) = settings.require_signature.map_or((false, None), |(required, line)| (required, Some(line)));
    page.line(&format!("  require_signature: {required}"), Some(at(line)));
    let keys = settings.trusted_keys.iter().map(|trusted| (quoted(&trusted.written), trusted.line));
    page.list("  trusted_keys:", keys.collect(), at);
    page.line("  limits:", None);
    for limit in &LIMITS {
        let line = settings.limits_set.get(limit.key).copied();
        page.line(&format!("    {}: {}", limit.key, limit.write((limit.get)(&settings.limits))), Some(at(line)));
    }
    page.line("  params:", None);
    let is_used = |id: &str| rules.iter().any(|rule| rule.id == id && rule.about.is_some() && !rule.disabled);
    for rule in rules {
        match &rule.about {
            // The one in its place has the same id.
            Some(_) if rule.disabled && is_used(&rule.id) => {}
            Some(about) if about.parameters.is_empty() => {}
            Some(about) => {
                page.line(&format!("    {}:", rule.id), None);
                about.parameters.iter().for_each(|parameter| self::parameter(rule, parameter, config, &mut page));
            }
            None => {
                let reason = rule.reason.as_deref().unwrap_or("it is switched off");
                page.comment(&format!("{} has no parameters: {reason}", rule.id));
            }
        }
    }
    if settings.objectives.is_empty() {
        page.line("slos: []", Some(at(None)));
    } else {
        page.line("slos:", None);
    }
    for (objective, line) in &settings.objectives {
        slo(objective, &config.at(*line), &mut page);
    }
    page.text
}

fn parameter(rule: &Described, parameter: &Parameter, config: &Config, page: &mut Page) {
    let Parameter { name, unit, value, .. } = parameter;
    let set = config.settings.parameters.get(&rule.id).and_then(|set| set.get(name));
    let of_bundle = rule.bundle.as_deref().filter(|bundle| bundle.parameters.contains_key(name));
    let origin = set.map_or_else(
        || {
            let of = |bundle: &OfBundle| format!("bundle {}, revision {}", bundle.name, bundle.revision);
            of_bundle.map_or_else(|| "default".to_owned(), of)
        },
        |set| match set.key.starts_with("rules.") {
            true => config.at(set.line),
            false => format!("{} ({})", config.at(set.line), set.key),
        },
    );
    page.line(&format!("      {name}: {}", quantity::write(*value, *unit)), Some(origin));
}

fn slo(objective: &Objective, origin: &str, page: &mut Page) {
    page.line(&format!("  - name: {}", quoted(&objective.name)), Some(origin.to_owned()));
    page.line("    selector:", None);
    let rule = objective.selector.rule.iter().map(|rule| ("rule", rule));
    let names = objective.selector.names.iter().map(|(key, pattern)| (key.as_str(), pattern));
    for (key, pattern) in rule.chain(names) {
        page.line(&format!("      {}: {}", quoted(key), quoted(pattern.as_str())), None);
    }
    if !objective.text.is_empty() {
        page.line(&format!("    text: {}", quoted(&objective.text)), None);
    }
}

/// A word as it is, anything else in quotes.
fn quoted(text: &str) -> String {
    let is_plain = |c: char| c.is_ascii_alphanumeric() || "_-./".contains(c);
    let is_word = text.starts_with(|c: char| c.is_ascii_alphabetic() || c == '/') && text.chars().all(is_plain);
    // `true` and `null` are no texts to other readers.
    let is_other = matches!(text.to_ascii_lowercase().as_str(), "null" | "true" | "false" | "yes" | "no" | "on" | "off");
    if is_word && !is_other { text.to_owned() } else { serde_json::Value::from(text).to_string() }
}

struct Page {
    text: String,
    origin: bool,
}

impl Page {
    fn line(&mut self, text: &str, origin: Option<String>) {
        self.text.push_str(text);
        if let Some(origin) = origin.filter(|_| self.origin) {
            let gap = ORIGINS.saturating_sub(text.chars().count()).max(2);
            self.text.push_str(&format!("{}# {}", " ".repeat(gap), origin.escape_debug()));
        }
        self.text.push('\n');
    }

    fn comment(&mut self, text: &str) {
        self.text.push_str(&format!("# {}\n", text.escape_debug()));
    }

    fn list(&mut self, key: &str, items: Vec<(String, usize)>, at: impl Fn(Option<usize>) -> String) {
        if items.is_empty() {
            return self.line(&format!("{key} []"), Some(at(None)));
        }
        self.line(key, None);
        for (item, line) in items {
            self.line(&format!("    - {item}"), Some(at(Some(line))));
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_another_reader_would_take_for_something_else_is_quoted() {
        for (text, written) in [
            ("disk-io-bottleneck", "disk-io-bottleneck"),
            ("/etc/kerno/rules", "/etc/kerno/rules"),
            ("checkout latency", "\"checkout latency\""),
            ("true", "\"true\""),
            ("No", "\"No\""),
            ("4121", "\"4121\""),
            ("*.service", "\"*.service\""),
            ("a: b", "\"a: b\""),
            ("say \"x\"\n", "\"say \\\"x\\\"\\n\""),
            ("", "\"\""),
        ] {
            assert_eq!(quoted(text), written);
        }
    }
}
