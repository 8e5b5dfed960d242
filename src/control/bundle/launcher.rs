//! The hooks that Dobby writes into bundles with plugins. Its launcher would do, with libraries of its own, what is done
//! here.

use serde_json::{Map, Value};

/// The launcher's name.
const LAUNCHER: &str = "DobbyPluginLauncher";

/// Whether a hook is one of them.
pub(crate) fn is_launcher(hook: &Value) -> bool {
    hook["path"].as_str().and_then(|path| path.rsplit('/').next()) == Some(LAUNCHER)
}

/// Takes them out of a configuration.
pub(crate) fn drop_hooks(config: &mut Value) {
    let hooks = config.get_mut("hooks").and_then(Value::as_object_mut);
    for stage in hooks.into_iter().flat_map(Map::values_mut).filter_map(Value::as_array_mut) {
        stage.retain(|hook| !is_launcher(hook));
    }
}
