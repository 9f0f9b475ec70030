//! Text reports against reviewed files in `tests/golden`.

use std::path::Path;

use kerno::report::{Style, markdown, pretty};

use crate::cases;

/// Name of a file's second half, and the style it shows.
pub fn styles() -> Vec<(&'static str, Style)> {
    vec![
        ("80", Style::terminal(80, false)),
        ("120", Style::terminal(120, false)),
        ("200", Style::terminal(200, false)),
        ("40", Style::terminal(40, false)),
        ("plain", Style::file(false).plain()),
        ("color", Style::terminal(80, true)),
    ]
}

#[test]
fn reports_look_as_reviewed() {
    let directory = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/golden");
    let bless = std::env::var_os("KERNO_BLESS").is_some();
    let mut different = Vec::new();
    for (name, report) in cases::all() {
        for (form, style) in styles() {
            let path = directory.join(format!("{name}-{form}.txt"));
            compare(&path, &pretty(&report, &style), bless, &mut different);
        }
        compare(&directory.join(format!("{name}.md")), &markdown(&report), bless, &mut different);
    }
    assert!(different.is_empty(), "reports differ (KERNO_BLESS=1 accepts them):\n{}", different.join("\n"));
}

pub fn compare(path: &Path, text: &str, bless: bool, different: &mut Vec<String>) {
    if bless {
        std::fs::create_dir_all(path.parent().unwrap()).unwrap();
        std::fs::write(path, text).unwrap();
    } else if std::fs::read_to_string(path).unwrap_or_default() != text {
        different.push(format!("{}:\n{text}", path.display()));
    }
}

#[test]
fn a_consequence_names_its_cause_and_the_cause_names_it() {
    let report = cases::linked();
    let rules: Vec<&str> = report.findings.iter().map(|finding| finding.rule.as_str()).collect();
    let expected =
        ["disk-io-bottleneck", "oom-imminent", "memory-pressure", "oom-kill", "syscall-latency", "scheduler-contention"];
    assert_eq!(rules, expected);
    for text in [pretty(&report, &Style::file(false)), markdown(&report)] {
        assert!(text.contains("2 faults: finding 1 explains 5; 2 explains 3 and 4"), "{text}");
        assert_eq!(text.matches("This also explains").count(), 3, "{text}");
        let joined = text.split(['│', '\n', ' ']).filter(|word| !word.is_empty()).collect::<Vec<_>>().join(" ");
        assert!(joined.contains("Follows from finding 1 (fsync on /var/lib/postgresql takes 312 ms)"), "{joined}");
        assert!(!text.contains("What syscall-latency thinks") && text.contains("What oom-imminent thinks"), "{text}");
        assert!(text.contains("reached in 1 min 30 s"), "{text}");
        // Two findings ask for it.
        assert_eq!(text.matches("See who uses memory now (finding").count(), 1, "{text}");
    }
}

#[test]
fn what_is_not_shown_is_named_by_nothing_that_is() {
    let mut report = cases::linked();
    report.only_critical();
    let rules: Vec<&str> = report.findings.iter().map(|finding| finding.rule.as_str()).collect();
    assert_eq!((rules.as_slice(), report.hidden), (["disk-io-bottleneck", "oom-kill"].as_slice(), 4));
    assert!(report.findings.iter().all(|finding| finding.consequences.is_empty()));
    assert!(pretty(&report, &Style::file(false)).contains("What oom-kill thinks of it by itself."));
}

#[test]
fn names_of_10_kib_with_control_characters_stay_readable() {
    let long = "a\u{1b}[2J`|*\u{202e}\r\nx_<b>".repeat(640);
    assert!(long.len() > 10_240);
    let mut report = cases::linked();
    report.host.name.clone_from(&long);
    report.host.cluster = Some(long.clone());
    for finding in &mut report.findings {
        finding.entity.names.insert("comm".into(), long.clone());
        (finding.title, finding.cause, finding.impact) = (long.clone(), long.clone(), long.clone());
        finding.signal.name.clone_from(&long);
        finding.evidence[..].iter_mut().for_each(|evidence| evidence.key.clone_from(&long));
    }
    for rule in &mut report.rules {
        (rule.id, rule.reason) = (long.clone(), Some(long.clone()));
    }
    let is_bad = |c: char| (c.is_control() && c != '\n') || c == '\u{202e}';
    for width in [40, 80, 200] {
        let text = pretty(&report, &Style::terminal(width, false));
        assert!(!text.contains(is_bad), "{width}");
        let commands: Vec<&str> = report.findings.iter().flat_map(|one| &one.fixes).map(|fix| fix.command.as_str()).collect();
        let widest = text.lines().filter(|line| !commands.contains(&line.trim())).map(textwrap::core::display_width).max();
        assert!(widest <= Some(width), "{width}: {widest:?}");
        assert!(text.contains('…'), "a name on a terminal loses its middle");
    }
    let whole = kept(&long);
    for text in [pretty(&report, &Style::file(false)), markdown(&report)] {
        assert!(!text.contains(is_bad));
        assert!(kept(&text).contains(&whole), "names are whole where no terminal is written to");
    }
}

/// Letters and digits of a text, as they are when nothing is escaped.
fn kept(text: &str) -> String {
    text.replace("\\u{1b}", "")
        .replace("\\u{202e}", "")
        .replace("\\r\\n", "")
        .chars()
        .filter(|c| c.is_ascii_alphanumeric())
        .collect()
}

#[test]
fn lines_keep_to_the_width_but_for_commands() {
    for (name, report) in cases::all() {
        let commands: Vec<&str> =
            report.findings.iter().flat_map(|finding| &finding.fixes).map(|fix| fix.command.as_str()).collect();
        for width in [40, 60, 80, 100, 120, 200] {
            for line in pretty(&report, &Style::terminal(width, false)).lines() {
                let columns = textwrap::core::display_width(line);
                assert!(columns <= width || commands.contains(&line.trim()), "{name} at {width}: {columns} columns: {line}");
            }
        }
    }
}

#[test]
fn no_width_panics_and_commands_are_whole_at_any() {
    for (name, report) in cases::all() {
        for width in (0..60).chain([1_000, usize::MAX]) {
            let text = pretty(&report, &Style::terminal(width, true).plain());
            for fix in report.findings.iter().flat_map(|finding| &finding.fixes) {
                assert!(text.lines().any(|line| line.trim() == fix.command), "{name} at {width}: {}", fix.command);
            }
        }
    }
}

#[test]
fn plain_is_ascii_and_nothing_but_colour_escapes() {
    for (name, report) in cases::all() {
        let plain = pretty(&report, &Style::file(true).plain());
        assert!(plain.is_ascii() && !plain.contains('\u{1b}'), "{name}:\n{plain}");
        let colored = pretty(&report, &Style::terminal(80, true));
        let uncolored = pretty(&report, &Style::terminal(80, false));
        assert!(!uncolored.contains('\u{1b}'), "{name}");
        assert_eq!(anstream::adapter::strip_str(&colored).to_string(), uncolored, "{name}: colour changes more than colour");
    }
}

#[test]
fn names_are_whole_when_no_terminal_is_written_to() {
    let report = cases::hostile_names();
    let name = &report.findings[0].entity.names["cgroup"];
    assert!(pretty(&report, &Style::file(false)).contains(name.as_str()));
}
