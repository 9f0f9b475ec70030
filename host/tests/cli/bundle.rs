//! `kerno rules bundle`, `sign`, `verify` and `install` of bundles, and the policy that wants signatures.

use std::fs;
use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};
use std::process::Stdio;

use serde_json::Value;
use tempfile::TempDir;

use super::components::rule;
use super::{assert_told, kerno, run, told};

/// A directory with rules to be made a bundle of, and room beside it.
struct Place(TempDir);

impl Place {
    fn new(rules: &[(&str, &str)]) -> Self {
        let place = Self(tempfile::tempdir().unwrap());
        fs::create_dir(place.path("src")).unwrap();
        for (file, name) in rules {
            place.write(&format!("src/{file}"), rule(name));
        }
        place
    }

    fn two() -> Self {
        Self::new(&[("a.wasm", "healthy"), ("b.wasm", "second")])
    }

    fn path(&self, name: &str) -> PathBuf {
        self.0.path().join(name)
    }

    fn write(&self, name: &str, bytes: impl AsRef<[u8]>) {
        fs::write(self.path(name), bytes).unwrap();
    }

    fn names(&self, name: &str) -> Vec<String> {
        let entries = fs::read_dir(self.path(name)).unwrap();
        let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
        names.sort();
        names
    }

    /// Runs `kerno rules`, its words those of a command line, in the directory.
    fn rules(&self, line: &str) -> (Option<i32>, String, String) {
        let mut command = kerno();
        command.current_dir(self.0.path()).arg("rules").args(line.split_whitespace());
        run(command)
    }

    fn done(&self, line: &str) -> String {
        let (code, stdout, stderr) = self.rules(line);
        assert_eq!((code, stderr.as_str()), (Some(0), ""), "{line}: {stdout}");
        stdout
    }

    fn refused(&self, line: &str, what: &str, help: &str) {
        let (code, stdout, stderr) = self.rules(line);
        assert_eq!((code, stdout.as_str()), (Some(2), ""), "{line}: {stderr}");
        assert_told(&stderr, what, help);
    }

    fn json(&self, line: &str) -> Value {
        serde_json::from_str(&self.done(&format!("{line} --output json"))).unwrap()
    }

    /// A bundle that is signed, in `name`.
    fn signed(&self, name: &str, revision: u32) {
        self.done(&format!("bundle src --name site-rules --revision {revision} --into {name}"));
        self.done(&format!("sign {name} --key {}", key("plain.key")));
    }

    /// What a policy that wants signatures is written in.
    fn policy(&self, key: &str) -> String {
        self.write("policy.yaml", format!("rules:\n  require_signature: true\n  trusted_keys: [{key}]\n"));
        self.path("policy.yaml").to_str().unwrap().to_owned()
    }

    /// Of each rule that is not built in: its id, and why it is not used.
    fn own(&self, line: &str) -> Vec<(String, Option<String>)> {
        let all = self.json(line);
        let own = all.as_array().unwrap().iter().filter(|rule| rule["source"] != "builtin");
        own.map(|rule| (rule["id"].as_str().unwrap().to_owned(), rule["reason"].as_str().map(str::to_owned))).collect()
    }

    fn changed(&self, line: &str) -> Vec<(String, String)> {
        let all = self.json(line);
        let text = |change: &Value, key: &str| change[key].as_str().unwrap().to_owned();
        all.as_array().unwrap().iter().map(|change| (text(change, "id"), text(change, "change"))).collect()
    }
}

fn key(name: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/bundle").join(name);
    path.to_str().unwrap().to_owned()
}

fn pair(id: &str, change: &str) -> (String, String) {
    (id.to_owned(), change.to_owned())
}

