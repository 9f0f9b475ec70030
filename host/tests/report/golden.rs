//! Text reports against reviewed files in `tests/golden`.

use std::path::Path;

use kerno::report::{Style, pretty};

use crate::cases;

/// Name of a file's second half, and the style it shows.
pub fn styles() -> Vec<(&'static str, Style)> {
    vec![
        ("80", Style::terminal(80, false)),
        ("120", Style::terminal(120, false)),
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
            let text = pretty(&report, &style);
            if bless {
                std::fs::create_dir_all(&directory).unwrap();
                std::fs::write(&path, &text).unwrap();
            } else if std::fs::read_to_string(&path).unwrap_or_default() != text {
                different.push(format!("{}:\n{text}", path.display()));
            }
        }
    }
    assert!(different.is_empty(), "reports differ (KERNO_BLESS=1 accepts them):\n{}", different.join("\n"));
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
