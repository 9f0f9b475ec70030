//! Rules that change while they judge: by real files, the kernel's notifications and the process that judges.
//! `KERNO_RELOADS=1000` makes more of the histories.
#![expect(clippy::unwrap_used, clippy::panic, reason = "a test that cannot go on says where it stopped")]
#![expect(clippy::print_stdout, reason = "what was measured is told on standard output")]

use std::collections::BTreeMap;
use std::fs;
use std::os::unix::fs::symlink;
use std::path::{Path, PathBuf};
use std::thread;
use std::time::{Duration, Instant, SystemTime};

use kerno::bundle::{Entry, Manifest, Policy};
use kerno::engine::{Fingerprint, Limits, Settings};
use kerno::findings::{RuleReport, RuleStatus};
use kerno::reload::{Judgement, Live, Rules};

#[path = "hostile/components.rs"]
mod components;
#[path = "../benches/judge/families.rs"]
mod families;
#[path = "../benches/judge/host.rs"]
mod host;

/// Histories, unless the environment says otherwise.
const HISTORIES: usize = 12;
/// From one judgement to the next.
const EVERY: Duration = Duration::from_millis(100);
/// How long a change may take where machines are shared and slow; how long it took is printed.
const PATIENCE: Duration = Duration::from_secs(20);

fn live(directories: &[&Path]) -> Live {
    let rules = Rules {
        program: PathBuf::from(env!("CARGO_BIN_EXE_kerno")),
        built_in: Vec::new(),
        directories: directories.iter().map(|directory| directory.to_path_buf()).collect(),
        settings: Settings::default(),
        limits: Limits::default(),
        policy: Policy::default(),
    };
    Live::start(rules, || {}).unwrap()
}

/// One of two rules, in one of a thousand versions.
fn rule(name: &str, version: usize) -> Vec<u8> {
    let (component, digits) = (components::rule(name), [version / 100 % 10, version / 10 % 10, version % 10]);
    let new = format!("{}.{}.{}", digits[0], digits[1], digits[2]);
    let at = component.windows(5).position(|part| part == b"1.0.0").unwrap();
    // The contract's version has the same length, and stands in many places; the rule's own stands alone.
    let own = (at..component.len() - 5).find(|at| &component[*at..at + 5] == b"1.0.0" && component[at - 1] != b'@').unwrap();
    [&component[..own], new.as_bytes(), &component[own + 5..]].concat()
}

fn window() -> Vec<u8> {
    postcard::to_allocvec(&host::host(30, 100)).unwrap()
}

fn versions(judgement: &Judgement) -> Vec<String> {
    judgement.reports.iter().map(|report| report.version.clone().unwrap_or_default()).collect()
}

/// Judges until something holds.
fn until(live: &mut Live, what: &str, holds: impl Fn(&Judgement) -> bool) -> Judgement {
    let (begun, window) = (Instant::now(), window());
    loop {
        let judgement = live.judge(&window).unwrap();
        if holds(&judgement) {
            return judgement;
        }
        assert!(begun.elapsed() < PATIENCE, "{what}: {:#?}", judgement.reports);
        thread::sleep(Duration::from_millis(5));
    }
}

fn only(judgement: &Judgement) -> &RuleReport {
    let [report] = &judgement.reports[..] else { panic!("{:#?}", judgement.reports) };
    report
}

/// Publishes a set as Kubernetes does.
fn publish(directory: &Path, number: usize, files: &[(&str, Vec<u8>)]) {
    let (new, old) = (directory.join(format!("..{number}")), fs::canonicalize(directory.join("..data")).ok());
    fs::create_dir(&new).unwrap();
    for (name, bytes) in files {
        fs::write(new.join(name), bytes).unwrap();
    }
    symlink(new.file_name().unwrap(), directory.join("..data_tmp")).unwrap();
    fs::rename(directory.join("..data_tmp"), directory.join("..data")).unwrap();
    for (name, _) in files {
        drop(symlink(Path::new("..data").join(name), directory.join(name)));
    }
    for entry in fs::read_dir(directory).unwrap().map(Result::unwrap) {
        if entry.file_type().unwrap().is_symlink() && !entry.path().exists() {
            fs::remove_file(entry.path()).unwrap();
        }
    }
    old.iter().for_each(|old| fs::remove_dir_all(old).unwrap());
}

