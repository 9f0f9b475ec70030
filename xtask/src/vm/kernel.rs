//! Stock Debian kernels: the newest package of each line, resolved at run time and kept in the cache.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, SystemTime};

use anyhow::{Context, Result, bail};
use serde::{Deserialize, Serialize};

use super::apt::Suite;
use crate::paths;

/// What is tested when nothing else is asked for.
pub const DEFAULT_LINES: &str = "5.10,6.1,6.12,newest";

/// How long an answer of the archive is taken for its newest.
const FRESH: Duration = Duration::from_secs(24 * 3600);

/// A kernel on this machine's disk.
#[derive(Clone, Debug)]
pub struct Kernel {
    /// The line as it was asked for: `6.12`, `newest` …
    pub line: String,
    /// `uname -r`.
    pub release: String,
    /// The Debian package's version.
    pub version: String,
    /// The image to boot.
    pub image: PathBuf,
    /// The directory that holds `lib/modules/<release>`.
    pub root: PathBuf,
}

/// What the cache knows of a line.
#[derive(Serialize, Deserialize)]
struct Resolved {
    release: String,
    version: String,
}

/// Fails when a line is none that the default set, the cache or the archive has.
pub fn ensure_known(lines: &[String]) -> Result<()> {
    let cached = cached_lines(&paths::cache()?.join("kernels"));
    for line in lines {
        match recognize(line, &cached) {
            Known::Yes => {}
            Known::No => bail!("{}", unknown(line, &cached)),
            Known::Ask => drop(find(line).with_context(|| unknown(line, &cached))?),
        }
    }
    Ok(())
}

/// Is there such a line?
#[derive(Debug, PartialEq, Eq)]
enum Known {
    Yes,
    No,
    /// The archive may have it.
    Ask,
}

fn recognize(line: &str, cached: &[String]) -> Known {
    if DEFAULT_LINES.split(',').chain(cached.iter().map(String::as_str)).any(|known| known == line) {
        return Known::Yes;
    }
    let parts: Vec<_> = line.split('.').collect();
    let is_number = |part: &&str| !part.is_empty() && part.bytes().all(|byte| byte.is_ascii_digit());
    if parts.len() >= 2 && parts.iter().all(is_number) { Known::Ask } else { Known::No }
}

fn unknown(line: &str, cached: &[String]) -> String {
    let mut known: Vec<_> = DEFAULT_LINES.split(',').collect();
    known.extend(cached.iter().map(String::as_str).filter(|line| !DEFAULT_LINES.split(',').any(|known| known == *line)));
    format!("there is no kernel line `{line}`; there are: {}", known.join(", "))
}

/// Lines of the kernels in the cache: `6.12` of `6.12.57-1`.
fn cached_lines(cache: &Path) -> Vec<String> {
    let mut lines: Vec<_> = all_cached(cache).iter().filter_map(|kernel| line_of(&kernel.version)).collect();
    lines.sort_unstable();
    lines.dedup();
    lines
}

/// The line of a version: its first two numbers.
fn line_of(version: &str) -> Option<String> {
    match numbers(version)[..] {
        [major, minor, ..] => Some(format!("{major}.{minor}")),
        _ => None,
    }
}

/// Finds the line's newest kernel, fetching what the cache lacks.
pub fn find(line: &str) -> Result<Kernel> {
    let cache = paths::cache()?.join("kernels");
    fs::create_dir_all(&cache).with_context(|| format!("cannot make {}", cache.display()))?;
    let lock = File::create(cache.join("lock")).context("cannot make a lock file")?;
    lock.lock().context("cannot lock the kernel cache")?;

    let known = cache.join(format!("{line}.json"));
    let resolved = fs::read(&known).ok().and_then(|text| serde_json::from_slice::<Resolved>(&text).ok());
    let cached = resolved.or_else(|| newest_cached(&cache, line)).filter(|it| cache.join(&it.release).is_dir());
    if let Some(cached) = &cached
        && is_fresh(&known)
    {
        return kernel(&cache, line, cached);
    }
    match fetch(&cache, line) {
        Ok(resolved) => {
            fs::write(&known, serde_json::to_vec(&resolved)?).with_context(|| format!("cannot write {}", known.display()))?;
            kernel(&cache, line, &resolved)
        }
        Err(error) => match cached {
            Some(cached) => {
                eprintln!("kernel {line}: using {} from the cache, as the archive did not answer ({error:#})", cached.release);
                kernel(&cache, line, &cached)
            }
            None => Err(error.context(format!("cannot get a kernel of line {line}"))),
        },
    }
}

