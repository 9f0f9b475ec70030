//! Components that were damaged at random: whatever becomes of them, the rules beside them are judged. `KERNO_MUTANTS=100000` makes more.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where it stopped")]
#![expect(clippy::print_stdout, reason = "how much was tried is told on standard output")]

use std::fs;
use std::path::Path;

use kerno::engine::{Limits, Runtime};
use kerno::findings::RuleStatus;

#[path = "hostile/components.rs"]
mod components;

use components::rule;

/// Of each kind of rule, unless the environment says otherwise.
const MUTANTS: u64 = 1_000;
/// So many lie beside two healthy rules at a time.
const BATCH: u64 = 50;

/// Small, and the same numbers in every run.
struct Random(u64);

impl Random {
    fn below(&mut self, bound: usize) -> usize {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        (self.0 % bound.max(1) as u64) as usize
    }
}

/// A copy with a few bytes changed, lost, doubled or added.
fn mutant(of: &[u8], random: &mut Random) -> Vec<u8> {
    let mut bytes = of.to_vec();
    for _ in 0..=random.below(2) {
        let at = random.below(bytes.len());
        let to = (at + 1 + random.below(16)).min(bytes.len());
        match random.below(24) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..to)),
            2 => bytes.extend_from_within(at..to),
            3 => bytes.insert(at, random.below(256) as u8),
            4..14 if at < bytes.len() => bytes[at] = random.below(256) as u8,
            _ if at < bytes.len() => bytes[at] ^= 1 << random.below(8),
            _ => {}
        }
    }
    bytes
}

/// The same rule under an id of as many letters, so that each has its own.
fn with_id(component: &[u8], id: &str) -> Vec<u8> {
    let at = component.windows(id.len()).position(|part| part == b"hostile").unwrap();
    [&component[..at], id.as_bytes(), &component[at + id.len()..]].concat()
}

#[test]
fn no_damage_reaches_the_rules_beside_it() {
    let mutants = std::env::var("KERNO_MUTANTS").ok().map_or(MUTANTS, |number| number.parse().unwrap());
    let fixture = Path::new(env!("CARGO_MANIFEST_DIR")).join("../rules-builtin/scheduler-contention/fixtures/fires-hogs.json");
    let window: kerno_signals::Snapshot = serde_json::from_str(&fs::read_to_string(fixture).unwrap()).unwrap();
    let window = postcard::to_stdvec(&window).unwrap();
    // One that does what it should, one that calls kerno, one that lays much into its memory: each damaged in all of its parts.
    let kinds = ["needs-sched", "long-parameter", "many-names"].map(rule);
    let mut random = Random(0x9e37_79b9_7f4a_7c15);
    let (mut loaded, mut refused) = (0_u64, 0_u64);
    for _ in 0..mutants.div_ceil(BATCH) {
        let directory = tempfile::tempdir().unwrap();
        fs::write(directory.path().join("a.wasm"), rule("healthy")).unwrap();
        fs::write(directory.path().join("z.wasm"), rule("second")).unwrap();
        for number in 0..BATCH {
            let named = with_id(&kinds[random.below(kinds.len())], &format!("host{number:03}"));
            fs::write(directory.path().join(format!("m{number:03}.wasm")), mutant(&named, &mut random)).unwrap();
        }
        let rules = Runtime::new(&Limits::default()).unwrap().load(&[], &[directory.path().to_owned()]).unwrap();
        let reports = rules.judge(&window).unwrap();
        let [first, damaged @ .., last] = reports.as_slice() else { panic!("{reports:#?}") };
        for (neighbour, id) in [(first, "healthy"), (last, "another")] {
            assert_eq!((neighbour.id.as_str(), neighbour.status), (id, RuleStatus::Fired), "{neighbour:#?}");
            assert_eq!(neighbour.findings.len(), 1);
        }
        for report in damaged {
            let has_reason = report.reason.as_ref().is_some_and(|reason| !reason.is_empty());
            assert!(report.status != RuleStatus::Failed || has_reason, "{report:#?}");
            *(if report.status == RuleStatus::Failed { &mut refused } else { &mut loaded }) += 1;
        }
    }
    println!("{loaded} of {} damaged components were judged, the others refused with a reason", loaded + refused);
    assert!(loaded > mutants / 100 && refused > mutants / 100, "all alike: nothing was tried");
}
