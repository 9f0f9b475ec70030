//! What may be typed: the only types that know clap.

use std::path::PathBuf;

use clap::error::{ContextKind, ErrorKind};
use clap::{CommandFactory, Parser, Subcommand, ValueEnum};

use super::{Failure, exit, output};
use crate::findings::Severity;

/// Tells what is wrong on this machine, below the application.
#[derive(Debug, Parser)]
#[command(name = "kerno", version, disable_help_subcommand = true)]
pub(super) struct Arguments {
    #[command(subcommand)]
    pub(super) command: Command,
}

#[derive(Debug, Subcommand)]
pub(super) enum Command {
    /// Tells what this host allows kerno to see, what will be missing, and the one fix for each.
    Check(Check),
    /// Shows the configuration that is in force, or checks one.
    #[command(subcommand)]
    Config(ConfigCommand),
    /// Measures one window and reports what is wrong, ranked, with the next command to type.
    Doctor(Doctor),
    /// Judges for the kerno that started it: the process that rules run in.
    #[command(hide = true)]
    Judge,
    /// Compiles the built-in rules for the next build of kerno to embed: a step of that build.
    #[command(hide = true)]
    PrecompileRules {
        /// Where to leave native code and the components that it was made of
        #[arg(value_name = "DIR")]
        directory: PathBuf,
    },
    /// Takes snapshots one after the other and tells what will meet its limit, and when.
    Predict(Predict),
    /// Tells what rules there are, tries, installs, removes and switches them.
    #[command(subcommand)]
    Rules(RulesCommand),
    /// Prints the version and what was built in.
    Version,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Ctrl-C ends the window early and reports what was measured until then; a second one quits.

Exit codes: 0 report made; 1 critical findings with --exit-code, or findings at --fail-on;
2 usage or configuration; 3 insufficient evidence with --exit-code; 4 kerno itself failed.

Configuration: --config FILE, else KERNO_CONFIG, else /etc/kerno/config.yaml, else kerno/config.yaml in
$XDG_CONFIG_HOME; what is said here goes before it. A recording is judged by --config alone, so that
--replay gives the same report on any machine.

Environment: KERNO_NODE_NAME and KERNO_CLUSTER name the node in reports, KERNO_LOG=debug logs to
standard error, KERNO_EBPF=off measures from /proc only; NO_COLOR is respected.")]
pub(super) struct Doctor {
    /// Length of the window, 1s to 5m [default: 30s]
    #[arg(short, long, allow_hyphen_values = true)]
    pub(super) duration: Option<String>,
    /// Form of the report; plain is pretty in ASCII without colour, markdown is for pasting into an incident
    #[arg(short, long, value_enum, default_value_t = Form::Pretty)]
    pub(super) output: Form,
    /// No progress on standard error
    #[arg(short, long)]
    pub(super) quiet: bool,
    /// Show critical findings only
    #[arg(long)]
    pub(super) only_critical: bool,
    /// Exit with 1 on critical findings, with 3 on insufficient evidence
    #[arg(long)]
    pub(super) exit_code: bool,
    /// Exit with 1 on findings at this level or above
    #[arg(long, value_enum, value_name = "LEVEL")]
    pub(super) fail_on: Option<Level>,
    /// File of settings [default: /etc/kerno/config.yaml]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Directory with rules to use besides the built-in ones; may be given several times
    #[arg(long, value_name = "DIR")]
    pub(super) rules: Vec<PathBuf>,
    /// Measure one window after the other until Ctrl-C, and tell what has changed: new, still there, resolved; with --output json
    /// a report on a line of its own for each. Rules that change are loaded again
    #[arg(long, conflicts_with_all = ["record", "replay"])]
    pub(super) continuous: bool,
    /// With --continuous, time from the start of one window to the start of the next [default: 60s]
    #[arg(long, requires = "continuous", allow_hyphen_values = true)]
    pub(super) interval: Option<String>,
    /// Write what was measured to a file that --replay reads; as JSON when its name ends in .json
    #[arg(long, value_name = "FILE")]
    pub(super) record: Option<PathBuf>,
    /// Judge the recording in a file instead of this machine, without any rights
    #[arg(long, value_name = "FILE", conflicts_with = "duration")]
    pub(super) replay: Option<PathBuf>,
    /// When to colour the report
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(super) color: Color,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Every collector is started for a moment, as kerno doctor would, and dropped again. Ready: all of them
measure as they are designed to, if only a part of their family, and every built-in rule has all that it
needs. Those that read /proc instead of running kernel programs, or nothing, make it not ready.

Exit codes: 0 ready; 3 not ready; 2 usage or configuration; 4 kerno itself failed.")]
pub(super) struct Check {
    /// Form of the check; plain is pretty in ASCII without colour
    #[arg(short, long, value_enum, default_value_t = CheckForm::Pretty)]
    pub(super) output: CheckForm,
    /// When to colour the check
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(super) color: Color,
}

#[derive(Debug, Subcommand)]
pub(super) enum ConfigCommand {
    /// Prints all settings in force as YAML.
    Show {
        /// Say where each value comes from
        #[arg(long)]
        origin: bool,
        /// File of settings [default: /etc/kerno/config.yaml]
        #[arg(long, value_name = "FILE")]
        config: Option<PathBuf>,
    },
    /// Checks a configuration: exits with 0, or with 2 and all that is wrong with it.
    Validate {
        /// The file [default: the one that kerno doctor would read]
        file: Option<PathBuf>,
        /// The same, as the other commands take it
        #[arg(long, value_name = "FILE", conflicts_with = "file")]
        config: Option<PathBuf>,
    },
}

#[derive(Debug, Subcommand)]
pub(super) enum RulesCommand {
    /// Lists all rules, also those that are switched off or do not load.
    List {
        #[command(flatten)]
        rules: Rules,
    },
    /// Tells all that is known of a rule: parameters with their values, families, imports, size, digest.
    Inspect {
        /// Its id, or the file of its component
        rule: String,
        #[command(flatten)]
        rules: Rules,
    },
    /// Tells of files whether they would load beside the rules that are there, and if not, why: then exits with 1.
    Verify {
        /// Rules' components, or directories of them, *.wasm, or bundles: then digests, signature and date are checked as well
        #[arg(required = true, value_name = "FILE|DIR")]
        files: Vec<PathBuf>,
        #[command(flatten)]
        rules: Rules,
    },
    /// Judges a recorded window by one rule: exits with 1 when the rule fails.
    Test {
        /// Its id, or the file of its component
        rule: String,
        /// A recording, as kerno doctor --record writes it
        #[arg(long, value_name = "FILE")]
        snapshot: PathBuf,
        #[command(flatten)]
        rules: Rules,
    },
    /// Measures what rules cost on a recorded window: time to compile, to make an instance and to evaluate, and memory.
    Bench {
        /// Their ids, or files of their components; all when none is given
        #[arg(value_name = "RULE")]
        named: Vec<String>,
        /// A recording, as kerno doctor --record writes it
        #[arg(long, value_name = "FILE")]
        snapshot: PathBuf,
        #[command(flatten)]
        rules: Rules,
    },
    /// Writes the project of a new rule, which builds, passes its tests and can be installed as it is.
    New {
        /// Its id: a small letter, then small letters, digits and single dashes, 64 in all
        id: String,
        /// The directory to make it in, under its id
        #[arg(long, value_name = "DIR", default_value = ".")]
        into: PathBuf,
        /// Form of what is told
        #[arg(short, long, value_enum, default_value_t = RulesForm::Pretty)]
        output: RulesForm,
    },
    /// Puts rules into the directory of rules: each whole, and only if all of them would load there.
    Install {
        /// Rules' components or the modules that cargo built, or directories of them, *.wasm; or one bundle, directory or tar
        #[arg(required = true, value_name = "FILE|DIR")]
        paths: Vec<PathBuf>,
        #[command(flatten)]
        rules: Rules,
    },
    /// Makes a bundle of the rules in a directory: their components and a manifest, bundle.yaml, with their digests.
    Bundle {
        #[command(flatten)]
        bundle: Bundle,
    },
    /// Signs a bundle with a key in minisign's format, or makes such a key.
    Sign {
        #[command(flatten)]
        sign: Sign,
    },
    /// Removes a rule, or a bundle, from its directory.
    Remove {
        /// Its id, or the bundle's name
        rule: String,
        #[command(flatten)]
        rules: Rules,
    },
    /// Switches a rule on that was switched off.
    Enable {
        /// Its id
        rule: String,
        #[command(flatten)]
        rules: Rules,
    },
    /// Switches a rule off, also a built-in one: ID.disabled in the directory of rules says so.
    Disable {
        /// Its id
        rule: String,
        #[command(flatten)]
        rules: Rules,
    },
}

/// Where rules are, and how they are told.
#[derive(Debug, clap::Args)]
pub(super) struct Rules {
    /// Directory of rules beside the built-in ones, *.wasm; once for each [default: rules.dirs of the configuration,
    /// else /etc/kerno/rules, for who is not root kerno/rules in $XDG_CONFIG_HOME]
    #[arg(long, value_name = "DIR")]
    pub(super) dir: Vec<PathBuf>,
    /// File of settings [default: /etc/kerno/config.yaml]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Form of what is told
    #[arg(short, long, value_enum, default_value_t = RulesForm::Pretty)]
    pub(super) output: RulesForm,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "bundle.yaml in DIR may say what flags do not, and of each rule, by its id, whether it takes the place
of the built-in one and which parameters it has; the rest is filled in:

    name: site-rules
    revision: 7
    expires: 2027-01-31T00:00:00Z
    rules:
      - id: oom-kill
        replaces: true
        params: {min_kills: 2}

The same rules and the same words give the same bytes, in every form. A host's own configuration goes before
what a bundle sets.")]
pub(super) struct Bundle {
    /// Directory of rules, *.wasm; or a bundle that is signed or in a tar, to be carried over into another form
    #[arg(value_name = "DIR")]
    pub(super) from: PathBuf,
    /// Where to put it: a directory or a file [default for a ConfigMap: standard output]
    #[arg(long, value_name = "PATH")]
    pub(super) into: Option<PathBuf>,
    /// What to make of it
    #[arg(long, value_enum, default_value_t = BundleForm::Dir)]
    pub(super) format: BundleForm,
    /// Its name, by which its revisions follow each other
    #[arg(long, allow_hyphen_values = true)]
    pub(super) name: Option<String>,
    /// Its revision, higher than the one before
    #[arg(long, value_name = "NUMBER", allow_hyphen_values = true)]
    pub(super) revision: Option<String>,
    /// When it is not used any more, in UTC, as 2027-01-31T00:00:00Z
    #[arg(long, value_name = "TIME", allow_hyphen_values = true)]
    pub(super) expires: Option<String>,
    /// File of settings, of which the limits of rules count here [default: /etc/kerno/config.yaml]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Form of what is told
    #[arg(short, long, value_enum, default_value_t = RulesForm::Pretty)]
    pub(super) output: RulesForm,
}

/// What a bundle is carried in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum BundleForm {
    /// A directory
    Dir,
    /// An archive
    Tar,
    /// A ConfigMap for Kubernetes, 1 MiB at most
    Configmap,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "Keys and signatures are those of minisign: its own tool makes and verifies them as well
(minisign -Vm bundle.yaml -P KEY). A password is asked for on the terminal, or read from a file.")]
pub(super) struct Sign {
    /// The bundle, directory or tar: bundle.yaml is signed, the signature is bundle.yaml.minisig beside it
    #[arg(required_unless_present = "new_key")]
    pub(super) bundle: Option<PathBuf>,
    /// File of the secret key
    #[arg(long, value_name = "FILE", required_unless_present = "new_key")]
    pub(super) key: Option<PathBuf>,
    /// Make a pair of keys instead: the secret one in this file, the public one in FILE.pub, for NAME.key in NAME.pub
    #[arg(long, value_name = "FILE", conflicts_with_all = ["bundle", "key"])]
    pub(super) new_key: Option<PathBuf>,
    /// File whose first line is the key's password; - for standard input
    #[arg(long, value_name = "FILE")]
    pub(super) password_file: Option<PathBuf>,
    /// Let no password protect the new key
    #[arg(long, requires = "new_key", conflicts_with = "password_file")]
    pub(super) no_password: bool,
    /// File of settings, of which the limits of rules count here [default: /etc/kerno/config.yaml]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Form of what is told
    #[arg(short, long, value_enum, default_value_t = RulesForm::Pretty)]
    pub(super) output: RulesForm,
}

/// How rules are told.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum RulesForm {
    Pretty,
    Json,
}

#[derive(Debug, clap::Args)]
#[command(after_help = "A limit is what the kernel enforces (descriptors of a process, memory of a control group or of
the host, open files) or the threshold of a rule (run-queue delay, fsync, block reads and writes,
retransmitted segments). Nothing is told of noise, steps and saw-teeth, nor of a trend that takes
more than an hour for each minute that was watched. Fewer than 4 snapshots tell no trend from
chance: of three, one order in six rises.

Ctrl-C predicts from the snapshots taken until then; a second one quits.

Exit codes: 0 outlook made; 1 predictions with --exit-code; 2 usage or configuration;
3 insufficient evidence with --exit-code; 4 kerno itself failed.

Environment: as of kerno doctor.")]
pub(super) struct Predict {
    /// Number of snapshots, 4 to 60
    #[arg(long, default_value = "5", allow_hyphen_values = true, value_name = "NUMBER")]
    pub(super) snapshots: String,
    /// Time between two snapshots on average, 1s to 10m; they are taken at uneven times, so that what repeats is no trend
    #[arg(long, default_value = "15s", allow_hyphen_values = true)]
    pub(super) interval: String,
    /// Form of the outlook; plain is pretty in ASCII without colour, markdown is for pasting into an incident
    #[arg(short, long, value_enum, default_value_t = Form::Pretty)]
    pub(super) output: Form,
    /// No progress on standard error
    #[arg(short, long)]
    pub(super) quiet: bool,
    /// Exit with 1 on predictions, with 3 on insufficient evidence
    #[arg(long)]
    pub(super) exit_code: bool,
    /// Write each snapshot to a file in a directory, snapshot-01.kerno and so on, which --replay reads
    #[arg(long, value_name = "DIR")]
    pub(super) record: Option<PathBuf>,
    /// File of settings, of which the parameters of rules count here [default: /etc/kerno/config.yaml; none for recordings]
    #[arg(long, value_name = "FILE")]
    pub(super) config: Option<PathBuf>,
    /// Predict from the recordings in these files, of one host, instead of this machine, without any rights
    #[arg(long, value_name = "FILE", num_args = 1.., conflicts_with_all = ["snapshots", "interval", "record"])]
    pub(super) replay: Vec<PathBuf>,
    /// When to colour the outlook
    #[arg(long, value_enum, default_value_t = Color::Auto, value_name = "WHEN")]
    pub(super) color: Color,
}

/// Form of the report.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Form {
    Pretty,
    Plain,
    Json,
    Markdown,
}