#[test]
fn a_published_set_is_in_force_whole_and_no_judgement_is_missed() {
    let histories = std::env::var("KERNO_RELOADS").ok().map_or(HISTORIES, |number| number.parse().unwrap());
    let directory = tempfile::tempdir().unwrap();
    let set = |version| [("a.wasm", rule("healthy", version)), ("b.wasm", rule("second", version))];
    publish(directory.path(), 0, &set(0));
    let (mut live, window) = (live(&[directory.path()]), window());
    let mut shown = versions(&live.judge(&window).unwrap());
    assert_eq!(shown, ["0.0.0", "0.0.0"]);
    let (mut judged, mut late, mut generation) = (1_u64, Vec::new(), 1);
    for version in 1..=histories {
        let wanted = format!("{}.{}.{}", version / 100 % 10, version / 10 % 10, version % 10);
        publish(directory.path(), version, &set(version));
        let published = Instant::now();
        // When each is due does not depend on how long the one before took.
        let mut due = published;
        loop {
            let judgement = live.judge(&window).unwrap();
            judged += 1;
            assert!(judgement.reports.iter().all(|report| report.status == RuleStatus::Fired), "{:#?}", judgement.reports);
            let now = versions(&judgement);
            assert_eq!(now[0], now[1], "half of one set and half of the next");
            assert!(now == shown || now[0] == wanted, "neither the newest nor the one before: {now:?}");
            assert!(judgement.generation >= generation && (judgement.generation > generation) == (now != shown), "{now:?}");
            (shown, generation) = (now, judgement.generation);
            if shown[0] == wanted {
                break;
            }
            assert!(published.elapsed() < PATIENCE, "{wanted} is not in force: {shown:?}");
            due += EVERY;
            thread::sleep(due.saturating_duration_since(Instant::now()));
        }
        late.push(published.elapsed());
    }
    late.sort();
    let at = |share: f64| late[((late.len() - 1) as f64 * share) as usize];
    println!(
        "{judged} judgements over {histories} sets: in force by the next one after p50 {:?}, p99 {:?}, max {:?}",
        at(0.5),
        at(0.99),
        at(1.0)
    );
}

#[test]
fn what_does_not_load_leaves_the_last_good_version_and_says_so() {
    let directory = tempfile::tempdir().unwrap();
    let (path, beside) = (directory.path().join("a.wasm"), directory.path().join(".a.wasm.swp"));
    fs::write(&path, rule("healthy", 100)).unwrap();
    let mut live = live(&[directory.path()]);
    assert_eq!(only(&live.judge(&window()).unwrap()).version.as_deref(), Some("1.0.0"));

    let newer = rule("healthy", 110);
    fs::write(&path, &newer[..newer.len() / 2]).unwrap();
    let kept = until(&mut live, "torn", |judgement| only(judgement).reason.is_some());
    let reason = only(&kept).reason.clone().unwrap();
    assert_eq!((only(&kept).status, only(&kept).version.as_deref(), kept.generation), (RuleStatus::Fired, Some("1.0.0"), 1));
    assert!(reason.contains("its last good version is in force") && reason.contains("truncated"), "{reason}");

    fs::write(&path, &newer).unwrap();
    let mended = until(&mut live, "mended", |judgement| only(judgement).version.as_deref() == Some("1.1.0"));
    assert_eq!((only(&mended).reason.as_deref(), mended.generation), (None, 2));

    fs::remove_file(&path).unwrap();
    symlink(directory.path().join("nothing"), &path).unwrap();
    until(&mut live, "dangling", |judgement| only(judgement).reason.as_deref().is_some_and(|why| why.contains("cannot be read")));

    fs::write(&beside, rule("healthy", 120)).unwrap();
    fs::rename(&beside, &path).unwrap();
    until(&mut live, "an editor's dance", |judgement| only(judgement).version.as_deref() == Some("1.2.0"));

    fs::write(directory.path().join("healthy.disabled"), "").unwrap();
    until(&mut live, "switched off", |judgement| only(judgement).status == RuleStatus::Disabled);
    fs::remove_file(directory.path().join("healthy.disabled")).unwrap();
    until(&mut live, "switched on", |judgement| only(judgement).status == RuleStatus::Fired);

    fs::remove_file(&path).unwrap();
    until(&mut live, "deleted", |judgement| judgement.reports.is_empty());
}

/// A bundle of two rules, published as Kubernetes does.
fn publish_bundle(directory: &Path, number: usize, revision: u64, version: usize, expires: Option<SystemTime>) {
    let (a, b) = (rule("healthy", version), rule("second", version));
    let [x, y, z] = [version / 100 % 10, version / 10 % 10, version % 10];
    let entry = |id: &str, file: &str, bytes: &[u8]| Entry {
        id: id.to_owned(),
        version: format!("{x}.{y}.{z}"),
        file: file.to_owned(),
        sha256: Fingerprint::of(bytes).sha256,
        replaces: false,
        params: BTreeMap::new(),
    };
    let rules = vec![entry("healthy", "a.wasm", &a), entry("another", "b.wasm", &b)];
    let expires = expires.map(|time| humantime::format_rfc3339_seconds(time).to_string());
    let manifest = Manifest { name: "site".to_owned(), revision, expires, rules }.write();
    publish(directory, number, &[("a.wasm", a), ("b.wasm", b), ("bundle.yaml", manifest.into_bytes())]);
}

