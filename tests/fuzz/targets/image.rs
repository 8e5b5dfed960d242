//! Harvesting a damaged or hostile image: it ends soon, and what arrives on the host are whole files with harmless
//! names, never more bytes than the budget.

#![no_main]

use std::cell::OnceCell;
use std::fs::{self, File};
use std::path::{Path, PathBuf};

use fuzz::image::Recipe;
use fuzz::rules::{check_error, check_name};
use fuzz::scratch;
use libfuzzer_sys::{arbitrary, arbitrary::Arbitrary, fuzz_target};
use oci_minidump::deadline::Deadline;
use oci_minidump::dump::is_minidump;
use oci_minidump::harvest::Owner;
use oci_minidump::harvest::take::published::Published;
use oci_minidump::harvest::take::{Bounds, Taken, take};
use oci_minidump::harvest::{IfAttached, Job};
use oci_minidump::image::read::user_space::UserSpace;
use oci_minidump::image::superblock::inspect;
use oci_minidump::process::end_on_panic;
use oci_minidump::settings::admin::{Admin, Naming};

#[derive(Arbitrary, Debug)]
struct Input {
    rdk: bool,
    recipe: Recipe,
}

struct Scratch {
    image: File,
    destination: PathBuf,
}

thread_local! {
    static SCRATCH: OnceCell<Scratch> = const { OnceCell::new() };
}

fuzz_target!(|input: Input| {
    SCRATCH.with(|scratch| {
        let scratch = scratch.get_or_init(|| {
            // What the reader's library panics at is caught, as it is in the hook.
            end_on_panic();
            let dir = scratch::dir("image");
            Scratch { image: scratch::file(&dir, "image"), destination: scratch::dir("dumps") }
        });
        scratch::fill(&scratch.image, &input.recipe.cook());
        let naming = if input.rdk { Naming::Rdk } else { Naming::App };
        let admin = Admin { naming, ..Admin::default() };
        check(scratch, &admin);
        for entry in fs::read_dir(&scratch.destination).expect("it can be listed") {
            fs::remove_file(entry.expect("it can be listed").path()).expect("it can be removed");
        }
    });
});

fn check(scratch: &Scratch, admin: &Admin) {
    inspect(&scratch.image).expect("it can be read");
    let job = Job {
        destination: &scratch.destination,
        mount: None,
        owner: Owner { container: Some("app"), app_state: None, subject: None },
        admin,
        if_attached: IfAttached::Refuse,
        detach_timeout: std::time::Duration::ZERO,
        deadline: Deadline::NONE,
    };
    let budget = scratch.image.metadata().expect("it is open").len() * 2;
    let bounds = Bounds { budget, deadline: Deadline::NONE, is_mounted: false };
    let result = UserSpace::open(&scratch.image)
        .and_then(|mut files| take(&mut files, job, bounds, &Published::default()));
    let (metas, found): (Vec<_>, Vec<_>) =
        arrived(&scratch.destination).into_iter().partition(|(path, _)| is_meta(path));
    for (meta, _) in metas {
        let dump = meta.with_extension("dmp");
        assert!(found.iter().any(|(path, _)| *path == dump), "{meta:?} has no dump");
    }
    let bytes: u64 = found.iter().map(|(_, size)| size).sum();
    assert!(bytes <= budget, "{bytes} bytes of {budget}: {found:?}");
    match result {
        Err(error) => check_error(&error),
        Ok(taken) => check_taken(&taken, &found),
    }
}

/// Whether a file is the metadata of a dump.
fn is_meta(path: &Path) -> bool {
    path.extension().is_some_and(|extension| extension == "meta")
}

/// The files in the destination, each checked on its own.
fn arrived(destination: &Path) -> Vec<(PathBuf, u64)> {
    let entries = fs::read_dir(destination).expect("it can be listed");
    let files = entries.map(|entry| {
        let path = entry.expect("it can be listed").path();
        let metadata = fs::symlink_metadata(&path).expect("it can be inspected");
        let dump = path.with_extension("dmp");
        check_name(dump.file_name().and_then(|name| name.to_str()).expect("it has a name"));
        assert!(metadata.is_file(), "{path:?}");
        let bytes = fs::read(&path).expect("it can be read");
        assert!(is_meta(&path) || is_minidump(&bytes), "{path:?}");
        (path, metadata.len())
    });
    files.collect()
}

/// What the harvest tells is what is there.
fn check_taken(taken: &Taken, found: &[(PathBuf, u64)]) {
    assert!(taken.failures.is_empty() && taken.unfinished == 0, "{taken:?}");
    for dump in &taken.dumps {
        assert!(found.contains(&(dump.path.clone(), dump.size)), "{dump:?}");
    }
    for (path, _) in found {
        assert!(taken.dumps.iter().any(|dump| dump.path == *path), "{path:?}");
    }
}
