//! The minidump hook: where it is, and which bundles need it registered.

use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::error::{Error, ErrorKind, Result};

/// The hook's file name, by which it is known in a bundle.
const NAME: &str = "oci-minidump-hook";
/// Where it lies when it is not beside our own executable.
const PLACES: [&str; 4] =
    ["/usr/libexec/oci/hooks.d", "/usr/local/libexec/oci/hooks.d", "/usr/bin", "/usr/local/bin"];
/// How long a runtime lets it work, in seconds. Its own deadlines are shorter.
const SECONDS: u64 = 30;

/// The hook to register: the one that was `named`, else the first that is found.
pub(super) fn find(named: Option<&Path>) -> Option<PathBuf> {
    if let Some(path) = named {
        return Some(path.to_owned());
    }
    let beside = std::env::current_exe().ok().and_then(|exe| Some(exe.parent()?.to_owned()));
    let places = beside.into_iter().chain(PLACES.map(PathBuf::from));
    places.map(|place| place.join(NAME)).find(|path| path.is_file())
}

/// Registers the hook in a configuration that asks for minidumps and has it nowhere yet.
///
/// `prestart` and not `createRuntime`: every runtime knows both, but an old one only the first.
///
/// # Errors
/// [`ErrorKind::Config`] when minidumps are required and there is no hook.
pub(super) fn register(config: &mut Map<String, Value>, hook: Option<&Path>) -> Result<()> {
    let Some(plugin) = config.get("rdkPlugins").and_then(|plugins| plugins.get("minidump")) else {
        return Ok(());
    };
    if is_registered(config) {
        return Ok(());
    }
    let Some(path) = hook.and_then(Path::to_str) else {
        let error =
            Error::new(ErrorKind::Config, format!("the bundle asks for minidumps, but there is no {NAME}"))
                .advise("install it, or name it in the settings");
        if plugin.get("required").and_then(Value::as_bool) == Some(true) {
            return Err(error);
        }
        log::warn!("{}", error.report());
        return Ok(());
    };
    let hooks = config.entry("hooks").or_insert_with(|| json!({}));
    for (stage, first) in [("prestart", false), ("poststop", true)] {
        let list = hooks.as_object_mut().map(|hooks| hooks.entry(stage).or_insert_with(|| json!([])));
        let Some(Value::Array(list)) = list else {
            return Err(Error::new(ErrorKind::Config, format!("the bundle's 'hooks.{stage}' is no array")));
        };
        let entry = json!({"path": path, "args": [NAME, stage], "env": [], "timeout": SECONDS});
        // First at the end: runc skips the rest after a hook that failed.
        list.insert(if first { 0 } else { list.len() }, entry);
    }
    Ok(())
}

fn is_registered(config: &Map<String, Value>) -> bool {
    let stages = config.get("hooks").and_then(Value::as_object);
    stages.into_iter().flat_map(Map::values).filter_map(Value::as_array).flatten().any(|hook| {
        let path = hook.get("path").and_then(Value::as_str);
        path.is_some_and(|path| Path::new(path).file_name().is_some_and(|name| name == NAME))
    })
}
