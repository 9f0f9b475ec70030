//! Commands about a control group, to paste: they work on v1 and v2.

use alloc::format;
use alloc::string::String;

use crate::Cgroup;
use crate::format::shell_quote;

impl Cgroup {
    /// Lists its processes and those of the groups below it, the largest first; `None` without a path of its own.
    #[must_use]
    pub fn largest_processes(&self) -> Option<String> {
        let [v2, v1] = self.directories("memory")?;
        Some(format!("ps -o pid,rss,comm --sort=-rss -p \"$(grep -rhs --include=cgroup.procs . {v2} {v1} | paste -sd,)\" | head"))
    }

    /// Shows control files of it by name, those that are there; `controller` is where v1 has them.
    #[must_use]
    pub fn show_files(&self, controller: &str, names: &str) -> Option<String> {
        let [v2, v1] = self.directories(controller)?;
        Some(format!("({{ cd {v2} 2> /dev/null || cd {v1}; }} && grep -s . {names})"))
    }

    fn directories(&self, controller: &str) -> Option<[String; 2]> {
        let path = self.path.as_deref().filter(|path| *path != "/")?;
        Some([shell_quote(&format!("/sys/fs/cgroup{path}")), shell_quote(&format!("/sys/fs/cgroup/{controller}{path}"))])
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_are_quoted_and_the_root_has_no_command() {
        let group = |path: &str| Cgroup { id: 1, path: Some(path.into()), unit: None, container: None };
        let files = group("/a b").show_files("memory", "memory.max memory.limit_in_bytes").unwrap();
        assert_eq!(
            files,
            "({ cd '/sys/fs/cgroup/a b' 2> /dev/null || cd '/sys/fs/cgroup/memory/a b'; } && grep -s . memory.max memory.limit_in_bytes)"
        );
        assert!(group("/x;y").largest_processes().unwrap().contains(" . '/sys/fs/cgroup/x;y' '/sys/fs/cgroup/memory/x;y' |"));
        assert_eq!((group("/").largest_processes(), group("/").show_files("cpu", "cpu.max")), (None, None));
    }
}