#[test]
fn a_bundle_is_in_force_as_a_whole_or_as_it_was() {
    let directory = tempfile::tempdir().unwrap();
    publish_bundle(directory.path(), 0, 5, 100, None);
    let mut live = live(&[directory.path()]);
    assert_eq!(versions(&live.judge(&window()).unwrap()), ["1.0.0", "1.0.0"]);
    let refused_at = |live: &mut Live, what: &str, why: &str, kept: [&str; 2]| {
        let says = |report: &RuleReport| report.reason.as_deref().is_some_and(|reason| reason.contains(why));
        let all_say = |judgement: &Judgement| judgement.reports.len() == 3 && judgement.reports.iter().all(says);
        assert_eq!(versions(&until(live, what, all_say))[..2], kept, "{what}");
    };
    let refused = |live: &mut Live, what: &str, why: &str| refused_at(live, what, why, ["1.0.0", "1.0.0"]);
    publish_bundle(directory.path(), 1, 4, 200, None);
    refused(&mut live, "an older one", "it is older than what was accepted before");
    publish_bundle(directory.path(), 2, 5, 200, None);
    refused(&mut live, "another one of the same revision", "it holds something else than the revision 5");
    publish(directory.path(), 3, &[("a.wasm", rule("healthy", 300)), ("bundle.yaml", b"name: site\n".to_vec())]);
    refused(&mut live, "a manifest that is none", "bundle.yaml");
    publish_bundle(directory.path(), 4, 6, 300, None);
    let newer = until(&mut live, "a newer one", |judgement| judgement.reports.len() == 2);
    assert_eq!(versions(&newer), ["3.0.0", "3.0.0"]);
    publish_bundle(directory.path(), 5, 7, 300, Some(SystemTime::now() + Duration::from_secs(4)));
    let generation = newer.generation;
    until(&mut live, "the same rules, and another manifest", |judgement| judgement.generation == generation + 1);
    let expired = |judgement: &Judgement| {
        let says = |report: &RuleReport| report.reason.as_deref().is_some_and(|reason| reason.contains("it expired at"));
        judgement.reports.len() == 1 && judgement.reports.iter().all(says)
    };
    until(&mut live, "one whose time is over", expired);
    // Nor does it stay because what follows it is damaged.
    publish_bundle(directory.path(), 6, 8, 400, Some(SystemTime::now() + Duration::from_secs(8)));
    until(&mut live, "one for a while", |judgement| versions(judgement) == ["4.0.0", "4.0.0"]);
    publish(directory.path(), 7, &[("a.wasm", rule("healthy", 400)), ("bundle.yaml", b"name: site\n".to_vec())]);
    refused_at(&mut live, "the damaged one", "bundle.yaml", ["4.0.0", "4.0.0"]);
    until(&mut live, "what was kept has had its time", |judgement| judgement.reports.len() == 1);
}

#[test]
fn a_directory_that_goes_leaves_its_rules_and_one_that_comes_is_followed() {
    let root = tempfile::tempdir().unwrap();
    let directory = root.path().join("rules");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("a.wasm"), rule("healthy", 100)).unwrap();
    let mut live = live(&[&directory]);
    fs::remove_dir_all(&directory).unwrap();
    let gone = until(&mut live, "gone", |judgement| judgement.reports.len() == 2);
    let [kept, missing] = &gone.reports[..] else { panic!("{gone:#?}") };
    assert_eq!((kept.status, missing.status), (RuleStatus::Fired, RuleStatus::Failed));
    assert!(missing.reason.as_deref().is_some_and(|why| why.contains("cannot read the rules in")), "{missing:#?}");
    fs::create_dir(&directory).unwrap();
    fs::write(directory.join("b.wasm"), rule("second", 100)).unwrap();
    until(&mut live, "back", |judgement| judgement.reports.len() == 1 && only(judgement).id == "another");
    fs::write(directory.join("b.wasm"), rule("second", 200)).unwrap();
    until(&mut live, "watched again", |judgement| only(judgement).version.as_deref() == Some("2.0.0"));
}

#[test]
fn a_version_that_traps_on_the_last_window_never_judges_and_one_that_always_did_is_put_in_quarantine() {
    let directory = tempfile::tempdir().unwrap();
    let path = directory.path().join("a.wasm");
    fs::write(&path, rule("healthy", 100)).unwrap();
    fs::write(directory.path().join("z.wasm"), components::rule("traps")).unwrap();
    let mut live = live(&[directory.path()]);
    let window = window();
    for strikes in 1..=4 {
        let judgement = live.judge(&window).unwrap();
        let reason = judgement.reports[1].reason.clone().unwrap();
        let expected = match strikes {
            1 => "1 of 3 times in a row",
            2 => "2 of 3 times in a row",
            3 => "it is in quarantine from now on",
            _ => "in quarantine for 60 s more",
        };
        assert!(reason.contains(expected), "{strikes}: {reason}");
        assert_eq!(judgement.reports[0].status, RuleStatus::Fired, "the other one is judged all the same");
    }
    fs::write(&path, components::rule("traps")).unwrap();
    let kept = until(&mut live, "a version that traps", |judgement| judgement.reports[0].reason.is_some());
    assert_eq!((kept.reports[0].status, kept.reports[0].version.as_deref()), (RuleStatus::Fired, Some("1.0.0")), "{kept:#?}");
    fs::write(directory.path().join("z.wasm"), rule("second", 100)).unwrap();
    until(&mut live, "a new version is judged at once", |judgement| judgement.reports[1].status == RuleStatus::Fired);
}
