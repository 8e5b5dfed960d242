//! The hook's entries in the `hooks` section of a `config.json` (runtime-spec, "POSIX-platform Hooks").

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::error::{Error, ErrorKind, Result};
use crate::host::json_path;

/// The file name by which an entry is known to be ours, wherever it is installed.
pub const PROGRAM: &str = "oci-minidump-hook";

/// The option that carries the section `add` wrote.
pub const ADDED: &str = "--added";

/// Where an entry goes among those of its stage.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Place {
    First,
    Last,
}

/// The two stages we register for. Ours is the first at poststop: runc and youki skip the hooks behind a failed one.
const STAGES: [(&str, Place, u32); 2] = [("prestart", Place::Last, 30), ("poststop", Place::First, 60)];

/// Registers `program` (an absolute path) as prestart and poststop hook. Says whether that changed anything.
///
/// `extra` follows the stage in the hook's arguments.
///
/// Entries of ours with another path (an older installation) are brought up to date, so there is never more than one
/// for each stage. Who registered us at createRuntime instead of prestart is left alone.
///
/// # Errors
/// [`ErrorKind::Config`] when `hooks` or one of its stages has the wrong type, or the program's path is not UTF-8.
pub fn register(config: &mut Value, program: &Path, extra: &[String]) -> Result<bool> {
    let program = json_path(program)?;
    let before = config.get("hooks").cloned();
    let at_create_runtime = stage(config, "createRuntime").iter().any(is_ours);
    let hooks = section(config)?;
    for (name, place, timeout) in STAGES {
        if name == "prestart" && at_create_runtime {
            continue;
        }
        let entries = array(hooks, name)?;
        let mut arguments = vec![PROGRAM.to_owned(), name.to_owned()];
        arguments.extend_from_slice(extra);
        let entry = json!({
            "path": program,
            "args": arguments,
            "env": ["PATH=/usr/sbin:/usr/bin:/sbin:/bin"],
            "timeout": timeout,
        });
        let index = entries.iter().position(is_ours);
        entries.retain(|entry| !is_ours(entry));
        let default = if place == Place::First { 0 } else { entries.len() };
        entries.insert(index.unwrap_or(default).min(entries.len()), entry);
    }
    Ok(config.get("hooks") != before.as_ref())
}

/// Removes every entry of ours, and what became empty by that. Says whether that changed anything.
///
/// # Errors
/// [`ErrorKind::Config`] when `hooks` or one of its stages has the wrong type.
pub fn unregister(config: &mut Value) -> Result<bool> {
    if config.get("hooks").is_none_or(Value::is_null) {
        return Ok(false);
    }
    let hooks = section(config)?;
    let mut emptied = Vec::new();
    let mut changed = false;
    for (name, entries) in hooks.iter_mut() {
        let Some(entries) = entries.as_array_mut() else { continue };
        let count = entries.len();
        entries.retain(|entry| !is_ours(entry));
        changed |= entries.len() < count;
        if entries.is_empty() && count > 0 {
            emptied.push(name.clone());
        }
    }
    for name in emptied {
        hooks.shift_remove(&name);
    }
    if changed && hooks.is_empty() {
        let _ours = config.as_object_mut().and_then(|config| config.shift_remove("hooks"));
    }
    Ok(changed)
}

/// The stages at which an entry of ours is registered, in the order of the configuration.
#[must_use]
pub fn registered(config: &Value) -> Vec<(String, String)> {
    let Some(hooks) = config.get("hooks").and_then(Value::as_object) else { return Vec::new() };
    let mut found = Vec::new();
    for (name, entries) in hooks {
        for entry in entries.as_array().into_iter().flatten().filter(|entry| is_ours(entry)) {
            let path = entry.get("path").and_then(Value::as_str).unwrap_or_default();
            found.push((name.clone(), path.to_owned()));
        }
    }
    found
}

/// The section that `add` put into the arguments of our entries, the first one's.
#[must_use]
pub fn added(config: &Value) -> Option<Value> {
    let stages = config.get("hooks").and_then(Value::as_object)?.values();
    let mut entries = stages.filter_map(Value::as_array).flatten().filter(|entry| is_ours(entry));
    entries.find_map(|entry| {
        let arguments = entry.get("args")?.as_array()?;
        let place = arguments.iter().position(|argument| argument == ADDED)?;
        serde_json::from_str(arguments.get(place.checked_add(1)?)?.as_str()?).ok()
    })
}

