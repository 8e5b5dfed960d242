//! A Dobby spec becomes an OCI bundle.
//!
//! Dobby, the container manager of RDK, starts containers from a JSON spec of its own. This module reads such a spec
//! ([`Input`], [`Spec`]), says everything that is wrong with it at once ([`Problems`]), and turns it into the
//! `config.json` and the root file system that Dobby's generator would write ([`convert()`], [`Conversion::write`]).
//! What no OCI runtime acts on comes out as data ([`Runtime`]) for whoever starts the container. The host's part is
//! in [`Host`]: Dobby's own settings file, and facts such as the number of processors.
//!
#![doc = include_str!("DIFFERENCES.md")]

mod bundle;
mod convert;
mod fields;
mod hardware;
pub mod host;
mod input;
mod node;
mod parse;
mod problems;
mod rootfs;
pub mod runtime;
mod schema;
pub mod settings;
pub mod spec;
mod template;

use std::path::Path;

pub use bundle::remove;
pub use convert::{Conversion, convert};
pub use host::Host;
pub use input::Input;
pub use problems::{Problem, Problems};
pub use rootfs::{Entry, Rootfs};
pub use runtime::Runtime;
pub use settings::Settings;
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
