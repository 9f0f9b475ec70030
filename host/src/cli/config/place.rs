//! Which file holds the configuration, and its text.

use std::fs::{self, File};
use std::io::{self, ErrorKind, Read};
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};

use crate::bundle::is_bundle;
use crate::cli::{Environment, Failure};
use crate::engine::SWITCH;
use crate::platform::privileges::is_root;

/// For all users.
const SYSTEM: &str = "/etc/kerno/config.yaml";
const SYSTEM_RULES: &str = "/etc/kerno/rules";

/// No configuration is larger, bytes.
const LARGEST: u64 = 1 << 20;

/// A file, and who named it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::cli) struct Place {
    pub(super) path: PathBuf,
    pub(super) by: &'static str,
}

/// The file that was named, else the first of the usual ones that is there.
pub(super) fn find(named: Option<&Path>, environment: &Environment) -> Option<Place> {
    if let Some(place) = named_by(named, environment) {
        return Some(place);
    }
    let system = Some(PathBuf::from(SYSTEM)).filter(|path| is_there(path, false));
    let users = || environment.config_home.as_ref().map(|home| home.join("kerno/config.yaml"));
    system.or_else(|| users().filter(|path| is_there(path, true))).map(|path| Place { path, by: "found there" })
}

/// Where rules lie when nobody says where: those for all users, and those of one who is not root.
pub(in crate::cli) fn rules(environment: &Environment) -> Vec<PathBuf> {
    let users = environment.config_home.as_ref().filter(|_| !is_root()).map(|home| home.join("kerno/rules"));
    [PathBuf::from(SYSTEM_RULES)].into_iter().chain(users).collect()
}

/// The last of them, this user's own.
pub(in crate::cli) fn usual_directory(environment: &Environment) -> Option<PathBuf> {
    rules(environment).pop().filter(|_| is_root() || environment.config_home.is_some())
}

/// Why a directory cannot be read, if it cannot.
pub(super) fn why_unreadable(directory: &Path) -> Option<io::Error> {
    fs::read_dir(directory).err()
}

/// Whether a directory has rules or switches of rules; one that cannot be read has none.
pub(in crate::cli) fn has_rules(directory: &Path) -> bool {
    let is_of_rules = |path: &Path| path.extension().is_some_and(|extension| extension == "wasm" || extension == SWITCH);
    is_bundle(directory) || fs::read_dir(directory).is_ok_and(|entries| entries.flatten().any(|entry| is_of_rules(&entry.path())))
}

fn named_by(named: Option<&Path>, environment: &Environment) -> Option<Place> {
    let named = named.map(|path| Place { path: path.to_owned(), by: "named on the command line" });
    named.or_else(|| environment.config.as_ref().map(|path| Place { path: path.clone(), by: "named by KERNO_CONFIG" }))
}

/// One that cannot be looked at is there: what it says must not be passed over. But below a home that this user may not enter it is
/// somebody else's, whose HOME was passed on.
fn is_there(path: &Path, at_home: bool) -> bool {
    match fs::metadata(path).map_err(|error| error.kind()) {
        Ok(_) => true,
        Err(ErrorKind::PermissionDenied) => !at_home,
        Err(error) => !matches!(error, ErrorKind::NotFound | ErrorKind::NotADirectory),
    }
}

/// The file's text.
pub(super) fn read(place: &Place) -> Result<String, Failure> {
    let path = place.path.display();
    let refused = |why: &str, help: &str| Failure::usage(format!("the configuration {path} cannot be read: {why}"), help);
    let unread = |error: io::Error| {
        let help = match place.by {
            "found there" => "let this user read it, or name another file with --config",
            _ => "name a file that is there and that this user may read",
        };
        refused(&error.to_string(), help)
    };
    // As the user who started kerno, whatever else kerno itself may read: what is wrong with a file is told in its words.
    access(&place.path, Access::READ_OK).map_err(|error| unread(error.into()))?;
    // A pipe or a terminal would never end.
    let kind = fs::metadata(&place.path).map_err(unread)?.file_type();
    if !kind.is_file() && place.path != Path::new("/dev/null") {
        return Err(refused("it is no regular file", "name the file itself"));
    }
    let mut bytes = Vec::new();
    File::open(&place.path).and_then(|file| file.take(LARGEST + 1).read_to_end(&mut bytes)).map_err(unread)?;
    if bytes.len() as u64 > LARGEST {
        return Err(refused(&format!("it is larger than {} MiB", LARGEST >> 20), "name a file of settings"));
    }
    String::from_utf8(bytes).map_err(|error| {
        let before = &error.as_bytes()[..error.utf8_error().valid_up_to()];
        let line = 1 + before.iter().filter(|byte| **byte == b'\n').count();
        refused(&format!("line {line} is not UTF-8"), "save it as UTF-8")
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_command_line_goes_before_the_variable() {
        let environment = Environment { config: Some("/b".into()), ..Environment::default() };
        let by =
            |named: Option<&str>, environment| named_by(named.map(Path::new), environment).map(|place| (place.path, place.by));
        assert_eq!(by(Some("/a"), &environment), Some(("/a".into(), "named on the command line")));
        assert_eq!(by(None, &environment), Some(("/b".into(), "named by KERNO_CONFIG")));
        assert_eq!(by(None, &Environment::default()), None);
    }
}
