//! Which bundles may be started. A bundle is only ever read.

use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use crate::control::bundle::owned::opened::{OwnedBundle, is_owned};
use crate::control::settings::Settings;
use crate::control::state::container_dir::ContainerDir;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::host;
use crate::oci::bundle::Bundle;

/// Write permission for everybody.
const WORLD_WRITABLE: u32 = 0o002;

/// Reads the bundle at `path`, which must lie below one of the directories of the settings, if there are any. The root file
/// system of one that belongs to an app's user is mounted in `place`.
///
/// # Errors
/// [`ErrorKind::Bundle`] when it is not a bundle or not allowed, [`ErrorKind::Attack`] when another user than root could
/// have changed it, or one that is allowed asks for too much: it decides what runs with which privileges.
pub(crate) fn open(path: &Path, settings: &Settings, place: &ContainerDir) -> Result<Bundle> {
    let dir = find(path, &settings.bundle_roots).map_err(bad)?;
    if is_owned(&dir, &settings.bundle_owners) {
        return OwnedBundle::open(&dir, &settings.bundle_owners).map_err(bad)?.pin(place);
    }
    open_trusted(&dir).map_err(bad)
}

/// What is wrong with a bundle, as an error of its own kind. A trap stays one, and so does a full disk.
pub(crate) fn bad(error: Error) -> Error {
    match error.kind() {
        ErrorKind::Config | ErrorKind::System => error.of_kind(ErrorKind::Bundle),
        _ => error,
    }
}

/// The real path of a bundle.
fn find(path: &Path, roots: &[PathBuf]) -> Result<PathBuf> {
    if !path.is_absolute() {
        let what = format!("the bundle path {} is not absolute", path.display());
        return Err(Error::new(ErrorKind::Config, what));
    }
    let dir = path.canonicalize().tried(|| format!("cannot find the bundle {}", path.display()))?;
    if !roots.is_empty() && !roots.iter().any(|root| below(&dir, root)) {
        let what = format!("the bundle {} lies outside the allowed directories", dir.display());
        return Err(Error::new(ErrorKind::Config, what).advise("see the setting for bundle roots"));
    }
    Ok(dir)
}

/// Reads a bundle in a real directory, which only root may be able to change.
///
/// # Errors
/// As [`open`].
pub(crate) fn open_trusted(dir: &Path) -> Result<Bundle> {
    host::check_trusted(dir)?;
    // The file could only be exchanged between the check and the read by a trusted user: no other can write here.
    check_file(&dir.join("config.json"))?;
    Bundle::load(dir)
}

fn below(dir: &Path, root: &Path) -> bool {
    root.canonicalize().is_ok_and(|root| dir.starts_with(root))
}

fn check_file(path: &Path) -> Result<()> {
    let metadata = path.symlink_metadata().tried(|| format!("cannot look at {}", path.display()))?;
    let us = rustix::process::geteuid().as_raw();
    let complaint = if metadata.is_symlink() {
        "is a symbolic link".to_owned()
    } else if metadata.uid() != 0 && metadata.uid() != us {
        format!("belongs to user {}", metadata.uid())
    } else if metadata.mode() & WORLD_WRITABLE != 0 {
        "is writable by everybody".to_owned()
    } else {
        return Ok(());
    };
    let error = Error::new(ErrorKind::Attack, format!("{} {complaint}", path.display()));
    Err(error.advise("it must be a file that only root can write to"))
}
