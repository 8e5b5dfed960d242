//! `remove BUNDLE`: takes the hook and its section out of a bundle's `config.json`.

use std::io::Write;
use std::path::Path;

use serde_json::Value;

use crate::command::say;
use crate::error::Result;
use crate::oci::bundle::Bundle;
use crate::oci::hooks;
use crate::settings::PLUGIN;

/// Removes what `add` added, and nothing else.
///
/// # Errors
/// [`crate::error::ErrorKind::Config`] when the configuration cannot be understood; the file is untouched then.
pub fn remove(dir: &Path, out: &mut impl Write) -> Result<()> {
    let mut bundle = Bundle::load(dir)?;
    let path = bundle.config_path();
    let hooks = hooks::unregister(bundle.config_mut()).map_err(|e| e.within(path.display()))?;
    let section = remove_section(bundle.config_mut());
    if !hooks && !section {
        return say(out, format_args!("{}: nothing to remove", path.display()));
    }
    bundle.save()?;
    say(out, format_args!("{}: the minidump hook is removed", path.display()))
}

/// Removes `rdkPlugins.minidump`, and `rdkPlugins` if that leaves it empty.
fn remove_section(config: &mut Value) -> bool {
    let Some(config) = config.as_object_mut() else { return false };
    let Some(plugins) = config.get_mut("rdkPlugins").and_then(Value::as_object_mut) else { return false };
    if plugins.shift_remove(PLUGIN).is_none() {
        return false;
    }
    if plugins.is_empty() {
        config.shift_remove("rdkPlugins");
    }
    true
}
