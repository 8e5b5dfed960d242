//! The minidump hook: where it is, and which bundles need it registered.

use std::path::{Path, PathBuf};

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};
use crate::host;
use crate::oci::hooks;
use crate::oci::hooks::PROGRAM;
use crate::settings::admin;
use crate::settings::admin::Admin;
use crate::settings::{Plans, Sources};

/// Where the hook is looked for first when it is not beside our own executable.
const HOOK_DIRS: [&str; 4] =
    ["/usr/libexec/oci/hooks.d", "/usr/local/libexec/oci/hooks.d", "/usr/bin", "/usr/local/bin"];

/// The hook to register: the one that was `named`, else the first that is found.
pub(crate) fn find(named: Option<&Path>) -> Option<PathBuf> {
    if let Some(path) = named {
        return Some(path.to_owned());
    }
    find_ours(PROGRAM)
}

/// One of our programs: beside our own executable, else the first that is found.
pub(crate) fn find_ours(program: &str) -> Option<PathBuf> {
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.join(program)));
    beside.filter(|path| path.is_file()).or_else(|| host::find_program(program, &HOOK_DIRS))
}

/// Registers the hook in a configuration that asks for minidumps and has it nowhere yet.
///
/// # Errors
/// [`ErrorKind::Config`] when minidumps are required and there is no hook, or `hooks` is malformed.
pub(crate) fn register(config: &mut Value, hook: Option<&Path>) -> Result<()> {
    let Some(section) = config.pointer("/rdkPlugins/minidump") else { return Ok(()) };
    // The other form is not for the hook.
    let only_descriptor = !section["data"]["destinationPath"].is_null() && section["data"]["paths"].is_null();
    if only_descriptor || !hooks::registered(config).is_empty() {
        return Ok(());
    }
    if let Some(path) = hook {
        return hooks::register(config, path, &[]).map(drop);
    }
    let error =
        Error::new(ErrorKind::Config, format!("the bundle asks for minidumps, but there is no {PROGRAM}"))
            .advise("install it, or name it in the settings");
    if Plans::required_in(config) {
        return Err(error);
    }
    log::warn!("{}", error.report());
    Ok(())
}

/// The directories on the host to which the minidumps of a container go, sorted.
pub(crate) fn destinations(config: &Value, id: &str) -> Vec<PathBuf> {
    let annotations = config.get("annotations").cloned().unwrap_or_default();
    let annotations = serde_json::from_value(annotations).unwrap_or_default();
    let sources = Sources { file: None, annotations: Some((&annotations, id)), config: Some(config) };
    // What is wrong in there, or in the settings, is the hook's to complain about.
    let admin = Admin::load(Path::new(admin::FILE)).unwrap_or_else(|_| Admin::cautious());
    let plans = Plans::find(sources, &admin).ok().flatten();
    let mut dirs: Vec<_> =
        plans.into_iter().flat_map(|plans| plans.paths).map(|plan| plan.host_destination).collect();
    let other = config.pointer("/rdkPlugins/minidump/data/destinationPath").and_then(Value::as_str);
    dirs.extend(other.map(PathBuf::from));
    dirs.sort();
    dirs.dedup();
    dirs
}
