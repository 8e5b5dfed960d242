//! A container from a Dobby spec: its conversion into a bundle of our own.

use std::fs::{Permissions, metadata, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use super::shelf::Shelf;
use super::{Settings, Source, StartRequest, nat, plugins, resolver};
use crate::dobby::runtime::Network;
use crate::dobby::{self, Conversion, Host};
use crate::error::{Result, Tried};

/// The directory in a container's own for the bundle that its spec became.
pub(super) const BUNDLE: &str = "spec";
/// Permission for everybody to pass through a directory.
const PASS: u32 = 0o011;

/// What the spec of a request becomes on this host; `None` when the request names a bundle.
///
/// # Errors
/// [`ErrorKind::Input`](crate::error::ErrorKind::Input) naming every mistake of the spec; that network `nat` is asked
/// for and netavark is not installed; those of [`plugins::check`].
pub(super) fn convert(request: &StartRequest, settings: &Settings) -> Result<Option<Conversion>> {
    let Source::Spec(input) = &request.source else { return Ok(None) };
    let spec = input.clone().read()?;
    let (host, odd_settings) = Host::detect(&settings.dobby_settings)?;
    let mut conversion = dobby::convert(&spec, &host)?;
    let missing = plugins::check(&conversion.runtime)?;
    for warning in odd_settings.iter().chain(&conversion.warnings).chain(&missing) {
        log::warn!("container {}: {warning}", request.id);
    }
    conversion.for_container(request.id.as_str(), &host);
    if conversion.runtime.network == Network::Nat {
        // Before anything is made: the start would come to it last.
        nat::program()?;
    }
    if conversion.runtime.network != Network::Isolated {
        resolver::mount(&mut conversion.config);
    }
    Ok(Some(conversion))
}

/// Writes the bundle into the container's own directory and gives its path.
///
/// The root of a user namespace is nobody special on the host and mounts from inside, so it must be able to pass
/// through the directories above; it can list none of them, and no file there is readable to it but the root file
/// system.
///
/// # Errors
/// Those of [`Conversion::write`]; the kernel's.
pub(super) fn place(conversion: &Conversion, shelf: &Shelf, state_dir: &Path) -> Result<PathBuf> {
    let bundle = shelf.file(BUNDLE);
    conversion.write(&bundle)?;
    let permit = |path: &Path, change: fn(u32) -> u32| {
        let mode = metadata(path).map(|metadata| metadata.permissions().mode());
        mode.and_then(|mode| set_permissions(path, Permissions::from_mode(change(mode))))
            .tried(|| format!("cannot change the permissions of {}", path.display()))
    };
    permit(&bundle.join("config.json"), |_| 0o600)?;
    permit(shelf.dir(), |mode| mode | PASS)?;
    permit(state_dir, |mode| mode | PASS)?;
    Ok(bundle)
}
