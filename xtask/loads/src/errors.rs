//! Calls that fail with one error, among others of the same call that do not.

use std::fs::{self, File};
use std::io::{self, Write};
use std::net::{TcpListener, TcpStream};
use std::os::unix::fs::PermissionsExt;
use std::path::Path;
use std::time::{Duration, Instant};

use crate::progress::Progress;
use crate::sys;

/// Makes calls at a rate, of which every `every`th fails as `kind` says. `target`: a directory, or the address of a closed port.
pub fn run(kind: &str, per_second: u32, every: u64, target: &str) -> io::Result<()> {
    let failed = Progress::new("errors");
    let (good, bad) = prepare(kind, target)?;
    let step = Duration::from_secs(1) / per_second.max(1);
    let mut next = Instant::now();
    for turn in 0_u64.. {
        let wanted = turn % every.max(1) == 0;
        let outcome = if wanted { bad() } else { good() };
        if outcome.is_err() != wanted {
            return Err(io::Error::other(format!(
                "a call that should {}: {outcome:?}",
                if wanted { "fail" } else { "not fail" }
            )));
        }
        if wanted {
            failed.add();
        }
        next += step;
        std::thread::sleep(next.saturating_duration_since(Instant::now()));
    }
    Ok(())
}

type Call = Box<dyn Fn() -> io::Result<()>>;

/// The call that succeeds and the same one that does not.
fn prepare(kind: &str, target: &str) -> io::Result<(Call, Call)> {
    let open = |path: std::path::PathBuf| -> Call { Box::new(move || File::open(&path).map(drop)) };
    let directory = Path::new(target);
    match kind {
        "eacces" => {
            let (public, secret) = (directory.join("public"), directory.join("secret"));
            fs::write(&public, "x")?;
            fs::write(&secret, "x")?;
            fs::set_permissions(&public, PermissionsExt::from_mode(0o644))?;
            fs::set_permissions(&secret, PermissionsExt::from_mode(0o600))?;
            sys::become_nobody()?;
            Ok((open(public), open(secret)))
        }
        "emfile" => {
            let file = directory.join("file");
            fs::write(&file, "x")?;
            sys::limit_descriptors(64)?;
            // All but the last are taken for good; the last one is open or closed as the call is to fail or not.
            let (mut taken, again) = (Vec::new(), file.clone());
            while let Ok(open) = File::open(&file) {
                taken.push(open);
            }
            taken.pop();
            let exhausted = move || {
                let _last = File::open(&again)?;
                File::open(&again).map(drop)
            };
            let alone = move || {
                let _kept = &taken;
                File::open(&file).map(drop)
            };
            Ok((Box::new(alone), Box::new(exhausted)))
        }
        "enospc" => {
            let mut filler = File::create(directory.join("filler"))?;
            while filler.write(&[0; 4096]).is_ok() {}
            let (room, more) = (File::create("/tmp/room")?, filler);
            Ok((Box::new(move || (&room).write_all(b"x")), Box::new(move || (&more).write_all(&[0; 4096]))))
        }
        "econnrefused" => {
            let (listener, to) = (TcpListener::bind("127.0.0.1:0")?, target.to_owned());
            let open = listener.local_addr()?;
            let connects = move || TcpStream::connect(open).and_then(|_| listener.accept()).map(drop);
            Ok((Box::new(connects), Box::new(move || TcpStream::connect(&to).map(drop))))
        }
        _ => Err(io::Error::other(format!("`{kind}` is no error"))),
    }
}
