//! The OCI hook: what happens at prestart and at poststop.

pub mod attach;
pub mod container;
pub mod leftover;
pub mod poststop;
pub mod prepare;
pub mod previous;
pub mod propagation;
pub mod record;
pub mod settle;
pub mod stage;
pub mod sweep;

use std::path::{Path, PathBuf};

use crate::error::Result;
use crate::oci::bundle::{self, Bundle};
use crate::oci::state::State;
use crate::settings::admin::Admin;
use crate::settings::{Plans, Sources};

pub use stage::Stage;

/// What the hook is told on its command line.
#[derive(Debug, Clone, Default)]
pub struct Options {
    /// The stage, when the command line names it.
    pub stage: Option<Stage>,
    /// A file with plans, in the form of `rdkPlugins.minidump.data`.
    pub config: Option<PathBuf>,
}

/// Runs the hook for the container that `state` describes. `cwd` stands for the bundle when the state names none.
///
/// # Errors
/// At prestart, whatever must keep the container from starting. At poststop nearly nothing: a hook that fails there
/// makes containers undeletable (youki) or keeps other hooks from running (runc).
pub fn run(options: &Options, state: &State, cwd: &Path, admin: &Admin) -> Result<()> {
    let stage = options.stage.unwrap_or(if state.stopped { Stage::Poststop } else { Stage::Prestart });
    let bundle = state.bundle.as_deref().unwrap_or(cwd);
    match stage {
        Stage::Prestart => prestart(options, state, bundle, admin),
        Stage::Poststop => poststop::poststop(options, state, bundle, admin),
    }
    .map_err(|e| e.within(format!("container {}", state.id)))
}

fn prestart(options: &Options, state: &State, dir: &Path, admin: &Admin) -> Result<()> {
    let bundle = Bundle::load(dir)?;
    let plans = match plans(options, state, Some(&bundle), admin) {
        Err(error) if !is_required(options, state, &bundle) => {
            log::warn!("container {}: {}; it starts without minidumps", state.id, error.report());
            return Ok(());
        }
        other => other?,
    };
    match plans {
        Some(plans) => prepare::prepare(state, &plans, &bundle, admin),
        None => {
            log::debug!("container {}: no minidumps are configured", state.id);
            Ok(())
        }
    }
}

/// The plans for a container from the hook's own file, the annotations or the configuration, in this order.
fn plans(options: &Options, state: &State, bundle: Option<&Bundle>, admin: &Admin) -> Result<Option<Plans>> {
    let file = options.config.as_deref().map(bundle::read_json).transpose()?;
    let sources = Sources {
        file: file.as_ref(),
        annotations: Some((&state.annotations, &state.id)),
        config: bundle.map(Bundle::config),
    };
    Plans::find(sources, admin)
}

/// Whether a mistake in the plans must keep the container from starting.
fn is_required(options: &Options, state: &State, bundle: &Bundle) -> bool {
    options.config.is_some() || Plans::required_by(&state.annotations) || Plans::required_in(bundle.config())
}
