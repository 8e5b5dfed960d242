//! The effective configuration, which the runtime gets: the bundle's, with what this start changes.
//!
//! Nothing is dropped from it: sections that are unknown here (`rdkPlugins`, vendor extensions) stay as they are.

use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::path::Path;

use serde_json::{Map, Value, json};

use crate::control::bundle::{hook, source};
use crate::control::model::command_line::split_words;
use crate::control::model::request::{StartRequest, WindowSize};
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::host::json_path;
use crate::oci::bundle::Bundle;

/// How many variables one request may set.
const MAX_VARIABLES: usize = 1024;
/// The longest variable, in bytes; the kernel's own limit.
const MAX_VARIABLE: usize = 128 * 1024;
/// Where a container finds the Westeros socket: Dobby's place.
const WESTEROS: &str = "/tmp/westeros";

/// The configuration of a start: of `bundle`, as `request` wants it, with `hook` for its minidumps.
///
/// # Errors
/// [`ErrorKind::Bundle`] for a configuration that cannot work, [`ErrorKind::Input`] and [`ErrorKind::Config`] for a bad
/// request.
pub(crate) fn effective(mut bundle: Bundle, request: &StartRequest, hook: Option<&Path>) -> Result<Value> {
    let (root, (user, _)) = (bundle.rootfs().map_err(source::bad)?, bundle.user().map_err(source::bad)?);
    let mut value = std::mem::take(bundle.config_mut());
    let config = value.as_object_mut().ok_or_else(|| wrong("it is not an object"))?;
    set_root(config, &root).map_err(source::bad)?;
    absolute_mounts(config, bundle.dir());
    let process = config
        .get_mut("process")
        .and_then(Value::as_object_mut)
        .ok_or_else(|| wrong("it has no object 'process'"))?;
    process.insert("terminal".to_owned(), request.terminal.is_some().into());
    if let Some(WindowSize { rows, columns }) = request.terminal {
        process.insert("consoleSize".to_owned(), json!({"height": rows, "width": columns}));
    }
    if let Some(command) = &request.command {
        let words = split_words(command)?;
        if words.is_empty() {
            return Err(Error::new(ErrorKind::Input, "the command is empty"));
        }
        process.insert("args".to_owned(), words.into());
    }
    set_env(process, &request.env)?;
    if let Some(socket) = &request.westeros_socket {
        check_socket(socket, user)?;
        set_env(process, &["WAYLAND_DISPLAY=westeros".to_owned(), "XDG_RUNTIME_DIR=/tmp".to_owned()])?;
        mount_socket(config, socket)?;
    }
    hook::register(&mut value, hook)?;
    Ok(value)
}

fn wrong(why: &str) -> Error {
    Error::new(ErrorKind::Bundle, format!("the bundle's config.json cannot be used: {why}"))
}

fn set_root(config: &mut Map<String, Value>, path: &Path) -> Result<()> {
    // runc refuses absolute paths with links or '..' in them.
    let path = path.canonicalize().tried(|| format!("cannot find the bundle's root {}", path.display()))?;
    if !path.is_dir() {
        return Err(wrong(&format!("its root {} is not a directory", path.display())));
    }
    if let Some(root) = config.get_mut("root").and_then(Value::as_object_mut) {
        root.insert("path".to_owned(), json_path(&path)?.into());
    }
    Ok(())
}

/// The source of a bind mount may be relative to the bundle (config.md, "Mounts"), which the runtime would look
/// for in our directory. So may be the directories of an overlay, since a runtime mounts from inside the bundle.
fn absolute_mounts(config: &mut Map<String, Value>, dir: &Path) {
    let Some(mounts) = config.get_mut("mounts").and_then(Value::as_array_mut) else { return };
    for mount in mounts.iter_mut().filter_map(Value::as_object_mut) {
        let kind = mount.get("type").and_then(Value::as_str).unwrap_or_default().to_owned();
        let options = mount.get("options").and_then(Value::as_array);
        let is_bind =
            kind == "bind" || options.is_some_and(|all| all.iter().any(|o| o == "bind" || o == "rbind"));
        if is_bind && let Some(Value::String(source)) = mount.get_mut("source") {
            *source = joined(dir, source);
        }
        if kind == "overlay"
            && let Some(Value::Array(options)) = mount.get_mut("options")
        {
            options.iter_mut().for_each(|option| absolute_layers(option, dir));
        }
    }
}