fn is_ours(entry: &Value) -> bool {
    let path = entry.get("path").and_then(Value::as_str).unwrap_or_default();
    let name = Path::new(path).file_name().and_then(|name| name.to_str()).unwrap_or_default();
    // The stand-in for a runtime may be a copy of the program instead of a link to it.
    let is_copy =
        || name.starts_with("oci-minidump-") && entry.pointer("/args/0").is_some_and(|arg| arg == PROGRAM);
    name == PROGRAM || is_copy()
}

fn stage<'a>(config: &'a Value, name: &str) -> &'a [Value] {
    let entries = config.get("hooks").and_then(|hooks| hooks.get(name)).and_then(Value::as_array);
    entries.map_or(&[], Vec::as_slice)
}

fn section(config: &mut Value) -> Result<&mut Map<String, Value>> {
    let config = config.as_object_mut().ok_or_else(|| wrong("the configuration"))?;
    let hooks = config.entry("hooks").or_insert(Value::Null);
    if hooks.is_null() {
        *hooks = Value::Object(Map::new());
    }
    hooks.as_object_mut().ok_or_else(|| wrong("hooks"))
}

fn array<'a>(hooks: &'a mut Map<String, Value>, name: &str) -> Result<&'a mut Vec<Value>> {
    let entries = hooks.entry(name).or_insert(Value::Null);
    if entries.is_null() {
        *entries = Value::Array(Vec::new());
    }
    entries
        .as_array_mut()
        .ok_or_else(|| Error::new(ErrorKind::Config, format!("hooks.{name} is not an array")))
}

fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::Config, format!("{what} is not a JSON object"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn registering_twice_changes_nothing_and_unregistering_restores() {
        let foreign = json!({"path": "/usr/bin/net-hook", "args": ["net-hook", "add"]});
        let cases = [
            json!({"ociVersion": "1.0.2"}),
            json!({"hooks": {"prestart": [foreign], "poststop": [foreign]}, "x": [1.5, {"y": null}]}),
            json!({"hooks": {"poststart": [foreign]}}),
        ];
        for original in cases {
            let mut config = original.clone();
            assert!(register(&mut config, Path::new("/opt/oci-minidump-hook"), &[]).unwrap());
            assert_eq!(stage(&config, "poststop")[0]["path"], "/opt/oci-minidump-hook");
            assert_eq!(stage(&config, "prestart").last().unwrap()["args"], json!([PROGRAM, "prestart"]));
            assert!(!register(&mut config, Path::new("/opt/oci-minidump-hook"), &[]).unwrap());
            assert!(register(&mut config, Path::new("/usr/libexec/oci-minidump-hook"), &[]).unwrap());
            assert_eq!(registered(&config).len(), 2);
            assert!(unregister(&mut config).unwrap());
            assert_eq!(config, original);
            assert!(!unregister(&mut config).unwrap());
        }
    }

    #[test]
    fn create_runtime_serves_for_prestart() {
        let ours = json!({"path": "/x/oci-minidump-hook", "args": [PROGRAM, "createRuntime"]});
        let mut config = json!({"hooks": {"createRuntime": [ours]}});
        register(&mut config, Path::new("/x/oci-minidump-hook"), &[]).unwrap();
        let stages: Vec<String> = registered(&config).into_iter().map(|(stage, _)| stage).collect();
        assert_eq!(stages, ["createRuntime", "poststop"]);
    }

    #[test]
    fn a_copy_under_another_name_is_ours() {
        let mut config = json!({});
        register(&mut config, Path::new("/x/oci-minidump-runtime"), &[]).unwrap();
        assert_eq!(registered(&config).len(), 2);
        assert!(unregister(&mut config).unwrap());
    }

    #[test]
    fn malformed_hooks_are_refused() {
        for config in [json!({"hooks": 3}), json!({"hooks": {"prestart": {}}})] {
            let error = register(&mut config.clone(), Path::new("/x"), &[]).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
        }
    }
}
