//! `kerno rules sign`: signs a bundle with a key in minisign's format, or makes a pair of keys.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};
use std::time::SystemTime;

use serde::Serialize;

use super::change::shown;
use super::tell;
use crate::agent;
use crate::bundle::{self, Checked, Files, Policy, SIGNATURE, SecretKey, TrustedKey};
use crate::cli::arguments::Sign;
use crate::cli::config::Config;
use crate::cli::whole::{self, Staged};
use crate::cli::{Environment, Failure, exit};
use crate::engine::Limits;

const SECRET: u32 = 0o600;
const PUBLIC: u32 = 0o644;

/// No key and no password is longer, bytes.
const LARGEST: u64 = 64 << 10;
const LONGEST_PASSWORD: usize = 1024;

/// What was signed.
#[derive(Serialize)]
struct Signed<'a> {
    name: &'a str,
    revision: u64,
    path: String,
    key: String,
    public_key: String,
}

/// A pair of keys.
#[derive(Serialize)]
struct Pair {
    secret_key_file: String,
    public_key_file: String,
    public_key: String,
}

pub(super) fn run(asked: &Sign, environment: &Environment) -> Result<u8, Failure> {
    agent::only_change_files();
    if asked.no_password && asked.new_key.is_none() {
        return Err(Failure::usage("--no-password is for a new key", "leave it out, or give --new-key FILE"));
    }
    match (&asked.new_key, &asked.bundle, &asked.key) {
        (Some(new_key), ..) => make(new_key, asked),
        (None, Some(bundle), Some(key)) => sign(bundle, key, asked, environment),
        _ => Err(Failure::usage("there is nothing to sign", "kerno rules sign --help tells what may be given")),
    }
}

fn sign(path: &Path, key: &Path, asked: &Sign, environment: &Environment) -> Result<u8, Failure> {
    let limits = Config::load(asked.config.as_deref(), true, environment)?.settings.limits;
    let (files, checked) = whole_bundle(path, &limits)?;
    let (name, revision) = (&checked.manifest.name, checked.manifest.revision);
    let no_key = |why: &str| {
        Failure::usage(
            format!("the key {} cannot be used: {why}", shown(key)),
            "name a secret key, as minisign -G or --new-key makes it",
        )
    };
    let text = read(key).map_err(|error| {
        Failure::usage(format!("the key {} cannot be read: {error}", shown(key)), "name a secret key that this user may read")
    })?;
    let password = match SecretKey::is_protected(&text).map_err(|why| no_key(&why))? {
        true => Some(password(asked.password_file.as_deref(), "Password of the key: ")?),
        false => None,
    };
    let secret = SecretKey::open(&text, password).map_err(|why| no_key(&why))?;
    let manifest = files.manifest().unwrap_or_default();
    let own = |why: String| Failure::own(format!("the bundle cannot be signed: {why}"), "try another key");
    let signature = secret.sign(manifest, &format!("kerno bundle {name} revision {revision}")).map_err(own)?;
    let public_key = secret.public().map_err(own)?;
    let files = files.signed(signature.into_bytes());
    // A damaged key signs what nobody can verify.
    let policy = Policy { require_signature: true, trusted_keys: vec![TrustedKey::parse(&public_key).map_err(own)?] };
    bundle::check(&files, &limits, &policy, SystemTime::now(), &[]).map_err(own)?;
    let place = if path.is_dir() { path.join(SIGNATURE) } else { path.to_path_buf() };
    let written = match path.is_dir() {
        true => whole::write(&place, files.signature().unwrap_or_default(), PUBLIC),
        false => bundle::tar(&files).and_then(|bytes| whole::write(&place, &bytes, PUBLIC)),
    };
    written.map_err(|error| {
        let what = format!("{} cannot be written: {}", shown(&place), whole::reason(&error));
        Failure::usage(what, "run it as a user who may write there")
    })?;
    let signed = Signed { name, revision, path: shown(&place), key: secret.id(), public_key };
    tell(asked.output, &signed, |signed| {
        let Signed { name, revision, path, key, public_key } = signed;
        format!(
            "{name} revision {revision}: signed with the key {key}: {path}\nwho trusts it: rules.trusted_keys: [{public_key}]\n"
        )
    })?;
    Ok(exit::DONE)
}

