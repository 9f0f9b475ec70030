//! Numbers, not verdicts: what the sched program costs, and how its distribution compares, beside libbpf-tools' `runqlat`.

use std::{
    fs,
    process::{Command, Stdio},
};

use kerno::collector::{Collectors, Options};

use crate::guest::{Load, cgroup, sleep};

/// Two processes on one CPU that hand a byte back and forth, and a crowd.
fn load() -> Vec<Load> {
    let crowd = cgroup("crowd");
    let mut loads: Vec<_> = (0..6).map(|_| Load::hog(Some(&crowd))).collect();
    loads.push(Load::start("while :; do sleep 0.002; done", None));
    loads.push(Load::start("while :; do echo x; done | cat > /dev/null", None));
    loads
}

/// Run time and run count of all tracing programs of the kernel, by name.
fn programs() -> Vec<(String, u64, u64)> {
    let output = Command::new("bpftool").args(["-j", "prog", "show"]).output().unwrap();
    let all: serde_json::Value = serde_json::from_slice(&output.stdout).unwrap();
    let field = |program: &serde_json::Value, name: &str| program[name].as_u64().unwrap_or(0);
    all.as_array()
        .unwrap()
        .iter()
        .filter(|program| program["type"] == "tracing" || program["type"] == "raw_tracepoint")
        .map(|program| {
            let name = program["name"].as_str().unwrap_or_default().to_owned();
            (name, field(program, "run_time_ns"), field(program, "run_cnt"))
        })
        .collect()
}

fn cost(who: &str, programs: &[(String, u64, u64)]) {
    let time: u64 = programs.iter().map(|(_, time, _)| time).sum();
    let switches = programs.iter().filter(|(name, ..)| name.contains("switch")).map(|(.., count)| *count).max().unwrap_or(0);
    println!("measured: {who} {:.0} ns a switch, wake-ups included", time as f64 / switches.max(1) as f64);
    for (name, time, count) in programs {
        println!("measured:   {name} {:.0} ns × {count}", *time as f64 / (*count).max(1) as f64);
    }
}

#[test]
#[ignore = "needs a guest: cargo xtask vm"]
fn measure_cost_of_a_switch_beside_runqlat() {
    fs::write("/proc/sys/kernel/bpf_stats_enabled", "1").unwrap();
    let _load = load();
    sleep(1_000);
    let collectors = Collectors::start(&Options { ebpf: true });
    sleep(3_000);
    cost("kerno", &programs().into_iter().filter(|(name, ..)| name == "sched_switch").collect::<Vec<_>>());
    let collected = collectors.finish();
    let told = collected.sched.unwrap();
    let quantile = |q| told.host.quantile_ns(q).unwrap_or(0) / 1_000;
    println!("measured: kerno p50 {} µs, p99 {} µs of {} waits", quantile(0.5), quantile(0.99), told.host.count);
    let Ok(mut peer) = Command::new("runqlat").args(["12", "1"]).stdout(Stdio::piped()).spawn() else {
        println!("measured: runqlat is not in this guest");
        return;
    };
    // It takes some seconds to begin; the averages are those of the same load.
    sleep(11_000);
    cost("runqlat", &programs());
    let mut text = String::new();
    std::io::Read::read_to_string(peer.stdout.as_mut().unwrap(), &mut text).unwrap();
    peer.wait().unwrap();
    text.lines().for_each(|line| println!("measured:   {line}"));
}
