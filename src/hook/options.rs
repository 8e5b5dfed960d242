//! What the hook's command line says, and the plans for a container.

use std::path::PathBuf;

use crate::error::Result;
use crate::hook::stage::Stage;
use crate::oci::bundle::{self, Bundle};
use crate::oci::state::State;
use crate::settings::admin::Admin;
use crate::settings::{Plans, Sources};

/// What the hook's command line says.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The stage, when the command line names it.
    pub stage: Option<Stage>,
    /// A file with plans, in the form of `rdkPlugins.minidump.data`.
    pub config: Option<PathBuf>,
}

/// The plans for a container from the hook's own file, the annotations or the configuration, in this order.
pub(super) fn plans(
    options: &Options,
    state: &State,
    bundle: Option<&Bundle>,
    admin: &Admin,
) -> Result<Option<Plans>> {
    let file = options.config.as_deref().map(bundle::read_json).transpose()?;
    let sources = Sources {
        file: file.as_ref(),
        annotations: Some((&state.annotations, &state.id)),
        config: bundle.map(Bundle::config),
    };
    Plans::find(sources, admin)
}

/// Whether a mistake in the plans must keep the container from starting.
pub(super) fn is_required(options: &Options, state: &State, bundle: &Bundle) -> bool {
    options.config.is_some() || Plans::required_by(&state.annotations) || Plans::required_in(bundle.config())
}
