//! What a bundle is made of, from a directory or an archive, within bounds: names and bytes, and nothing judged yet.

use std::collections::BTreeMap;
use std::fs::{self, File};
use std::io::{self, Read};
use std::path::{Path, PathBuf};

use tar::{Archive, EntryType};

use super::manifest::{LARGEST, MOST_RULES};
use super::{MANIFEST, SIGNATURE, signature};
use crate::engine::{self, Limits, SWITCH};

/// No bundle is larger, bytes.
const MOST: u64 = 256 << 20;
/// What an archive adds to each file, bytes.
const FRAME: u64 = 2048;
/// No file system has longer names, bytes: neither has a bundle.
const LONGEST_NAME: usize = 255;
/// Files that are looked at: the rules, the manifest, its signature, and what a directory may have besides.
const MOST_FILES: usize = 4 * MOST_RULES;

/// The files of a bundle, by name. Those that are neither manifest nor signature nor component are not read.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Files {
    /// Manifest and signature.
    pub(super) texts: BTreeMap<String, Vec<u8>>,
    /// Components.
    pub(super) components: BTreeMap<String, Vec<u8>>,
    /// What has no business there.
    pub(super) others: Vec<String>,
}

impl Files {
    /// Of a manifest and components.
    #[must_use]
    pub fn new(manifest: Vec<u8>, signature: Option<Vec<u8>>, components: BTreeMap<String, Vec<u8>>) -> Self {
        let signature = signature.map(|signature| (SIGNATURE.to_owned(), signature));
        let texts = [(MANIFEST.to_owned(), manifest)].into_iter().chain(signature).collect();
        Self { texts, components, others: Vec::new() }
    }

    /// The manifest, whatever it holds.
    #[must_use]
    pub fn manifest(&self) -> Option<&[u8]> {
        self.texts.get(MANIFEST).map(Vec::as_slice)
    }

    /// The signature, whatever it holds.
    #[must_use]
    pub fn signature(&self) -> Option<&[u8]> {
        self.texts.get(SIGNATURE).map(Vec::as_slice)
    }

    /// The same, signed with this.
    #[must_use]
    pub fn signed(mut self, signature: Vec<u8>) -> Self {
        self.texts.insert(SIGNATURE.to_owned(), signature);
        self
    }

    /// The same without a signature.
    #[must_use]
    pub fn unsigned(mut self) -> Self {
        self.texts.remove(SIGNATURE);
        self
    }

    /// Names of what is neither manifest nor signature.
    pub fn foreign(&self) -> impl Iterator<Item = &String> {
        self.components.keys().chain(&self.others)
    }

    /// All files in the order in which they are written into an archive: who reads it knows first what will come.
    pub fn iter(&self) -> impl Iterator<Item = (&str, &[u8])> {
        self.texts.iter().chain(&self.components).map(|(name, bytes)| (name.as_str(), bytes.as_slice()))
    }

    /// Components.
    #[must_use]
    pub fn components(&self) -> &BTreeMap<String, Vec<u8>> {
        &self.components
    }

    /// Reads a directory or an archive.
    ///
    /// # Errors
    /// It cannot be read, or is no bundle at all.
    pub fn read(path: &Path, limits: &Limits) -> Result<Self, String> {
        if fs::metadata(path).is_ok_and(|there| there.is_dir()) {
            return Self::of_directory(path, limits);
        }
        let bytes = bounded(path, MOST + MOST_FILES as u64 * FRAME).map_err(|error| unreadable(&error))?;
        Self::of_tar(&bytes, limits)
    }

    fn of_directory(path: &Path, limits: &Limits) -> Result<Self, String> {
        // Kubernetes puts all files of a mounted ConfigMap into a directory of their own, and changes a link to it: they belong together.
        let mounted = fs::canonicalize(path.join("..data")).ok().filter(|there| there.is_dir());
        let root = mounted.unwrap_or_else(|| path.to_path_buf());
        let mut files = Self::default();
        let entries = fs::read_dir(&root).map_err(|error| unreadable(&error))?;
        for (number, entry) in entries.enumerate() {
            let name = entry.map_err(|error| unreadable(&error))?.file_name();
            let name = name.to_str().map_or_else(|| name.to_string_lossy().into_owned(), str::to_owned);
            if is_aside(&name) {
                continue;
            }
            if number >= MOST_FILES {
                return Err(format!("it has more than {MOST_FILES} files: keep nothing else in its directory"));
            }
            let place = root.join(&name);
            files.add(name, |name| read_file(name, &place, limits))?;
        }
        Ok(files)
    }

    /// Of a directory that may be damaged: manifest and signature as far as they can be read, and the names of all else.
    #[must_use]
    pub fn named_in(directory: &Path, limits: &Limits) -> Self {
        let mut files = Self::only_texts(directory, limits);
        let names = fs::read_dir(directory).into_iter().flatten().flatten();
        for name in names.map(|entry| entry.file_name().to_string_lossy().into_owned()) {
            if name.ends_with(".wasm") && !is_aside(&name) {
                files.components.insert(name, Vec::new());
            } else if !is_text(&name) && !is_aside(&name) {
                files.others.push(name);
            }
        }
        files
    }

    /// Manifest and signature of a directory, as far as they are there and can be read.
    pub(super) fn only_texts(directory: &Path, limits: &Limits) -> Self {
        let read = |name: &str| Some((name.to_owned(), read_file(name, &directory.join(name), limits).ok()?));
        Self { texts: [MANIFEST, SIGNATURE].into_iter().filter_map(read).collect(), ..Self::default() }
    }

