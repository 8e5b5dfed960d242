//! containerd's CRI plugin makes the configuration of a container from a base (`base_runtime_spec`), which may have hooks,
//! and hands on the annotations that it is set up to (`pod_annotations`, `container_annotations`).

use std::process::{Command, Stdio};

use serde_json::Value;
use toml::Table;

use crate::engines::change::{Change, Fate};
use crate::engines::toml_text;
use crate::engines::tree::Tree;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::host;
use crate::oci::hooks;
use crate::settings::ANNOTATION;

/// containerd's settings.
const FILE: &str = "/etc/containerd/config.toml";
/// The base, with our hooks.
const BASE: &str = "/etc/containerd/oci-minidump-base.json";
/// The settings of the two keys.
const LISTS: [&str; 2] = ["pod_annotations", "container_annotations"];

/// Writes the base and puts it into containerd's settings, or takes both away.
///
/// # Errors
/// [`ErrorKind::Config`] when the runtime has another base, or the settings cannot be edited without a doubt;
/// [`ErrorKind::Unsupported`] when `ctr`, which makes a base, is missing.
pub fn changes(tree: &Tree, undo: bool) -> Result<Vec<Change>> {
    let present = tree.read(FILE)?;
    let text = present.clone().unwrap_or_default();
    let at = tree.at(FILE);
    let settings = if undo { without(&text) } else { with(&text).map_err(|e| e.within(at.display()))? };
    let is_new_or_gone = settings.is_empty() && present.is_some();
    let fate = if is_new_or_gone { Fate::Gone } else { Fate::File(settings.into_bytes()) };
    let mut changes = Vec::new();
    if present.is_some() || !undo {
        changes.push(Change { path: at, fate });
    }
    let base = tree.at(BASE);
    if undo {
        changes.extend(base.exists().then_some(Change { path: base, fate: Fate::Gone }));
    } else {
        changes.insert(0, Change { path: base, fate: Fate::File(base_of(tree)?) });
    }
    Ok(changes)
}

/// The settings with the base and the annotations.
fn with(text: &str) -> Result<String> {
    let table = parse(text)?;
    let mut edited = text.to_owned();
    let version = table.get("version").and_then(toml::Value::as_integer);
    let plugin = match version {
        Some(2) => "io.containerd.grpc.v1.cri",
        Some(3..) => "io.containerd.cri.v1.runtime",
        None if text.trim().is_empty() => {
            edited.push_str(&toml_text::first("version = 2"));
            "io.containerd.grpc.v1.cri"
        }
        _ => {
            return Err(Error::new(ErrorKind::Config, "has the old form, version 1")
                .advise("bring it up to date with 'containerd config migrate'"));
        }
    };
    let default = toml_text::get(&table, &["plugins", plugin, "containerd", "default_runtime_name"]);
    let runtime = default.and_then(toml::Value::as_str).unwrap_or("runc");
    let path = ["plugins", plugin, "containerd", "runtimes", runtime];
    let edited = edit(edited, &table, &path)?;
    is_right(&edited, text, &path)?;
    Ok(edited)
}

fn edit(mut text: String, table: &Table, path: &[&str]) -> Result<String> {
    let present = toml_text::get(table, path);
    let mut lines = Vec::new();
    if present.is_none_or(|runtime| runtime.get("runtime_type").is_none()) {
        lines.push("runtime_type = \"io.containerd.runc.v2\"".to_owned());
    }
    match present.and_then(|runtime| runtime.get("base_runtime_spec")).and_then(toml::Value::as_str) {
        None | Some("") => lines.push(format!("base_runtime_spec = \"{BASE}\"")),
        Some(BASE) => {}
        Some(other) => {
            return Err(Error::new(
                ErrorKind::Config,
                format!("has another base_runtime_spec already, {other}"),
            )
            .advise(format!("add the hooks of {} to it by hand", hooks::PROGRAM)));
        }
    }
    let pattern = format!("{ANNOTATION}*");
    for key in LISTS {
        match present.and_then(|runtime| runtime.get(key)).and_then(toml::Value::as_array) {
            None => lines.push(format!("{key} = [\"{pattern}\"]")),
            Some(list) if list.iter().any(|item| item.as_str() == Some(&pattern)) => {}
            Some(_) => {
                text = toml_text::extend(&text, path, key, &pattern).ok_or_else(|| {
                    Error::new(ErrorKind::Config, format!("cannot add to {key}"))
                        .advise(format!("add \"{pattern}\" by hand"))
                })?;
            }
        }
    }
    Ok(if lines.is_empty() { text } else { toml_text::insert(&text, path, &lines) })
}