/// Form of the check.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum CheckForm {
    Pretty,
    Plain,
    Json,
}

/// A severity to fail on.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Level {
    Info,
    Warning,
    Critical,
}

impl From<Level> for Severity {
    fn from(level: Level) -> Self {
        match level {
            Level::Info => Self::Info,
            Level::Warning => Self::Warning,
            Level::Critical => Self::Critical,
        }
    }
}

/// When to use colour.
#[derive(Clone, Copy, Debug, PartialEq, Eq, ValueEnum)]
pub(super) enum Color {
    Auto,
    Always,
    Never,
}

/// Help and version go to standard output; anything else is an error in kerno's own form.
pub(super) fn not_parsed(error: &clap::Error) -> Result<u8, Failure> {
    if matches!(error.kind(), ErrorKind::DisplayHelp | ErrorKind::DisplayVersion) {
        let text = error.render();
        output::write(&if output::color_on_stdout() { text.ansi().to_string() } else { text.to_string() })?;
        return Ok(exit::DONE);
    }
    if error.kind() == ErrorKind::DisplayHelpOnMissingArgumentOrSubcommand {
        return Err(match given_command() {
            Some(name) => Failure::usage(format!("kerno {name} needs a command"), format!("kerno {name} --help lists them")),
            None => Failure::usage("no command given", "kerno doctor measures this machine; kerno --help lists the rest"),
        });
    }
    let text = error.to_string();
    let what = text.trim_start_matches("error: ").split("\n\n").next().unwrap_or_default();
    let what = what.split_whitespace().collect::<Vec<_>>().join(" ");
    let suggested = [ContextKind::SuggestedArg, ContextKind::SuggestedSubcommand, ContextKind::SuggestedValue]
        .into_iter()
        .find_map(|kind| error.get(kind))
        .map(|name| format!("did you mean {name}?"));
    let command = given_command().map_or_else(|| "kerno".to_owned(), |name| format!("kerno {name}"));
    Err(Failure::usage(what, suggested.unwrap_or_else(|| format!("{command} --help tells what may be given"))))
}

/// The command that was given, with its subcommands.
fn given_command() -> Option<String> {
    let (mut command, mut names) = (Arguments::command(), Vec::new());
    for name in std::env::args_os().skip(1) {
        let Some(found) = command.find_subcommand(&name).cloned() else { break };
        names.push(found.get_name().to_owned());
        command = found;
    }
    (!names.is_empty()).then(|| names.join(" "))
}
