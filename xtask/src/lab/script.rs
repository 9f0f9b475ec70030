//! The shell script that a scenario is in the guest, and what comes back from it.

use super::scenario::Scenario;

const TEMPLATE: &str = include_str!("../../guest/scenario.sh");
const END: &str = "\nkerno-lab: end\n";

/// The script that the guest runs; with `naive` other tools measure beside kerno, with `record` the window comes back as a recording.
pub fn write(scenario: &Scenario, naive: bool, record: bool) -> String {
    let parts = [("setup", &scenario.setup), ("load", &scenario.load), ("fault", &scenario.fault), ("proof", &scenario.proof)];
    let files = parts.map(|(name, commands)| format!("cat > /tmp/{name}.sh <<'KERNO_LAB_END'\n{commands}\nKERNO_LAB_END\n"));
    let (window, settle) = (scenario.window.as_secs(), scenario.settle.as_secs());
    let (naive, record) = (if naive { "1" } else { "" }, if record { "1" } else { "" });
    format!("{}window={window}\nsettle={settle}\nnaive={naive}\nrecord={record}\n{TEMPLATE}", files.concat())
}

/// The part of this name in what the guest printed: `report`, or one of those that naive thresholds are held against.
pub fn part<'a>(output: &'a str, name: &str) -> Option<&'a str> {
    output.split_once(&format!("kerno-lab: {name}\n"))?.1.split_once(END).map(|(part, _)| part)
}

/// What the guest printed but for the recording, which people do not read.
pub fn without_recording(output: &str) -> String {
    match part(output, "recording") {
        Some(recording) => output.replace(recording, ""),
        None => output.to_owned(),
    }
}

/// What the script says went wrong, in brackets; nothing when it does not say.
pub fn failure(output: &str) -> String {
    let said = output.lines().find_map(|line| line.strip_prefix("kerno-lab: ").filter(|said| said.contains(' ')));
    said.map(|said| format!(" ({})", said.trim_start_matches("the "))).unwrap_or_default()
}

/// Why the scenario did not do what it says.
pub fn void(output: &str) -> Option<&str> {
    output.lines().find_map(|line| line.strip_prefix("kerno-lab: void: "))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_between_their_marks() {
        let output = "x\nkerno-lab: report\n{\n}\nkerno-lab: end\nkerno-lab: runqlat\n\nkerno-lab: end\n";
        assert_eq!((part(output, "report"), part(output, "runqlat"), part(output, "ss")), (Some("{\n}"), Some(""), None));
        assert_eq!(part("x\nkerno-lab: report\n{", "report"), None);
    }

    #[test]
    fn a_recording_is_not_printed() {
        let output = "a\nkerno-lab: recording\n{1}\nkerno-lab: end\nb";
        assert_eq!(without_recording(output), "a\nkerno-lab: recording\n\nkerno-lab: end\nb");
        assert_eq!(without_recording("a"), "a");
    }

    #[test]
    fn a_void_scenario_says_why() {
        assert_eq!(void("a\nkerno-lab: void: no burst\nb"), Some("no burst"));
        assert_eq!(void("void: no"), None);
    }

    #[test]
    fn a_script_that_fails_says_where() {
        assert_eq!(failure("kerno-lab: before\nx\nkerno-lab: the setup failed\n"), " (setup failed)");
        assert_eq!(failure("kerno-lab: report\n"), "");
    }
}
