//! Names that others choose, of processes, control groups and mounts, can neither move the cursor nor forge a line of a report.

use std::{fs::File, io::Write, path::Path};

use serde_json::Value;

use crate::{
    guest::{Load, cgroup, sleep, write},
    launch::Launch,
    process::{Process, set_name},
    sync::slow_file_system,
};

/// Clears the screen, begins a line, rings the bell, deletes, begins a sequence in one character.
const COMM: &std::ffi::CStr = c"\x1b[2Jevil\n\r\x07\x7f\xc2\x9b";
/// Colours, begins the line anew, steps back, reorders what follows.
const GROUP: &str = "evil\u{1b}[31m\r\u{8}\u{202e}group";
const MOUNT: &str = "/mnt/evil\u{1b}]0;title\u{7}\nmount";

/// What a doctor prints of a process with such names whose every sync is slow, and of a crowd in such a group.
fn told(form: &str, group: &Path) -> String {
    // It ends before the judging, which takes long enough.
    let hog = || Load::start("exec timeout 25 sh -c 'while :; do :; done'", Some(group));
    let _crowd: Vec<_> = (0..6).map(|_| hog()).collect();
    let arguments = ["doctor", "-d", "5s", "-q", "--color", "never", "-o", form];
    let output = Launch::least().start(&arguments).wait_with_output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn strings(value: &Value, found: &mut Vec<String>) {
    match value {
        Value::String(text) => found.push(text.clone()),
        Value::Array(all) => all.iter().for_each(|value| strings(value, found)),
        Value::Object(all) => all.values().for_each(|value| strings(value, found)),
        _ => {}
    }
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn names_with_control_characters_leave_reports_printable() {
    let disk = slow_file_system(MOUNT, 50);
    let group = cgroup(GROUP);
    let _process = Process::start_then(
        || {
            set_name(COMM);
            write(group.join("cgroup.procs"), "0");
        },
        || {
            let mut file = File::create(format!("{MOUNT}/file")).unwrap();
            loop {
                file.write_all(b"x").unwrap();
                file.sync_all().unwrap();
            }
        },
    );
    sleep(500);
    for form in ["pretty", "plain", "json"] {
        let text = told(form, &group);
        println!("measured: {form}: {:?}", text.lines().filter(|line| line.contains("evil")).collect::<Vec<_>>());
        let is_printable = |character: char| match form {
            "pretty" => !character.is_control() && character != '\u{202e}',
            "plain" => character == ' ' || character.is_ascii_graphic(),
            // What reads it may show it; a terminal that it is printed on must not obey it.
            _ => !character.is_control(),
        };
        let hidden: Vec<_> = text.chars().filter(|character| *character != '\n' && !is_printable(*character)).collect();
        assert!(hidden.is_empty(), "{form}: {hidden:?} in {text}");
        assert!(text.contains("evil"), "{form}: nothing of the process: {text}");
        assert!(!text.lines().any(|line| line.starts_with("mount")), "{form}: a line was forged: {text}");
        if form == "json" {
            let mut found = vec![];
            strings(&serde_json::from_str(&text).unwrap(), &mut found);
            for name in ["group", "mount"] {
                assert!(found.iter().any(|text| text.contains("evil") && text.contains(name)), "no {name}: {found:#?}");
            }
        }
    }
    drop(disk);
}