    /// Of an archive.
    ///
    /// # Errors
    /// It is none, or holds what no bundle has.
    pub fn of_tar(bytes: &[u8], limits: &Limits) -> Result<Self, String> {
        if bytes.starts_with(&[0x1f, 0x8b]) || bytes.starts_with(b"\xfd7zXZ") || bytes.starts_with(&[0x28, 0xb5, 0x2f, 0xfd]) {
            return Err("it is compressed: unpack it to a plain tar first".to_owned());
        }
        let broken =
            |error: io::Error| format!("it is no whole tar archive ({}): copy it again", engine::printable(error.to_string()));
        let mut files = Self::default();
        let mut archive = Archive::new(bytes);
        for (number, entry) in archive.entries().map_err(broken)?.enumerate() {
            let mut entry = entry.map_err(broken)?;
            if number >= MOST_FILES {
                return Err(format!("it has more than {MOST_FILES} files: make it with `kerno rules bundle`"));
            }
            let path = entry.path_bytes().into_owned();
            if path.len() > LONGEST_NAME {
                let length = path.len();
                return Err(format!("it holds a file whose name has {length} bytes: make it with `kerno rules bundle`"));
            }
            let name = engine::printable(String::from_utf8_lossy(&path).into_owned());
            let kind = entry.header().entry_type();
            if kind == EntryType::XGlobalHeader || kind == EntryType::Directory && matches!(&*path, b"." | b"./") {
                continue;
            }
            let plain = name.strip_prefix("./").unwrap_or(&name).to_owned();
            if plain.contains('/') || plain == ".." {
                return Err(format!("it holds {name}, which does not lie beside bundle.yaml: make it with `kerno rules bundle`"));
            }
            if kind != EntryType::Regular {
                return Err(format!("it holds {name}, which is no regular file: make it with `kerno rules bundle`"));
            }
            let size = entry.size();
            files.add(plain, |name| {
                let most = longest(name, limits);
                let mut bytes = Vec::new();
                entry.by_ref().take(most + 1).read_to_end(&mut bytes).map_err(broken)?;
                if bytes.len() as u64 <= most && bytes.len() as u64 != size {
                    return Err("it is no whole tar archive (it ends too early): copy it again".to_owned());
                }
                Ok(bytes)
            })?;
        }
        if files.texts.is_empty() && files.components.is_empty() {
            return Err("it is no tar archive with a bundle in it: make it with `kerno rules bundle`".to_owned());
        }
        Ok(files)
    }

    fn add(&mut self, name: String, read: impl FnOnce(&str) -> Result<Vec<u8>, String>) -> Result<(), String> {
        let there = if is_text(&name) {
            &mut self.texts
        } else if name.ends_with(".wasm") {
            &mut self.components
        } else {
            self.others.push(name);
            return Ok(());
        };
        if there.contains_key(&name) {
            return Err(format!("it holds {name} twice: make it with `kerno rules bundle`"));
        }
        there.insert(name.clone(), read(&name)?);
        let all: usize = self.texts.values().chain(self.components.values()).map(Vec::len).sum();
        if all as u64 > MOST {
            return Err(format!("it has more than {} MiB: make two bundles of it", MOST >> 20));
        }
        Ok(())
    }
}

/// Whether a file begins as an archive does.
#[must_use]
pub fn is_tar(path: &Path) -> bool {
    let is_named = path.extension().is_some_and(|extension| extension == "tar" || extension == "gz" || extension == "tgz");
    let is_file = fs::metadata(path).is_ok_and(|there| there.is_file());
    let begins = || bounded(path, 262).is_ok_and(|bytes| bytes.get(257..262) == Some(b"ustar"));
    is_file && (is_named || begins())
}

fn is_text(name: &str) -> bool {
    name == MANIFEST || name == SIGNATURE
}

/// What is no part of a bundle and may lie beside it: what Kubernetes or kerno leave there, and what switches a rule off here.
fn is_aside(name: &str) -> bool {
    name.starts_with("..")
        || name.starts_with(".kerno-")
        || Path::new(name).extension().is_some_and(|extension| extension == SWITCH)
}

/// A byte more shows that there are too many: what is too large is told as what it is by whoever reads it.
fn longest(name: &str, limits: &Limits) -> u64 {
    match name {
        MANIFEST => LARGEST as u64,
        SIGNATURE => signature::LARGEST as u64,
        _ => limits.module,
    }
}

fn read_file(name: &str, place: &PathBuf, limits: &Limits) -> Result<Vec<u8>, String> {
    if is_text(name) {
        let metadata = fs::metadata(place).map_err(|error| format!("{name} cannot be read ({error}): let kerno read it"))?;
        if !metadata.is_file() {
            return Err(format!("{name} is no regular file: install the bundle again"));
        }
        return bounded(place, longest(name, limits) + 1)
            .map_err(|error| format!("{name} cannot be read ({error}): let kerno read it"));
    }
    engine::read(place, limits).map_err(|reason| format!("{}: {reason}", engine::printable(name.to_owned())))
}

fn bounded(path: &Path, most: u64) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    File::open(path)?.take(most).read_to_end(&mut bytes)?;
    Ok(bytes)
}

fn unreadable(error: &io::Error) -> String {
    format!("it cannot be read ({error}): let kerno read it")
}