#[test]
fn a_bundle_is_made_signed_verified_and_installed_where_signatures_are_asked_for() {
    let place = Place::two();
    place.signed("out", 1);
    assert_eq!(place.names("out"), ["another.wasm", "bundle.yaml", "bundle.yaml.minisig", "healthy.wasm"]);
    let policy = place.policy(&key("plain.pub"));
    let verified = place.done(&format!("verify out --config {policy}"));
    assert_eq!(
        verified,
        "bundle site-rules, revision 1: signed with the trusted key 9A9A88C8CEB592A3\nout/another.wasm: loads as another \
         1.0.0\nout/healthy.wasm: loads as healthy 1.0.0\n"
    );
    let both = [pair("another", "installed"), pair("healthy", "installed")];
    assert_eq!(place.changed(&format!("install out --dir rules --config {policy}")), both);
    assert_eq!(place.names("rules"), place.names("out"));
    let unchanged = [pair("another", "unchanged"), pair("healthy", "unchanged")];
    assert_eq!(place.changed(&format!("install out --dir rules --config {policy}")), unchanged);
    let used = [("another".to_owned(), None), ("healthy".to_owned(), None)];
    assert_eq!(place.own(&format!("list --dir rules --config {policy}")), used);
    let inspected = place.done(&format!("inspect healthy --dir rules --config {policy}"));
    assert!(inspected.contains("bundle    site-rules, revision 1, signed with the key 9A9A88C8CEB592A3\n"), "{inspected}");
    // The key itself may stand there, and others are not believed.
    let line = fs::read_to_string(key("plain.pub")).unwrap().lines().nth(1).unwrap().to_owned();
    let by_line = place.policy(&line);
    assert_eq!(place.own(&format!("list --dir rules --config {by_line}")), used);
    let other = place.policy(&key("protected.pub"));
    let [(id, Some(reason))] = &place.own(&format!("list --dir rules --config {other}"))[..] else { panic!("one reason") };
    assert!(id == "rules" && reason.contains("which is none of rules.trusted_keys"), "{reason}");
}

#[test]
fn every_form_is_the_same_bytes_each_time_and_installs() {
    let place = Place::two();
    place.signed("out", 1);
    for into in ["one.tar", "two.tar"] {
        place.done(&format!("bundle out --format tar --into {into}"));
        std::thread::sleep(std::time::Duration::from_millis(1100));
    }
    assert_eq!(fs::read(place.path("one.tar")).unwrap(), fs::read(place.path("two.tar")).unwrap());
    // An archive is signed as a directory is, and carried on with its signature.
    place.done("bundle src --name site-rules --revision 1 --format tar --into unsigned.tar");
    let signed = place.json(&format!("sign unsigned.tar --key {}", key("plain.key")));
    assert_eq!((signed["name"].as_str(), signed["key"].as_str()), (Some("site-rules"), Some("9A9A88C8CEB592A3")));
    let policy = place.policy(&key("plain.pub"));
    for from in ["one.tar", "unsigned.tar"] {
        place.done(&format!("verify {from} --config {policy}"));
        place.done(&format!("install {from} --dir of-{from} --config {policy}"));
        assert_eq!(place.names(&format!("of-{from}")).len(), 4);
    }
    let map = place.done("bundle one.tar --format configmap");
    assert!(
        map.starts_with("apiVersion: v1\nkind: ConfigMap\nmetadata:\n  name: site-rules\ndata:\n  bundle.yaml: |\n"),
        "{map}"
    );
    place.done("bundle out --format configmap --into map.yaml");
    assert_eq!(fs::read_to_string(place.path("map.yaml")).unwrap(), map);
    let made = place.json("bundle out --format dir --into again");
    assert_eq!((made["signed"].as_bool(), made["rules"].as_array().map(Vec::len)), (Some(true), Some(2)));
    for name in place.names("out") {
        assert_eq!(fs::read(place.path("out").join(&name)).unwrap(), fs::read(place.path("again").join(&name)).unwrap());
    }
}

