//! Which of Dobby's plugins there is a stand-in for.

use crate::dobby::Runtime;
use crate::error::{Error, ErrorKind, Result};

/// Plugins whose work is done here.
const KNOWN: [&str; 3] = ["logging", "minidump", "networking"];

/// Refuses a container that must not run without what is missing here; what it can do without comes as warnings.
///
/// # Errors
/// [`ErrorKind::Unsupported`] naming all that is missing.
pub(super) fn check(runtime: &Runtime) -> Result<Vec<String>> {
    let unknown = runtime.plugins.iter().filter(|(name, _)| !KNOWN.contains(&name.as_str()));
    let (required, optional): (Vec<_>, Vec<_>) = unknown.partition(|(_, plugin)| plugin.required);
    let plugin = |name: &String| format!("the plugin {}", crate::log::shown(&name.as_str().into()));
    let mut missing: Vec<_> = required.iter().map(|(name, _)| plugin(name)).collect();
    missing.extend(runtime.legacy_plugins.keys().map(plugin));
    if !runtime.loop_mounts.is_empty() {
        missing.push("mounts of type loop".to_owned());
    }
    if missing.is_empty() {
        let without = |name| format!("{} is not supported: the container starts without it", plugin(name));
        return Ok(optional.iter().map(|(name, _)| without(name)).collect());
    }
    let what = format!("the container needs what is not supported: {}", missing.join(", "));
    Err(Error::new(ErrorKind::Unsupported, what))
}