fn absolute_layers(option: &mut Value, dir: &Path) {
    let Some((name, layers)) = option.as_str().and_then(|option| option.split_once('=')) else { return };
    if ["lowerdir", "upperdir", "workdir"].contains(&name) {
        let layers: Vec<_> = layers.split(':').map(|layer| joined(dir, layer)).collect();
        *option = format!("{name}={}", layers.join(":")).into();
    }
}

/// `path` as seen from `dir`; both are UTF-8, since `dir` was in a valid configuration's path before.
fn joined(dir: &Path, path: &str) -> String {
    if path.is_empty() { String::new() } else { dir.join(path).to_string_lossy().into_owned() }
}

/// Why a variable is invalid, if it is.
pub(crate) fn check_env(variable: &str) -> std::result::Result<(), &'static str> {
    if variable.len() > MAX_VARIABLE {
        return Err("it is longer than 128 KiB");
    }
    if variable.contains(['\0', '\n']) {
        return Err("it contains a NUL byte or a line break");
    }
    match variable.split_once('=') {
        None => Err("it has no '='"),
        Some(("", _)) => Err("it has no name"),
        Some(_) => Ok(()),
    }
}

/// Sets variables of the container's program. An earlier value of the same name goes: which of two would win
/// differs between runtimes.
///
/// # Errors
/// [`ErrorKind::Input`] for what cannot be a variable, [`ErrorKind::Config`] when `env` is not a list.
pub(crate) fn set_env(process: &mut Map<String, Value>, variables: &[String]) -> Result<()> {
    if variables.len() > MAX_VARIABLES {
        let what = format!("more than {MAX_VARIABLES} environment variables");
        return Err(Error::new(ErrorKind::Input, what));
    }
    for variable in variables {
        check_env(variable).map_err(|why| {
            let shown: String = variable.chars().take(80).collect();
            Error::new(ErrorKind::Input, format!("invalid environment variable {shown:?}: {why}"))
        })?;
    }
    let env = process.entry("env").or_insert_with(|| json!([]));
    let Value::Array(env) = env else { return Err(wrong("'process.env' is not an array")) };
    for variable in variables {
        let name = variable.split_once('=').map(|(name, _)| name);
        env.retain(|old| old.as_str().and_then(|old| old.split_once('=')).map(|(old, _)| old) != name);
        env.push(variable.as_str().into());
    }
    Ok(())
}

/// The client that names the socket must not be able to have something else mounted.
fn check_socket(path: &Path, user: u32) -> Result<()> {
    let refused = |why: String| {
        let what = format!("the westeros socket {} cannot be used: {why}", path.display());
        Error::new(ErrorKind::Config, what)
    };
    if !path.is_absolute() {
        return Err(refused("the path is not absolute".to_owned()));
    }
    let metadata = path.symlink_metadata().tried(|| format!("cannot look at {}", path.display()))?;
    if !metadata.file_type().is_socket() {
        return Err(refused("it is not a socket".to_owned()));
    }
    let owners = [0, rustix::process::geteuid().as_raw(), user];
    if !owners.contains(&metadata.uid()) {
        return Err(refused(format!("it belongs to user {}", metadata.uid())));
    }
    Ok(())
}

fn mount_socket(config: &mut Map<String, Value>, socket: &Path) -> Result<()> {
    let source = json_path(socket)?;
    let mounts = config.entry("mounts").or_insert_with(|| json!([]));
    let Value::Array(mounts) = mounts else { return Err(wrong("'mounts' is not an array")) };
    let is_it = |mount: &Value| mount["source"] == source && mount["destination"] == WESTEROS;
    if !mounts.iter().any(is_it) {
        mounts.push(json!({
            "destination": WESTEROS,
            "type": "bind",
            "source": source,
            "options": ["bind", "rw", "nosuid", "nodev", "noexec"],
        }));
    }
    Ok(())
}