fn is_fresh(path: &Path) -> bool {
    let modified = fs::metadata(path).and_then(|data| data.modified());
    modified.is_ok_and(|then| SystemTime::now().duration_since(then).is_ok_and(|age| age < FRESH))
}

/// The newest cached kernel of an explicit line: once the archive has moved on, the cache is the only place that has it.
fn newest_cached(cache: &Path, line: &str) -> Option<Resolved> {
    all_cached(cache).into_iter().filter(|it| is_of_line(&it.version, line)).max_by_key(|it| numbers(&it.version))
}

/// Removes the line's older kernels from the cache, once a newer one has booted, and gives their releases. Those that were fetched
/// within the last day stay: another run may be booting them.
pub fn forget_older(kernel: &Kernel) -> Result<Vec<String>> {
    let cache = paths::cache()?.join("kernels");
    let lock = File::create(cache.join("lock")).context("cannot make a lock file")?;
    lock.lock().context("cannot lock the kernel cache")?;
    let mut older = superseded(all_cached(&cache), &kernel.release, &kernel.version);
    older.retain(|release| !is_fresh(&cache.join(release).join("version")));
    for release in &older {
        let directory = cache.join(release);
        fs::remove_dir_all(&directory).with_context(|| format!("cannot remove {}", directory.display()))?;
    }
    Ok(older)
}

/// Releases of the kernels that are of the same line as `version`, and older.
fn superseded(cached: Vec<Resolved>, release: &str, version: &str) -> Vec<String> {
    let is_older = |it: &Resolved| {
        it.release != release && line_of(&it.version) == line_of(version) && numbers(&it.version) < numbers(version)
    };
    cached.into_iter().filter(is_older).map(|it| it.release).collect()
}

/// Every kernel in the cache.
fn all_cached(cache: &Path) -> Vec<Resolved> {
    let files = fs::read_dir(cache).into_iter().flatten().flatten().map(|entry| entry.path().join("version"));
    let kernel = |file: PathBuf| {
        let release = file.parent()?.file_name()?.to_str().filter(|name| !name.ends_with(".partial"))?.to_owned();
        Some(Resolved { release, version: fs::read_to_string(&file).ok()? })
    };
    files.filter_map(kernel).collect()
}

fn is_of_line(version: &str, line: &str) -> bool {
    version.strip_prefix(line).is_some_and(|rest| rest.starts_with(['.', '-', '~']))
}

/// The numbers of a version, in order: enough to tell the newer of two kernels of one line.
fn numbers(version: &str) -> Vec<u64> {
    version.split(|c: char| !c.is_ascii_digit()).filter_map(|digits| digits.parse().ok()).collect()
}

fn suite(line: &str) -> &'static str {
    match line {
        "5.10" => "bullseye",
        "6.1" => "bookworm",
        "6.12" => "trixie",
        _ => "sid",
    }
}