/// What is signed is whole; an older signature goes.
fn whole_bundle(path: &Path, limits: &Limits) -> Result<(Files, Checked), Failure> {
    let refused = |reason: String| {
        Failure::usage(format!("{}: {reason}", shown(path)), "name a bundle, as kerno rules bundle makes it; nothing was signed")
    };
    if !bundle::is_bundle(path) {
        let why = if path.exists() { "it is no bundle" } else { "it is not there" };
        return Err(refused(why.to_owned()));
    }
    let files = Files::read(path, limits).map_err(refused)?.unsigned();
    let checked = bundle::check(&files, limits, &Policy::default(), SystemTime::now(), &[]).map_err(refused)?;
    Ok((files, checked))
}

/// Two files, neither of which was there.
fn make(secret_file: &Path, asked: &Sign) -> Result<u8, Failure> {
    let public_file = match secret_file.extension() {
        Some(extension) if extension == "pub" => {
            let what = format!("{} has the name of a public key", shown(secret_file));
            return Err(Failure::usage(what, "name the file of the secret one, as kerno.key; the public one is put beside it"));
        }
        Some(extension) if extension == "key" => secret_file.with_extension("pub"),
        _ => {
            let mut name = secret_file.as_os_str().to_owned();
            name.push(".pub");
            PathBuf::from(name)
        }
    };
    for file in [secret_file, &public_file] {
        if fs::symlink_metadata(file).is_ok() {
            return Err(Failure::usage(
                format!("{} is there already", shown(file)),
                "name another file: a key is never overwritten",
            ));
        }
    }
    let password = match asked.no_password {
        true => None,
        false => Some(new_password(asked.password_file.as_deref())?),
    };
    let (secret, public, public_key) = bundle::new_pair(password)
        .map_err(|why| Failure::own(format!("no keys can be made: {why}"), "run it where there is more memory"))?;
    let put = || -> io::Result<()> {
        let directory = whole::directory(secret_file);
        let (secret, public) =
            (Staged::write(directory, secret.as_bytes(), SECRET)?, Staged::write(directory, public.as_bytes(), PUBLIC)?);
        secret.put_new(secret_file)?;
        public.put_new(&public_file)
    };
    put().map_err(|error| {
        let what = format!("{} cannot be made: {}", shown(secret_file), whole::reason(&error));
        Failure::usage(what, "name a place that is free and that this user may write to")
    })?;
    let pair = Pair { secret_key_file: shown(secret_file), public_key_file: shown(&public_file), public_key };
    tell(asked.output, &pair, |pair| {
        let Pair { secret_key_file, public_key_file, public_key } = pair;
        format!(
            "secret key, which signs: {secret_key_file}\npublic key: {public_key_file}\nwho trusts it: rules.trusted_keys: [{public_key}]\n"
        )
    })?;
    Ok(exit::DONE)
}

fn new_password(file: Option<&Path>) -> Result<String, Failure> {
    let first = password(file, "Password for the new key: ")?;
    if first.is_empty() {
        return Err(Failure::usage("the password is empty", "give one, or --no-password"));
    }
    if file.is_none() && password(None, "The same once more: ")? != first {
        return Err(Failure::usage("the two passwords are not the same", "type it again"));
    }
    Ok(first)
}

/// The first line of a file, `-` for standard input; without one it is asked for on the terminal, and nothing is shown of it.
fn password(file: Option<&Path>, prompt: &str) -> Result<String, Failure> {
    let text = match file {
        Some(file) if file == Path::new("-") => {
            let mut text = String::new();
            let read = io::stdin().lock().take(LARGEST).read_to_string(&mut text);
            read.map(|_| text).map_err(|error| {
                Failure::usage(
                    format!("the password cannot be read from standard input: {error}"),
                    "write it there, and a line's end",
                )
            })?
        }
        Some(file) => read(file).map_err(|error| {
            let what = format!("the password in {} cannot be read: {error}", shown(file));
            Failure::usage(what, "name a file that this user may read")
        })?,
        None => rpassword::prompt_password(prompt).map_err(|error| {
            let what = match error.kind() {
                ErrorKind::UnexpectedEof | ErrorKind::Interrupted => "no password was given".to_owned(),
                _ => format!("there is no terminal to ask for the key's password on ({error})"),
            };
            Failure::usage(what, "give it in a file with --password-file, or on standard input with --password-file -")
        })?,
    };
    let line = text.lines().next().unwrap_or_default().to_owned();
    if line.len() > LONGEST_PASSWORD {
        return Err(Failure::usage(format!("the password is longer than {LONGEST_PASSWORD} bytes"), "give a shorter one"));
    }
    Ok(line)
}

fn read(path: &Path) -> io::Result<String> {
    if fs::metadata(path)?.is_dir() {
        return Err(ErrorKind::IsADirectory.into());
    }
    let mut text = String::new();
    File::open(path)?.take(LARGEST).read_to_string(&mut text)?;
    Ok(text)
}