/// Whether the edit says what it should, and can be undone.
fn is_right(edited: &str, before: &str, path: &[&str]) -> Result<()> {
    let table = parse(edited).map_err(|error| {
        error.advise(format!(
            "set base_runtime_spec, pod_annotations and container_annotations of {} by hand",
            path.join(".")
        ))
    })?;
    let base = toml_text::get(&table, path).and_then(|runtime| runtime.get("base_runtime_spec"));
    if base.and_then(toml::Value::as_str) == Some(BASE) && without(edited) == without(before) {
        return Ok(());
    }
    Err(Error::new(ErrorKind::Config, "cannot be edited safely").advise("edit it by hand, as the book says"))
}

fn without(text: &str) -> String {
    toml_text::remove(text, &LISTS, &format!("{ANNOTATION}*"))
}

fn parse(text: &str) -> Result<Table> {
    text.parse().map_err(|error: toml::de::Error| {
        Error::new(ErrorKind::Config, format!("is not valid TOML: {}", error.message()))
    })
}

/// The base: the one that is there, or containerd's own, with our hooks.
fn base_of(tree: &Tree) -> Result<Vec<u8>> {
    let text = match tree.read(BASE)? {
        Some(text) => text.into_bytes(),
        None => default_base()?,
    };
    let wrong = || Error::new(ErrorKind::Config, format!("{BASE} is not a configuration"));
    let mut config: Value = serde_json::from_slice(&text).map_err(|error| wrong().caused_by(error))?;
    let settings = tree.settings().map(|path| path.to_string_lossy().into_owned());
    let extra: Vec<_> = settings.into_iter().flat_map(|path| ["--settings".to_owned(), path]).collect();
    hooks::register(&mut config, tree.program(), &extra)?;
    let mut text = serde_json::to_vec_pretty(&config).map_err(|error| wrong().caused_by(error))?;
    text.push(b'\n');
    Ok(text)
}

/// What containerd would use without one; `ctr` knows it without a daemon.
fn default_base() -> Result<Vec<u8>> {
    let ctr = host::find_program("ctr", &[]).ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, "ctr is missing, which knows containerd's default configuration")
            .advise(format!("install containerd, or put the output of 'ctr oci spec' into {BASE}"))
    })?;
    let mut command = Command::new(&ctr);
    command.args(["oci", "spec"]).env_clear().current_dir("/").stdin(Stdio::null());
    let output = command.output().tried(|| format!("cannot run {}", ctr.display()))?;
    if output.status.success() {
        return Ok(output.stdout);
    }
    let said = String::from_utf8_lossy(&output.stderr).trim().to_owned();
    Err(Error::new(ErrorKind::System, format!("{} oci spec failed: {said}", ctr.display())))
}

#[cfg(test)]
mod tests {
    use super::*;

    const PLUGIN: &str = "[plugins.\"io.containerd.grpc.v1.cri\".containerd.runtimes.runc]\n";

    #[test]
    fn settings_get_what_they_lack_and_are_as_before_without_it() {
        let texts = [
            String::new(),
            "version = 2".to_owned(),
            format!("version = 2\n{PLUGIN}  runtime_type = \"io.containerd.runc.v2\"\n  pod_annotations = [\"x\"]\n"),
            "version = 2\n[plugins.\"io.containerd.grpc.v1.cri\".containerd]\ndefault_runtime_name = \"crun\"\n".to_owned(),
            "version = 3\n[plugins.'io.containerd.cri.v1.runtime'.containerd.runtimes.runc]\n".to_owned(),
        ];
        for text in texts {
            let edited = with(&text).unwrap_or_else(|error| panic!("{text}: {}", error.report()));
            assert!(edited.contains(BASE) && edited.contains("org.rdk.minidump*"), "{edited}");
            assert_eq!(with(&edited).unwrap(), edited);
            assert_eq!(without(&edited), text);
        }
    }

    #[test]
    fn what_the_administrator_wrote_is_never_replaced() {
        let cases = [
            ("version = 1\n".to_owned(), "version 1"),
            ("[plugins.cri]\n".to_owned(), "version 1"),
            ("version = 2\nx = \n".to_owned(), "is not valid TOML"),
            (
                format!("version = 2\n{PLUGIN}base_runtime_spec = \"/mine.json\"\n"),
                "another base_runtime_spec",
            ),
            (format!("version = 2\n{PLUGIN}pod_annotations =\\\n [\"x\"]\n").replace('\\', ""), ""),
            ("version = 2\nplugins = { a = 1 }\n".to_owned(), "is not valid TOML"),
        ];
        for (text, said) in cases {
            let error = with(&text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config, "{text}");
            assert!(error.report().contains(said), "{text}: {}", error.report());
        }
    }
}
