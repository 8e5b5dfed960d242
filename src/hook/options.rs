//! What the hook's command line says, and the plans for a container.

use std::path::{Path, PathBuf};

use serde_json::Value;

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
    /// The copy of `rdkPlugins.minidump` that `add` registered with the hook, as JSON.
    pub added: Option<String>,
    /// What stands for `config.json` where the engine makes none.
    pub stand_in: Option<Value>,
}

impl Options {
    /// The bundle of the container.
    pub(super) fn bundle(&self, dir: &Path) -> Result<Bundle> {
        match &self.stand_in {
            Some(config) => Ok(Bundle::of(dir, config.clone())),
            None => Bundle::load(dir),
        }
    }

    /// That copy, when the configuration has no such section: engines that write their own `config.json` (containerd)
    /// keep the hooks and drop what they do not know.
    fn added_instead_of(&self, config: Option<&Value>) -> Option<&str> {
        let section = config.and_then(|config| config.pointer(SECTION)).filter(|section| !section.is_null());
        if section.is_some() { None } else { self.added.as_deref() }
    }
}

/// Where a configuration has our section (RFC 6901).
const SECTION: &str = "/rdkPlugins/minidump";

/// The plans for a container from the hook's own file, the annotations, the configuration or what `add` registered, in
/// this order.
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
    if let Some(plans) = Plans::find(sources, admin)? {
        return Ok(Some(plans));
    }
    let Some(section) = options.added_instead_of(sources.config) else { return Ok(None) };
    log::info!(
        "container {}: rdkPlugins.minidump is gone from config.json; the hook's arguments have it",
        state.id
    );
    Plans::added(section).map(Some)
}

/// Whether a mistake in the plans must keep the container from starting.
pub(super) fn is_required(options: &Options, state: &State, bundle: &Bundle) -> bool {
    options.config.is_some()
        || Plans::required_by(&state.annotations)
        || Plans::required_in(bundle.config())
        || options.added_instead_of(Some(bundle.config())).is_some_and(Plans::required_in_added)
}
