//! `add BUNDLE`: registers the hook in a bundle's `config.json` and adds a minidump directory.

use std::io::Write;
use std::path::{Path, PathBuf};

use serde_json::{Map, Value, json};

use crate::command::check::check;
use crate::command::say;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::harvest::name::fnv1a;
use crate::host::json_path;
use crate::oci::bundle::Bundle;
use crate::oci::hooks;
use crate::settings::admin::{self, Admin};
use crate::settings::{PLUGIN, Plans, Sources};

/// What to add.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Add {
    /// The bundle directory.
    pub bundle: PathBuf,
    /// The directory in the container.
    pub container_source: PathBuf,
    /// The directory on the host.
    pub host_destination: PathBuf,
    /// The image; by default one below the administrator's image directory.
    pub image: Option<PathBuf>,
    /// The size of the image in bytes; by default that of the seed.
    pub imgsize: Option<u64>,
    /// Whether the container may only start with it; by default what the bundle says, else true.
    pub required: Option<bool>,
}

/// Adds what is not there yet. Running it twice changes nothing. The registered hook reads the same settings as this call.
///
/// # Errors
/// [`ErrorKind::Config`] when the result would be refused at prestart; the file is untouched then. What [`check`] finds wrong
/// with the host is printed, but the bundle is made: it may be meant for another one.
pub fn add(request: &Add, settings: &Path, admin: &Admin, out: &mut impl Write) -> Result<()> {
    let program = std::env::current_exe().tried(|| "cannot find the path of this program")?;
    let mut bundle = Bundle::load(&request.bundle)?;
    let image = image(request, &bundle, admin)?;
    let path = bundle.config_path();
    let within = |e: Error| e.within(path.display());
    let before = bundle.config().clone();
    refuse_rootfs(&bundle, request, &image)?;
    entry(bundle.config_mut(), request, &image).map_err(within)?;
    let section = bundle.config().pointer("/rdkPlugins/minidump").map(Value::to_string);
    let mut extra = registered_settings(settings)?;
    extra.extend(section.into_iter().flat_map(|section| [hooks::ADDED.to_owned(), section]));
    hooks::register(bundle.config_mut(), &program, &extra).map_err(within)?;
    let sources = Sources { file: None, annotations: None, config: Some(bundle.config()) };
    Plans::find(sources, admin).map_err(within)?;
    if *bundle.config() == before {
        say(out, format_args!("{}: nothing to change", path.display()))?;
    } else {
        bundle.save()?;
        let (source, destination) = (request.container_source.display(), request.host_destination.display());
        let (file, image) = (path.display(), image.display());
        say(
            out,
            format_args!(
                "{file}: dumps written to {source} in the container go to {destination} (image {image})"
            ),
        )?;
    }
    check(&request.bundle, false, admin, out).map(drop)
}

/// What names the settings in the hook's arguments, unless they are the usual ones.
fn registered_settings(settings: &Path) -> Result<Vec<String>> {
    if settings == Path::new(admin::FILE) {
        return Ok(Vec::new());
    }
    let absolute =
        std::path::absolute(settings).tried(|| format!("cannot resolve the path {}", settings.display()))?;
    Ok(vec!["--settings".to_owned(), json_path(&absolute)?.to_owned()])
}

/// A bundle without a root file system, or with the dumps in it, is a mistake that the next start would end with.
fn refuse_rootfs(bundle: &Bundle, request: &Add, image: &Path) -> Result<()> {
    let rootfs = bundle.rootfs()?;
    if !rootfs.is_dir() {
        let what =
            format!("the bundle {} has no root file system {}", bundle.dir().display(), rootfs.display());
        return Err(Error::new(ErrorKind::Config, what).advise(
            "make it first; a bundle is a directory with config.json and the directory that root.path names",
        ));
    }
    for (name, path) in [("host destination", request.host_destination.as_path()), ("image", image)] {
        if bundle.has_in_rootfs(path)? {
            let what = format!("the {name} {} lies in the container's root file system", path.display());
            return Err(
                Error::new(ErrorKind::Config, what).advise("name a directory of the host outside of it")
            );
        }
    }
    Ok(())
}

/// The image: the one asked for, the one the entry has already, or one named after the bundle and the directory.
fn image(request: &Add, bundle: &Bundle, admin: &Admin) -> Result<PathBuf> {
    if let Some(image) = &request.image {
        return Ok(image.clone());
    }
    let present = bundle.config().pointer("/rdkPlugins/minidump/data/paths").and_then(Value::as_array);
    let present = present.into_iter().flatten().find(|entry| is_for(entry, &request.container_source));
    if let Some(image) = present.and_then(|entry| entry.get("image")).and_then(Value::as_str) {
        return Ok(image.into());
    }
    let name = bundle.dir().file_name().unwrap_or_default().to_string_lossy().into_owned();
    let key =
        [bundle.dir(), &request.container_source].map(|path| path.as_os_str().as_encoded_bytes()).join(&0);
    Ok(admin.image_dir.join(format!("{name}-{:016x}.img", fnv1a(&key))))
}

fn is_for(entry: &Value, source: &Path) -> bool {
    entry.get("containerSource").and_then(Value::as_str).is_some_and(|text| Path::new(text) == source)
}

/// Adds or brings up to date the entry of `rdkPlugins.minidump.data.paths` for the directory.
fn entry(config: &mut Value, request: &Add, image: &Path) -> Result<()> {
    let plugin = object(object(config, "rdkPlugins")?, PLUGIN)?;
    match request.required {
        Some(required) => drop(plugin_map(plugin)?.insert("required".into(), Value::Bool(required))),
        None => drop(plugin_map(plugin)?.entry("required").or_insert(Value::Bool(true))),
    }
    let data = plugin_map(object(plugin, "data")?)?;
    let paths = data.entry("paths").or_insert_with(|| json!([]));
    let paths =
        paths.as_array_mut().ok_or_else(|| wrong("rdkPlugins.minidump.data.paths is not an array"))?;
    let index =
        paths.iter().position(|entry| is_for(entry, &request.container_source)).unwrap_or(paths.len());
    if index == paths.len() {
        paths.push(json!({}));
    }
    let entry = paths.get_mut(index).and_then(Value::as_object_mut);
    let entry = entry.ok_or_else(|| wrong("an entry of rdkPlugins.minidump.data.paths is not an object"))?;
    entry.insert("image".into(), json!(image));
    entry.insert("containerSource".into(), json!(request.container_source));
    entry.insert("hostDestination".into(), json!(request.host_destination));
    if let Some(imgsize) = request.imgsize {
        entry.insert("imgsize".into(), json!(imgsize));
    }
    Ok(())
}

/// The object `key` of an object, made when it is missing or null.
fn object<'a>(parent: &'a mut Value, key: &str) -> Result<&'a mut Value> {
    let value = plugin_map(parent)?.entry(key).or_insert(Value::Null);
    if value.is_null() {
        *value = Value::Object(Map::new());
    }
    if value.is_object() { Ok(value) } else { Err(wrong(&format!("{key} is not an object"))) }
}

fn plugin_map(value: &mut Value) -> Result<&mut Map<String, Value>> {
    value.as_object_mut().ok_or_else(|| wrong("a section is not an object"))
}

fn wrong(what: &str) -> Error {
    Error::new(ErrorKind::Config, what)
}