fn fetch(cache: &Path, line: &str) -> Result<Resolved> {
    const META: &str = "linux-image-cloud-amd64";
    let suite_name = suite(line);
    let suite = Suite::update(suite_name, &cache.join("apt").join(suite_name))?;
    let version = suite.version(META)?;
    if line != "newest" && !is_of_line(&version, line) {
        bail!("Debian's {suite_name} has kernel {version} now; ask for `newest`");
    }
    let image = suite.depends(META)?.into_iter().find(|name| name.starts_with("linux-image-")).context("no kernel image")?;
    let release = image.trim_start_matches("linux-image-").to_owned();
    let root = cache.join(&release);
    if fs::read_to_string(root.join("version")).is_ok_and(|present| present == version) {
        return Ok(Resolved { release, version });
    }
    eprintln!("kernel {line}: fetching {release} ({version}) from Debian's {suite_name}");
    // Since 7.2 the image package is empty and depends on the packages with the files.
    let mut packages = vec![image.clone()];
    let parts = suite.depends(&image)?.into_iter();
    packages.extend(parts.filter(|name| name.starts_with("linux-binary-") || name.starts_with("linux-modules-")));
    let partial = cache.join(format!("{release}.partial"));
    let _ = fs::remove_dir_all(&partial);
    fs::create_dir_all(&partial).context("cannot make a directory in the kernel cache")?;
    suite.unpack(&packages, &partial)?;
    fs::write(partial.join("version"), &version).context("cannot write into the kernel cache")?;
    let _ = fs::remove_dir_all(&root);
    fs::rename(&partial, &root).context("cannot rename a directory in the kernel cache")?;
    Ok(Resolved { release, version })
}

fn kernel(cache: &Path, line: &str, resolved: &Resolved) -> Result<Kernel> {
    let (release, directory) = (&resolved.release, cache.join(&resolved.release));
    // Modules moved below /usr with 6.12, the image beside them with 7.2.
    let roots = [directory.clone(), directory.join("usr")];
    let root = roots.iter().find(|root| root.join("lib/modules").join(release).is_dir());
    let root = root.with_context(|| format!("kernel {release} came without modules"))?.clone();
    let images = [directory.join(format!("boot/vmlinuz-{release}")), root.join(format!("lib/modules/{release}/vmlinuz"))];
    let image =
        images.into_iter().find(|image| image.is_file()).with_context(|| format!("kernel {release} came without an image"))?;
    Ok(Kernel { line: line.to_owned(), release: release.clone(), version: resolved.version.clone(), image, root })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_a_whole_prefix() {
        assert!(is_of_line("6.1.192-2", "6.1"));
        assert!(!is_of_line("6.12.117-1", "6.1"));
        assert!(is_of_line("7.2.13-1", "7.2"));
        assert!(is_of_line("7.2~rc3-1", "7.2"));
    }

    #[test]
    fn lines_that_nobody_has_are_told_from_those_the_archive_may_have() {
        let cached = ["7.2".to_owned()];
        for (line, known) in [
            ("6.12", Known::Yes),
            ("newest", Known::Yes),
            ("7.2", Known::Yes),
            ("6.13", Known::Ask),
            ("../x", Known::No),
            ("6", Known::No),
        ] {
            assert_eq!(recognize(line, &cached), known, "{line}");
        }
        assert_eq!(unknown("6.13", &cached), "there is no kernel line `6.13`; there are: 5.10, 6.1, 6.12, newest, 7.2");
    }

    #[test]
    fn lines_in_the_cache_are_read_from_its_kernels() {
        let cache = std::env::temp_dir().join(format!("kerno-kernels-{}", std::process::id()));
        fs::create_dir_all(cache.join("7.2.13-cloud")).unwrap();
        fs::write(cache.join("7.2.13-cloud/version"), "7.2.13-1").unwrap();
        let lines = cached_lines(&cache);
        fs::remove_dir_all(&cache).unwrap();
        assert_eq!(lines, ["7.2"]);
    }

    #[test]
    fn older_kernels_of_the_same_line_are_superseded() {
        let kernel = |version: &str| Resolved { release: format!("{version}-cloud"), version: version.to_owned() };
        let cached = ["6.12.9-1", "6.12.57-1", "6.12.63-1", "6.1.9-1", "7.2.13-1"].map(kernel).into();
        assert_eq!(superseded(cached, "6.12.57-1-cloud", "6.12.57-1"), ["6.12.9-1-cloud"]);
    }

    #[test]
    fn versions_order_by_number() {
        assert!(numbers("7.2.13-1") > numbers("7.2.9-1"));
    }
}
