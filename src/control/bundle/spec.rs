//! A container from a Dobby spec: its conversion into a bundle of our own.

use std::fs::{Permissions, set_permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;

use crate::control::model::request::{Source, StartRequest};
use crate::control::settings::Settings;
use crate::control::state::container_dir::ContainerDir;
use crate::dobby;
use crate::dobby::convert::Conversion;
use crate::dobby::host::Host;
use crate::error::{Result, Tried};

/// The directory in a container's own for the bundle that its spec became.
pub(crate) const BUNDLE: &str = "spec";

/// What the spec of a request becomes on this host; `None` when the request names a bundle.
///
/// # Errors
/// [`ErrorKind::Input`](crate::error::ErrorKind::Input) naming every mistake of the spec.
pub(crate) fn convert(request: &StartRequest, settings: &Settings) -> Result<Option<Conversion>> {
    let Source::Spec(input) = &request.source else { return Ok(None) };
    let spec = input.clone().read()?;
    let (host, odd_settings) = Host::detect(&settings.dobby_settings)?;
    let mut conversion = dobby::convert(&spec, &host)?;
    for warning in odd_settings.iter().chain(&conversion.warnings) {
        log::warn!("container {}: {warning}", request.id);
    }
    conversion.for_container(request.id.as_str(), &host);
    Ok(Some(conversion))
}

/// Writes the bundle into the container's own directory and gives its path.
///
/// # Errors
/// Those of [`Conversion::write`]; the kernel's.
pub(crate) fn place(conversion: &Conversion, dir: &ContainerDir) -> Result<PathBuf> {
    let bundle = dir.file(BUNDLE);
    conversion.write(&bundle)?;
    let config = bundle.join("config.json");
    set_permissions(&config, Permissions::from_mode(0o600))
        .tried(|| format!("cannot change the permissions of {}", config.display()))?;
    dir.allow_traversal()?;
    Ok(bundle)
}
