//! A Dobby spec becomes an OCI bundle.
//!
//! Dobby, the container manager of RDK, starts containers from a JSON spec of its own. This module reads such a spec
//! ([`Input`], [`Spec`]), says everything that is wrong with it at once ([`Problems`]), and turns it into the
//! `config.json` and the root file system that Dobby's generator would write ([`convert()`], [`Conversion::write`]).
//! What no OCI runtime acts on comes out as data ([`RuntimeExtras`]) for the daemon. The host's part is
//! in [`Host`]: Dobby's own settings file, and facts such as the number of processors.
//!
//! The modules, from the bottom up:
//!
//! - `read`: reads JSON and collects everything that is wrong with it.
//! - [`spec`]: the typed spec; [`settings`]: Dobby's own settings; [`host`]: what the conversion must know of the host.
//! - `schema`: the form of each plugin's data.
//! - `fields`: the fields of a spec.
//! - [`runtime`]: what a container needs besides its `config.json`.
//! - `hardware`: devices and mounts of the host's hardware; `template`: the parts of every configuration.
//! - `parse`: from JSON to a spec; `rootfs`: the root file system.
//! - `convert`: from a spec to a configuration; `bundle`: the bundle on disk.
//!
#![doc = include_str!("DIFFERENCES.md")]

pub(crate) mod bundle;
pub(crate) mod convert;
mod fields;
mod hardware;
pub mod host;
mod parse;
pub(crate) mod read;
mod rootfs;
pub mod runtime;
pub(crate) mod schema;
pub mod settings;
pub mod spec;
pub(crate) mod template;

use std::path::Path;

pub use bundle::remove;
pub use convert::{Conversion, convert};
pub use host::Host;
pub use read::input::Input;
pub use read::problems::{Problem, Problems};
pub use rootfs::{Entry, Rootfs};
pub use runtime::RuntimeExtras;
pub use settings::DobbySettings;
pub use spec::Spec;
pub use template::give_real_time;

use crate::error::Result;

/// Converts the spec in the file `file` and writes it as the bundle directory `to`.
///
/// # Errors
/// Those of [`Input::read`], [`convert()`] and [`Conversion::write`]; nothing is written then.
pub fn convert_spec(file: &Path, to: &Path, host: &Host) -> Result<Conversion> {
    let json = Input::File(file.to_owned()).read()?;
    let conversion = convert(&json, host).map_err(|error| error.within(file.display()))?;
    conversion.write(to)?;
    Ok(conversion)
}