#[test]
fn what_a_bundle_cannot_be_made_of_is_told() {
    let place = Place::two();
    place.refused("bundle src --into out", "the bundle has no name", "--name NAME");
    place.refused("bundle src --into out --name site-rules", "the bundle has no revision", "--revision NUMBER");
    for (flag, help) in [
        ("--name Site_Rules", "write small letters"),
        ("--name site-rules --revision -1", "write a whole number"),
        ("--name site-rules --revision 1 --expires tomorrow", "in UTC, as 2027-01-31T00:00:00Z"),
    ] {
        place.refused(&format!("bundle src --into out {flag}"), "cannot be `", help);
    }
    let all = "--name site-rules --revision 1";
    place.refused(&format!("bundle src {all}"), "a bundle needs a place", "--into DIR");
    place.refused(&format!("bundle src {all} --format tar"), "a bundle needs a place", "--into FILE.tar");
    place.refused(&format!("bundle src {all} --format tar --into src"), "src is a directory", "name a file");
    place.refused(&format!("bundle src {all} --into src"), "src is there already", "--into");
    place.refused(&format!("bundle src {all} --into /proc/no/out"), "/proc/no/out cannot be made", "--into");
    place.refused(&format!("bundle src {all} --format configmap -o json"), "standard output is taken", "--into FILE");
    place.refused(&format!("bundle nowhere {all} --into out"), "nowhere cannot be read", "name a rule's component");
    place.refused(&format!("bundle src {all} --format zip --into out"), "zip", "kerno rules bundle --help");
    place.refused(&format!("bundle src {all} --into out --expires 2020-01-01T00:00:00Z"), "expired at 2020", "a time to come");
    assert!(!place.path("out").exists());
    for (text, what, help) in [
        ("nmae: x\n", "bundle.yaml: line 1: nmae is no key of a bundle: did you mean name?", "mend it there"),
        ("rules: [{id: helthy}]\n", "names helthy, which is no rule of that directory", "did you mean healthy?"),
        ("rules: [{id: healthy, replaces: true}]\n", "says that healthy replaces a built-in rule", "remove `replaces`"),
        (
            "rules: [{id: healthy, params: {budget: 5ms}}]\n",
            "its bundle sets its parameter `budget`, which it does not have",
            "mend that",
        ),
    ] {
        place.write("src/bundle.yaml", text);
        place.refused(&format!("bundle src {all} --into out"), what, help);
    }
    fs::remove_file(place.path("src/bundle.yaml")).unwrap();
    place.write("src/c.wasm", "no component");
    place.refused(&format!("bundle src {all} --into out"), "c.wasm does not load: it is not WebAssembly", "nothing was made");
    place.write("src/c.wasm", rule("healthy"));
    place.refused(&format!("bundle src {all} --into out"), "its id `healthy` is already taken by", "nothing was made");
    place.write("src/c.wasm", rule("takes-a-built-in-id"));
    place.refused(&format!("bundle src {all} --into out"), "that of a built-in rule", "`replaces: true`");
    place.write("src/bundle.yaml", "rules: [{id: scheduler-contention, replaces: true}]\n");
    let made = place.done(&format!("bundle src {all} --into out"));
    assert!(made.contains("scheduler-contention 1.0.0, in the place of the built-in one"), "{made}");
    place.done(&format!("sign out --key {}", key("plain.key")));
    place.refused("bundle out --revision 2 --into again", "of which nothing can be changed", "leave --name");
}

#[test]
fn a_config_map_that_kubernetes_would_refuse_is_refused_and_a_closed_pipe_is_no_error() {
    let place = Place::new(&[("a.wasm", "healthy")]);
    let large = |size: usize| {
        // A section that means nothing, of so many bytes.
        let content = [&[1, b'x'][..], &vec![0; size]].concat();
        let length = [content.len() as u8 | 0x80, (content.len() >> 7) as u8 | 0x80, (content.len() >> 14) as u8];
        [rule("healthy"), vec![0], length.to_vec(), content].concat()
    };
    place.write("src/a.wasm", large(1 << 20 | 1));
    place.write("limits.yaml", "rules: {limits: {module: 4MiB}}\n");
    let all = "bundle src --name a --revision 1 --format configmap --config limits.yaml";
    place.refused(
        all,
        "and Kubernetes takes 1048576 at most in a ConfigMap",
        "make two bundles of it, or carry it as --format tar",
    );
    place.write("src/a.wasm", large(900 << 10));
    let mut command = kerno();
    command.current_dir(place.0.path()).arg("rules").args(all.split_whitespace()).stdout(Stdio::piped()).stderr(Stdio::piped());
    let mut child = command.spawn().unwrap();
    drop(child.stdout.take());
    assert_eq!(told(&child.wait_with_output().unwrap()), (Some(0), String::new(), String::new()));
}

