//! Errors as the loader makes them, and the sentence each becomes.

use super::*;
use crate::platform::capabilities::Capabilities;

/// Shaped as the loader's: the message of the outer error holds that of the inner one and the verifier's log.
#[derive(Debug, thiserror::Error)]
enum Loader {
    #[error("program error: the BPF_PROG_LOAD syscall returned {error}. Verifier output: {log}")]
    Program {
        #[source]
        error: io::Error,
        log: &'static str,
    },
    #[error("map error: failed to create map `{name}`")]
    Map {
        name: &'static str,
        #[source]
        error: io::Error,
    },
    #[error("`{call}` failed")]
    Call {
        call: &'static str,
        #[source]
        error: io::Error,
    },
    #[error("BTF error: unknown type `{0}`")]
    Type(&'static str),
}

fn program(code: i32, log: &'static str) -> Loader {
    Loader::Program { error: io::Error::from_raw_os_error(code), log }
}

fn map(code: i32) -> Loader {
    Loader::Map { name: "DELAYS", error: io::Error::from_raw_os_error(code) }
}

fn call(call: &'static str, code: i32) -> Loader {
    Loader::Call { call, error: io::Error::from_raw_os_error(code) }
}

/// Root on an ordinary host.
fn ordinary() -> Facts {
    Facts {
        release: "6.12.48-amd64".to_owned(),
        capabilities: Some(Capabilities(u64::MAX)),
        user_namespace: false,
        seccomp: false,
        btf: true,
        sysfs: true,
        tracing: Tracing::Present,
        tracefs: true,
        lockdown: Lockdown::None,
        locked_memory: Some(64 << 10),
        open_files: Some(1_024),
        perf_event_paranoid: Some(3),
    }
}

fn check(error: &Loader, facts: &Facts, reason: &str, fix: &str) {
    let explained = explain(error, facts);
    assert!(explained.reason.contains(reason), "{explained:?}");
    assert!(explained.fix.contains(fix), "{explained:?}");
    assert!(!explained.reason.contains('\n') && !explained.fix.contains('\n'), "one line each: {explained:?}");
}

#[test]
fn missing_capabilities_are_named() {
    let none = Facts { capabilities: Some(Capabilities(0)), ..ordinary() };
    check(&map(EPERM), &none, "lacks CAP_BPF and CAP_PERFMON", "setcap cap_bpf,cap_perfmon");
    let own = std::env::current_exe().unwrap();
    check(&map(EPERM), &none, "", &format!("cap_dac_read_search+ep '{}'", own.display()));
    let bpf_only = Facts { capabilities: Some(Capabilities(1 << 39)), ..ordinary() };
    check(&program(EPERM, ""), &bpf_only, "lacks CAP_PERFMON to load", "as root");
    check(&program(EACCES, "R1 pointer arithmetic prohibited\nprocessed 9 insns"), &bpf_only, "lacks CAP_PERFMON", "as root");
}

#[test]
fn root_of_a_user_namespace_is_not_root() {
    check(&map(EPERM), &Facts { user_namespace: true, ..ordinary() }, "user namespace", "host's user namespace");
}

#[test]
fn refusal_in_spite_of_the_capabilities() {
    check(&map(EPERM), &Facts { seccomp: true, ..ordinary() }, "seccomp filter", "allow bpf");
    check(&program(EPERM, ""), &ordinary(), "security module", "dmesg");
}

#[test]
fn locked_memory_of_old_kernels() {
    let old = Facts { release: "5.10.0-33-amd64".to_owned(), ..ordinary() };
    check(&map(EPERM), &old, "locked memory (64 KiB) is too small", "LimitMEMLOCK");
    check(&program(EPERM, ""), &old, "locked memory", "LimitMEMLOCK");
    check(&map(EPERM), &Facts { locked_memory: None, ..old }, "security module", "dmesg");
    let new = explain(&map(EPERM), &ordinary());
    assert!(!new.reason.contains("locked memory"), "since 5.11 the control group pays: {new:?}");
}

#[test]
fn a_limit_is_told_by_its_own_name() {
    // Where no file can be opened, none of the facts can be read either.
    let unread = Facts {
        release: String::new(),
        capabilities: None,
        btf: false,
        sysfs: true,
        tracing: Tracing::Unknown,
        tracefs: false,
        open_files: Some(64),
        ..ordinary()
    };
    for facts in [&unread, &Facts { open_files: Some(64), release: "5.10.0-33-amd64".to_owned(), ..ordinary() }] {
        for error in [map(EMFILE), program(EMFILE, ""), call("perf_event_open", EMFILE), call("open tracefs", EMFILE)] {
            check(&error, facts, "as many files open as it may (RLIMIT_NOFILE is 64)", "LimitNOFILE=");
        }
        check(&map(ENFILE), facts, "the system has as many files open as it may (fs.file-max)", "fs.file-max");
        check(&call("mmap", EAGAIN), facts, "as much memory locked as it may (RLIMIT_MEMLOCK", "LimitMEMLOCK");
        check(&call("mmap", EAGAIN), facts, "`mmap` failed", "ulimit -l");
        check(&call("spawn", EAGAIN), facts, "as many threads as it may (RLIMIT_NPROC", "TasksMax");
        check(&program(EAGAIN, "processed 7 insns"), facts, "a signal interrupted", "again");
    }
}

#[test]
fn perf_events_that_are_refused() {
    let refused = call("perf_event_open", EACCES);
    check(
        &refused,
        &ordinary(),
        "perf events are refused (kernel.perf_event_paranoid is 3)",
        "sysctl kernel.perf_event_paranoid=2",
    );
}

#[test]
fn lockdown() {
    let locked = Facts { lockdown: Lockdown::Confidentiality, ..ordinary() };
    check(&program(EPERM, ""), &locked, "confidentiality", "lockdown=integrity");
    check(
        &program(EINVAL, "program of this type cannot use helper bpf_probe_read_kernel#113"),
        &locked,
        "confidentiality",
        "/proc",
    );
    let integrity = explain(&map(ENOMEM), &Facts { lockdown: Lockdown::Integrity, ..ordinary() });
    assert!(!integrity.reason.contains("lock"), "{integrity:?}");
}

#[test]
fn kernels_without_type_information_or_tracing() {
    let no_btf = Facts { btf: false, tracing: Tracing::Unknown, ..ordinary() };
    check(&call("open", ENOENT), &no_btf, "/sys/kernel/btf/vmlinux", "CONFIG_DEBUG_INFO_BTF");
    let no_events = Facts { tracing: Tracing::Absent, tracefs: false, release: "6.18.1".to_owned(), ..ordinary() };
    check(&Loader::Type("btf_trace_sched_switch"), &no_events, "CONFIG_BPF_EVENTS", "CONFIG_BPF_EVENTS=y");
    check(&program(EINVAL, ""), &no_events, "CONFIG_BPF_EVENTS", "distributions");
    let unmounted = Facts { tracefs: false, ..ordinary() };
    check(&call("open tracefs", ENOENT), &unmounted, "tracefs is not mounted", "mount -t tracefs");
}

#[test]
fn no_privilege_is_told_before_a_missing_feature() {
    let facts = Facts { capabilities: Some(Capabilities(0)), btf: false, ..ordinary() };
    check(&map(EPERM), &facts, "lacks CAP_BPF", "setcap");
}

#[test]
fn old_kernels_and_other_codes() {
    check(&program(EINVAL, ""), &Facts { release: "5.4.0".to_owned(), ..ordinary() }, "Linux 5.4.0, 5.8 needed", "upgrade");
    check(&map(ENOSYS), &ordinary(), "CONFIG_BPF_SYSCALL", "CONFIG_BPF_SYSCALL=y");
    check(&map(ENOMEM), &ordinary(), "no memory", "memory limit");
    check(&call("bpf_raw_tracepoint_open", ENOTSUPP), &ordinary(), "cannot attach", "bpf_jit_enable");
    check(&map(E2BIG), &ordinary(), "does not know a part", "upgrade");
}

#[test]
fn the_verifiers_verdict_is_one_line() {
    let log = "func#0 @0\n0: R1=ctx() R10=fp0\n; let slot = index(delay);\n12: (79) r1 = *(u64 *)(r2 +8)\n\
        invalid access to map value, value_size=8 off=512 size=8\nR2 min value is outside of the allowed memory range\n\
        processed 812 insns (limit 1000000) max_states_per_insn 4 total_states 40 peak_states 40 mark_read 9\n";
    let error = Loader::Program { error: io::Error::from_raw_os_error(EACCES), log };
    check(&error, &ordinary(), "refused a program on Linux 6.12.48-amd64: R2 min value is outside", "log level debug");
    check(&program(EINVAL, "unknown func bpf_new#999\nprocessed 3 insns\n"), &ordinary(), "unknown func bpf_new#999", "debug");
}

#[test]
fn anything_else_keeps_its_words_without_repeating_them() {
    let explained = explain(&call("bpf_link_create", EINVAL), &ordinary());
    assert_eq!(explained.reason, "`bpf_link_create` failed: Invalid argument (os error 22)");
    let explained = explain(&program(EINVAL, ""), &ordinary());
    assert_eq!(explained.reason.matches("Invalid argument").count(), 1, "{explained:?}");
}

#[test]
fn an_object_that_is_not_built_in() {
    let explained = not_built_in("sched");
    assert!(explained.reason.contains("sched") && explained.fix.contains("cargo xtask build"), "{explained:?}");
}
