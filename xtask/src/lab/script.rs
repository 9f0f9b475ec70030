//! The shell script that a scenario is in the guest, and what comes back from it.

use super::scenario::Scenario;

const TEMPLATE: &str = include_str!("../../guest/scenario.sh");
const REPORT: &str = "kerno-lab: report\n";
const END: &str = "\nkerno-lab: end of report\n";

/// The script that the guest runs.
pub fn write(scenario: &Scenario) -> String {
    let parts = [("setup", &scenario.setup), ("load", &scenario.load), ("fault", &scenario.fault)];
    let files = parts.map(|(name, commands)| format!("cat > /tmp/{name}.sh <<'KERNO_LAB_END'\n{commands}\nKERNO_LAB_END\n"));
    let (window, settle) = (scenario.window.as_secs(), scenario.settle.as_secs());
    format!("{}window={window}\nsettle={settle}\n{TEMPLATE}", files.concat())
}

/// The report in what the guest printed.
pub fn report(output: &str) -> Option<&str> {
    output.split_once(REPORT)?.1.split_once(END).map(|(report, _)| report)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_report_is_between_its_marks() {
        assert_eq!(report("x\nkerno-lab: report\n{\n}\nkerno-lab: end of report\n"), Some("{\n}"));
        assert_eq!(report("x\nkerno-lab: report\n{"), None);
    }
}