#[test]
fn a_pair_of_keys_is_made_once_and_is_its_owners() {
    let place = Place::two();
    place.done("sign --new-key site.key --no-password");
    let mode = |name: &str| fs::metadata(place.path(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!((mode("site.key"), mode("site.pub")), (0o600, 0o644));
    let before = fs::read(place.path("site.key")).unwrap();
    place.refused("sign --new-key site.key --no-password", "site.key is there already", "never overwritten");
    fs::rename(place.path("site.key"), place.path("moved.key")).unwrap();
    place.refused("sign --new-key site.key --no-password", "site.pub is there already", "never overwritten");
    assert_eq!(fs::read(place.path("moved.key")).unwrap(), before);
    place.refused("sign --new-key x.pub --no-password", "has the name of a public key", "as kerno.key");
    place.refused("sign --new-key no/such.key --no-password", "no/such.key cannot be made", "name a place");
    assert_eq!(place.names("."), ["moved.key", "site.pub", "src"], "nothing is left behind");
    // With a password, which no command line shows.
    place.write("password", "correct horse\n");
    let made = place.json("sign --new-key kept --password-file password");
    assert_eq!(made["public_key_file"].as_str(), Some("kept.pub"));
    place.done("bundle src --name a --revision 1 --into out");
    place.done("sign out --key kept --password-file password");
    place.write("password", "wrong horse\n");
    place.refused("sign out --key kept --password-file password", "Wrong password for that key", "name a secret key");
    let policy = place.policy(made["public_key"].as_str().unwrap());
    place.done(&format!("verify out --config {policy}"));
    place.write("password", "\n");
    place.refused("sign --new-key empty --password-file password", "the password is empty", "--no-password");
}

#[test]
fn a_password_is_read_from_standard_input_or_asked_for_on_a_terminal() {
    let place = Place::two();
    place.write("password", "correct horse\r\nnot this\n");
    place.done("sign --new-key kept.key --password-file password");
    place.done("bundle src --name a --revision 1 --into out");
    let mut command = kerno();
    command.current_dir(place.0.path()).args(["rules", "sign", "out", "--key", "kept.key", "--password-file", "-"]);
    let mut child = command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    child.stdin.take().unwrap().write_all(b"correct horse\n").unwrap();
    let (code, _, stderr) = told(&child.wait_with_output().unwrap());
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    // Of its own session, it has no terminal.
    let mut command = std::process::Command::new("setsid");
    command.args(["--wait", env!("CARGO_BIN_EXE_kerno"), "rules", "sign", "out", "--key", "kept.key"]);
    command.current_dir(place.0.path()).stdin(Stdio::null());
    let (code, stdout, stderr) = run(command);
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert_told(&stderr, "there is no terminal to ask for the key's password on", "--password-file");
}

#[test]
fn what_cannot_be_signed_is_told() {
    let place = Place::two();
    place.done("bundle src --name a --revision 1 --into out");
    let plain = key("plain.key");
    place.refused("sign", "--key", "kerno rules sign --help");
    place.refused("sign out", "--key", "kerno rules sign --help");
    place.refused("sign out --key nowhere.key", "nowhere.key cannot be read", "this user may read");
    place.refused("sign out --key src", "src cannot be read", "this user may read");
    place.refused(&format!("sign out --key {}", key("plain.pub")), "it is no secret key of minisign", "--new-key");
    place.refused("sign out --key x --no-password", "--no-password is for a new key", "--new-key FILE");
    place.refused(&format!("sign src --key {plain}"), "src: it is no bundle", "kerno rules bundle");
    place.refused(&format!("sign nowhere --key {plain}"), "nowhere: it is not there", "kerno rules bundle");
    place.write("out/healthy.wasm", "changed");
    place.refused(&format!("sign out --key {plain}"), "healthy.wasm of its rule healthy was changed", "nothing was signed");
    assert!(!place.path("out/bundle.yaml.minisig").exists());
}

#[test]
fn a_key_that_this_user_may_not_read_is_told() {
    let place = Place::two();
    place.signed("out", 1);
    place.done("sign --new-key own.key --no-password");
    for name in [".", "out"] {
        fs::set_permissions(place.path(name), fs::Permissions::from_mode(0o755)).unwrap();
    }
    let (out, own) = (place.path("out"), place.path("own.key"));
    let arguments = ["rules", "sign", out.to_str().unwrap(), "--key", own.to_str().unwrap()];
    let Some((code, stdout, stderr)) = super::unprivileged(&arguments) else { return };
    assert_eq!((code, stdout.as_str()), (Some(2), ""));
    assert_told(&stderr, "own.key cannot be read: Permission denied", "this user may read");
}

#[test]
fn what_is_wrong_with_a_bundle_is_verified_and_not_installed() {
    let policy = |place: &Place| format!("--config {}", place.policy(&key("plain.pub")));
    type Change = fn(&Place);
    let cases: [(Change, &str); 6] = [
        (
            |place| fs::remove_file(place.path("out/healthy.wasm")).unwrap(),
            "the file healthy.wasm of its rule healthy is missing",
        ),
        (|place| fs::remove_file(place.path("out/bundle.yaml")).unwrap(), "its bundle.yaml is missing"),
        (|place| fs::remove_file(place.path("out/bundle.yaml.minisig")).unwrap(), "it is not signed"),
        (|place| place.write("out/healthy.wasm", "changed"), "was changed: its digest is not that in bundle.yaml"),
        (|place| place.write("out/extra.wasm", rule("healthy")), "it holds extra.wasm, which is not in its bundle.yaml"),
        (
            |place| {
                place.write(
                    "out/bundle.yaml",
                    fs::read_to_string(place.path("out/bundle.yaml")).unwrap().replace("revision: 1", "revision: 2"),
                )
            },
            "does not fit bundle.yaml",
        ),
    ];
    for (change, words) in cases {
        let place = Place::two();
        place.signed("out", 1);
        change(&place);
        let policy = policy(&place);
        let (code, stdout, stderr) = place.rules(&format!("verify out {policy}"));
        assert_eq!((code, stderr.as_str()), (Some(1), ""), "{stdout}");
        assert!(
            stdout.starts_with("out/bundle.yaml: does not load: the bundle is not used: ") && stdout.contains(words),
            "{stdout}"
        );
        place.refused(&format!("install out --dir rules {policy}"), words, "nothing was installed");
        assert!(!place.path("rules").exists());
    }
    let place = Place::two();
    let policy = policy(&place);
    place.write("torn.tar", "no archive");
    place.refused(&format!("install torn.tar --dir rules {policy}"), "it is no whole tar archive", "nothing was installed");
    // A rule that is in no bundle does not count.
    let (code, stdout, _) = place.rules(&format!("verify src/a.wasm {policy}"));
    assert!(
        code == Some(1) && stdout.contains("it is in no bundle that is signed, and rules.require_signature wants that"),
        "{stdout}"
    );
    place.refused(
        &format!("install src/a.wasm --dir rules {policy}"),
        "it is in no bundle that is signed",
        "nothing was installed",
    );
    place.refused(
        &format!("disable oom-kill --dir rules {policy}"),
        "a file switches nothing off where signatures are asked for (rules.require_signature in",
        "write oom-kill into rules.disabled there",
    );
}

#[test]
fn an_older_revision_does_not_follow_a_newer_one() {
    let place = Place::two();
    place.signed("seven", 7);
    place.write("src/bundle.yaml", "expires: 2099-01-01T00:00:00Z\n");
    place.signed("other-seven", 7);
    place.signed("eight", 8);
    let policy = format!("--config {}", place.policy(&key("plain.pub")));
    place.done(&format!("install seven --dir rules {policy}"));
    place.refused(&format!("install other-seven --dir rules {policy}"), "it holds something else than the revision 7", "nothing");
    place.done(&format!("install eight --dir rules {policy}"));
    place.refused(
        &format!("install seven --dir rules {policy}"),
        "it is older than what was accepted before: revision 7 of site-rules, after revision 8",
        "nothing was installed",
    );
    // Also when what is there is not whole, which installing it again mends.
    fs::remove_file(place.path("rules/healthy.wasm")).unwrap();
    place.refused(&format!("install seven --dir rules {policy}"), "it is older", "nothing was installed");
    assert_eq!(place.changed(&format!("install eight --dir rules {policy}"))[1], pair("healthy", "installed"));
    assert_eq!(place.own(&format!("list --dir rules {policy}")).iter().filter(|(_, reason)| reason.is_none()).count(), 2);
}

#[test]
fn a_bundle_follows_its_own_and_has_its_directory_for_itself() {
    let place = Place::two();
    place.signed("one", 1);
    fs::remove_file(place.path("src/b.wasm")).unwrap();
    place.write("src/a.wasm", [rule("healthy"), vec![0, 2, 1, b'x']].concat());
    place.done("bundle src --name site-rules --revision 2 --into two");
    place.done("install one --dir rules");
    place.done("disable healthy --dir rules");
    let (_, stdout, _) = place.rules("install two --dir rules");
    assert!(
        stdout.contains("healthy 1.0.0: installed: ")
            && stdout.contains(", in place of 1.0.0 (site-rules revision 2); not used: switched off by"),
        "{stdout}"
    );
    assert!(stdout.contains("another 1.0.0: removed: "), "{stdout}");
    assert_eq!(place.names("rules"), ["bundle.yaml", "healthy.disabled", "healthy.wasm"], "the older signature is gone");
    place.done("enable healthy --dir rules");

    place.refused("install nowhere.wasm --dir rules", "nowhere.wasm cannot be read", "name a rule's component");
    place.refused("install src/a.wasm --dir rules", "rules is a bundle, which is used as a whole", "make the bundle again");
    place.refused("remove healthy --dir rules", "healthy is a rule of the bundle site-rules", "kerno rules remove site-rules");
    place.done("bundle src --name other --revision 1 --into other");
    place.refused("install other --dir rules", "rules holds another bundle, site-rules", "kerno rules remove site-rules");
    place.refused("install other two --dir rules", "other is a bundle, which is installed alone", "name it alone");
    place.refused("install other --dir src", "src holds a.wasm, which is not of the bundle", "--dir");
    place.write("rules/README", "x");
    place.refused("install two --dir rules", "rules holds README, which is not of the bundle", "--dir");
    fs::remove_file(place.path("rules/README")).unwrap();
    assert_eq!(place.changed("remove site-rules --dir rules"), [pair("healthy", "removed")]);
    assert_eq!(place.names("rules"), Vec::<String>::new());
    place.done("install other --dir rules");
    // What is left of one is removed as a whole too, by the name that it is listed under.
    fs::remove_file(place.path("rules/healthy.wasm")).unwrap();
    assert_eq!(place.changed("remove rules --dir rules"), [pair("healthy", "removed")]);
    assert_eq!(place.names("rules"), Vec::<String>::new());
}

#[test]
fn a_damaged_bundle_is_replaced_or_removed_as_a_whole() {
    let place = Place::two();
    place.done("bundle src --name site-rules --revision 1 --into one");
    fs::remove_file(place.path("src/b.wasm")).unwrap();
    place.done("bundle src --name site-rules --revision 2 --into two");
    place.done("bundle src --name other --revision 1 --into other");
    place.done("install one --dir rules");
    let damage = || place.write("rules/another.wasm", vec![0; (1 << 20) + 1]);
    damage();
    assert!(place.own("list --dir rules")[0].1.as_ref().unwrap().contains("another.wasm: it has more than the 1024 KiB"));
    place.refused("install other --dir rules", "rules holds another bundle, site-rules", "kerno rules remove site-rules");
    place.done("install two --dir rules");
    assert_eq!(place.names("rules"), ["bundle.yaml", "healthy.wasm"]);
    assert_eq!(place.own("list --dir rules"), [("healthy".to_owned(), None)]);
    place.done("install one --dir again");
    place.write("again/another.wasm", vec![0; (1 << 20) + 1]);
    place.done("remove site-rules --dir again");
    assert_eq!(place.names("again"), Vec::<String>::new());
}

#[test]
fn of_two_bundles_with_one_id_the_first_that_is_whole_is_used() {
    let place = Place::two();
    place.done("bundle src --name first --revision 1 --into first");
    fs::remove_file(place.path("src/b.wasm")).unwrap();
    place.done("bundle src --name second --revision 1 --into second");
    let used = |config: &str| {
        let report = doctor(&place, config);
        let of = |directory: &str| {
            let rules = report["rules"].as_array().unwrap().iter();
            let of = rules.filter(|rule| rule["source"].as_str().unwrap().contains(directory));
            of.map(|rule| rule["status"] != "failed").collect::<Vec<_>>()
        };
        [of("first/"), of("second/")]
    };
    assert_eq!(used("rules: {dirs: [first, second]}\n"), [vec![true, true], vec![false]]);
    // A rule that goes before them makes the first one broken, whose other rule then stands in nobody's way.
    fs::create_dir(place.path("mine")).unwrap();
    place.write("mine/another.wasm", rule("second"));
    assert_eq!(used("rules: {dirs: [mine, first, second]}\n"), [vec![false, false], vec![true]]);
}

#[test]
fn an_id_that_another_directory_has_is_not_installed() {
    let place = Place::two();
    place.signed("one", 1);
    fs::create_dir(place.path("mine")).unwrap();
    place.write("mine/healthy.wasm", rule("healthy"));
    place.write("config.yaml", "rules: {dirs: [rules, mine]}\n");
    fs::create_dir(place.path("rules")).unwrap();
    place.refused("install one --config config.yaml", "the id of its rule healthy is already taken by", "remove that file first");
    // Where it lies there all the same nothing of it is used, also by who judges once.
    let report = doctor(&place, "rules: {dirs: [mine, one]}\n");
    let (first, second) = (status(&report, "another", false), status(&report, "healthy", false));
    assert_eq!((first.0.as_str(), second.0.as_str()), ("failed", "fired"));
    assert!(first.1.contains("the bundle is not used: of its bundle") && first.1.contains("is already taken by"), "{}", first.1);
}

/// The report of a recording, as doctor writes it.
fn doctor(place: &Place, config: &str) -> Value {
    let window = super::rules::fixture();
    place.write("config.yaml", config);
    let mut command = kerno();
    command.current_dir(place.0.path()).args(["doctor", "--output", "json", "--config", "config.yaml", "--replay"]).arg(window);
    let (code, stdout, stderr) = run(command);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    super::validate(&stdout)
}

fn status(report: &Value, id: &str, is_built_in: bool) -> (String, String) {
    let rules = report["rules"].as_array().unwrap();
    let rule = rules.iter().find(|rule| rule["id"] == id && (rule["source"] == "builtin") == is_built_in);
    let rule = rule.unwrap_or_else(|| panic!("no {id}: {report}"));
    let text = |key: &str| rule[key].as_str().unwrap_or_default().to_owned();
    (text("status"), text("reason"))
}

#[test]
fn a_report_tells_of_what_is_not_used_and_exits_as_without_it() {
    let place = Place::two();
    place.signed("out", 1);
    let line = fs::read_to_string(key("plain.pub")).unwrap().lines().nth(1).unwrap().to_owned();
    let asking = format!("rules:\n  dirs: [out, src]\n  require_signature: true\n  trusted_keys: [{line}]\n");
    let report = doctor(&place, &asking);
    assert_eq!(status(&report, "healthy", false).0, "fired");
    for id in ["a", "b"] {
        let (status, reason) = status(&report, id, false);
        assert!(status == "failed" && reason.contains("it is in no bundle that is signed"), "{reason}");
    }
    place.write("out/another.wasm", rule("healthy"));
    let report = doctor(&place, &asking);
    let (status, reason) = status(&report, "out", false);
    assert!(status == "failed" && reason.contains("another.wasm of its rule another holds the rule healthy"), "{reason}");
}

#[test]
fn a_rule_takes_the_place_of_a_built_in_one_with_leave_alone() {
    let place = Place::new(&[("mine.wasm", "takes-a-built-in-id")]);
    let of = |report: &Value, is_built_in| status(report, "scheduler-contention", is_built_in);
    // Refused, under the name of its file.
    let report = doctor(&place, "rules: {dirs: [src]}\n");
    assert_eq!(of(&report, true).0, "fired");
    assert!(status(&report, "mine", false).1.contains("name that id in rules.replaces of the configuration"));
    let report = doctor(&place, "rules: {dirs: [src], replaces: [scheduler-contention]}\n");
    let source = report["rules"].as_array().unwrap().last().unwrap()["source"].as_str().unwrap();
    assert_eq!(of(&report, true), ("disabled".to_owned(), format!("replaced by {source}")));
    assert_eq!((of(&report, false).0.as_str(), report["verdict"].as_str()), ("fired", Some("findings")));
    let found = report["findings"].as_array().unwrap();
    assert_eq!(found.iter().filter(|finding| finding["rule"] == "scheduler-contention").count(), 1);
    let origin = place.done("inspect scheduler-contention --config config.yaml");
    assert!(origin.contains("src/mine.wasm\n"), "{origin}");

    assert_eq!(
        place.changed("install src/mine.wasm --dir rules --config config.yaml"),
        [pair("scheduler-contention", "installed")]
    );
    assert_eq!(
        place.changed("install src/mine.wasm --dir rules --config config.yaml"),
        [pair("scheduler-contention", "unchanged")]
    );
    assert_eq!(
        place.changed("remove scheduler-contention --dir rules --config config.yaml"),
        [pair("scheduler-contention", "removed")]
    );

    // A bundle says so itself; where the rule is not whole, the built-in one is used.
    place.write("src/bundle.yaml", "name: a\nrevision: 1\nrules: [{id: scheduler-contention, replaces: true}]\n");
    place.done("bundle src --into out");
    let config = "rules: {dirs: [out]}\n";
    assert_eq!(of(&doctor(&place, config), true).0, "disabled");
    place.write("out/scheduler-contention.wasm", "changed");
    let report = doctor(&place, config);
    assert_eq!((of(&report, true).0.as_str(), status(&report, "out", false).0.as_str()), ("fired", "failed"));
    // What is to be replaced and is not is a mistake of the configuration.
    fs::remove_file(place.path("src/mine.wasm")).unwrap();
    fs::remove_file(place.path("src/bundle.yaml")).unwrap();
    place.write("src/other.wasm", rule("healthy"));
    place.write("config.yaml", "rules: {dirs: [src], replaces: [scheduler-contention]}\n");
    let mut command = kerno();
    command.current_dir(place.0.path()).args(["config", "validate", "config.yaml"]);
    let (code, _, stderr) = run(command);
    assert_eq!(code, Some(2));
    assert_told(&stderr, "rules.replaces names scheduler-contention, and no rule of your own has that id", "install that rule");
}

#[test]
fn a_bundle_sets_parameters_and_the_hosts_configuration_goes_before_it() {
    let built = kerno_built_rule();
    let Some(component) = built else { return };
    let place = Place::new(&[]);
    place.write("src/oom.wasm", component);
    place.write(
        "src/bundle.yaml",
        "name: a\nrevision: 1\nrules:\n  - id: oom-imminent\n    replaces: true\n    params: {use_warning: 70%, use_critical: 80%}\n",
    );
    place.done("bundle src --into out");
    place.write("config.yaml", "rules:\n  dirs: [out]\n  params: {oom-imminent: {use_critical: 85%}}\n");
    let mut command = kerno();
    command.current_dir(place.0.path()).args(["config", "show", "--origin", "--config", "config.yaml"]);
    let (code, shown, stderr) = run(command);
    assert_eq!((code, stderr.as_str()), (Some(0), ""));
    let line = |name: &str| {
        shown.lines().find(|line| line.trim_start().starts_with(name)).unwrap_or_else(|| panic!("{shown}")).to_owned()
    };
    assert!(line("use_warning: 70%").ends_with("# bundle a, revision 1"), "{shown}");
    assert!(line("use_critical: 85%").ends_with("# config.yaml:3"), "{shown}");
    assert_eq!(shown.matches("    oom-imminent:\n").count(), 1, "{shown}");
}

/// The component of a built-in rule, when there is one.
fn kerno_built_rule() -> Option<Vec<u8>> {
    kerno::artifacts::BUILT_IN_RULES.iter().find(|(id, _)| *id == "oom-imminent").and_then(|(_, bytes)| bytes.map(<[u8]>::to_vec))
}
