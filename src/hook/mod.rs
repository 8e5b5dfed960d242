//! The OCI hook: what happens at prestart and at poststop.

pub mod attach;
pub mod container;
pub mod leftover;
pub mod options;
pub mod poststop;
pub mod prepare;
pub mod previous;
pub mod propagation;
pub mod record;
pub mod settle;
pub mod stage;
pub mod sweep;

use std::path::Path;

use crate::error::Result;
use crate::hook::options::{is_required, plans};
use crate::oci::state::State;
use crate::settings::admin::Admin;

pub use options::Options;
pub use stage::Stage;

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

/// What engines say of a container that only holds the namespaces of a pod, whose annotations it has (containerd, CRI-O).
const POD_ITSELF: [(&str, &str); 2] =
    [("io.kubernetes.cri.container-type", "sandbox"), ("io.kubernetes.cri-o.ContainerType", "sandbox")];

fn prestart(options: &Options, state: &State, dir: &Path, admin: &Admin) -> Result<()> {
    let is_pod =
        |(name, value): &(&str, &str)| state.annotations.get(*name).is_some_and(|found| found == value);
    if POD_ITSELF.iter().any(is_pod) {
        log::debug!("container {}: a pod's own container needs no minidumps", state.id);
        return Ok(());
    }
    let bundle = options.bundle(dir)?;
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
