//! Bytes as a bundle of rules: its archive, its manifest, its signature, and the key of who signed it.

use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::time::SystemTime;

use kerno::bundle::{Draft, Files, Manifest, Policy, TrustedKey, check, config_map, tar};
use kerno::engine::Limits;

/// What the real minisign signed.
const SIGNED: &[u8] = include_bytes!("../../host/tests/bundle/real/bundle.yaml");
const SIGNATURE: &[u8] = include_bytes!("../../host/tests/bundle/real/bundle.yaml.minisig");
const COMPONENT: &[u8] = include_bytes!("../../host/tests/bundle/real/healthy.wasm");

static TRUSTING: LazyLock<Policy> = LazyLock::new(|| {
    let key = include_str!("../../host/tests/bundle/plain.pub");
    Policy { require_signature: true, trusted_keys: vec![TrustedKey::parse(key).expect("it is a key")] }
});

/// Whether they are an archive or a manifest.
pub fn run(bytes: &[u8]) -> bool {
    let is_archive = is_archive(bytes) | is_archive(&with_checksums(bytes.to_vec()));
    let is_manifest = is_manifest(bytes);
    let healthy = || BTreeMap::from([("healthy.wasm".to_owned(), COMPONENT.to_vec())]);
    let signed = Files::new(bytes.to_vec(), Some(SIGNATURE.to_vec()), healthy());
    assert_eq!(is_used(&signed, &TRUSTING), bytes == SIGNED, "one signature fits two manifests");
    is_used(&Files::new(SIGNED.to_vec(), Some(bytes.to_vec()), healthy()), &TRUSTING);
    if let Ok(text) = str::from_utf8(bytes) {
        match TrustedKey::parse(text) {
            Ok(key) => assert_eq!(key.id().len(), 16),
            Err(reason) => is_a_sentence(&reason),
        }
    }
    is_archive || is_manifest
}

fn is_archive(bytes: &[u8]) -> bool {
    let files = match Files::of_tar(bytes, &Limits::default()) {
        Ok(files) => files,
        Err(reason) => {
            is_a_sentence(&reason);
            return false;
        }
    };
    let names = || files.iter().map(|(name, _)| name);
    assert!(names().all(|name| !name.contains(['/', '\0']) && name != ".."), "{:?}", names().collect::<Vec<_>>());
    if let Ok(again) = tar(&files).and_then(|archive| Files::of_tar(&archive, &Limits::default()).map_err(std::io::Error::other))
    {
        assert!(again.iter().eq(files.iter()), "an archive is not read as it is written");
    }
    config_map("site-rules", &files).unwrap_or_else(|reason| {
        is_a_sentence(&reason);
        reason
    });
    assert!(!is_used(&files, &TRUSTING) || files.manifest() == Some(SIGNED));
    is_used(&files, &Policy::default());
    true
}

fn is_manifest(bytes: &[u8]) -> bool {
    if let Err(reason) = Draft::parse(bytes) {
        is_a_sentence(&reason);
    }
    match Manifest::parse(bytes) {
        Ok(manifest) => {
            assert_eq!(Manifest::parse(manifest.write().as_bytes()).as_ref(), Ok(&manifest), "it is not read as it is written");
            let _ = manifest.is_expired(SystemTime::UNIX_EPOCH);
            true
        }
        Err(reason) => {
            is_a_sentence(&reason);
            false
        }
    }
}

fn is_used(files: &Files, policy: &Policy) -> bool {
    match check(files, &Limits::default(), policy, SystemTime::UNIX_EPOCH, &[]) {
        Ok(checked) => {
            assert!(checked.manifest.rules.iter().all(|rule| files.components().contains_key(&rule.file)));
            true
        }
        Err(reason) => {
            is_a_sentence(&reason);
            false
        }
    }
}

/// It is shown to people.
fn is_a_sentence(reason: &str) {
    assert!(!reason.is_empty() && reason.len() < 1024 && !reason.chars().any(char::is_control), "{reason:?}");
}

/// The same archive with checksums that fit, without which nothing behind them would be tried.
fn with_checksums(mut bytes: Vec<u8>) -> Vec<u8> {
    let mut at = 0;
    while let Some(header) = bytes.get_mut(at..).and_then(|rest| rest.get_mut(..512)) {
        // The end of an archive.
        if header.iter().all(|byte| *byte == 0) {
            break;
        }
        header[148..156].fill(b' ');
        let sum: u32 = header.iter().map(|byte| u32::from(*byte)).sum();
        header[148..156].copy_from_slice(format!("{sum:06o}\0 ").as_bytes());
        let size = header[124..136].iter().filter(|byte| (b'0'..=b'7').contains(byte));
        let size = size.fold(0_usize, |size, digit| size.saturating_mul(8).saturating_add(usize::from(digit - b'0')));
        at = at.saturating_add(512).saturating_add(size.div_ceil(512).saturating_mul(512));
    }
    bytes
}
