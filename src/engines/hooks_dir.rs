//! hooks.d directories (oci-hooks(5)): one file for each stage, for containers with the annotation.

use std::path::Path;

use serde_json::{Value, json};

use crate::engines::change::{Change, Fate};
use crate::engines::tree::Tree;
use crate::error::{Error, ErrorKind, Result};
use crate::oci::hooks::PROGRAM;

/// The directory that engines read unless they are set up otherwise.
pub const DEFAULT: &str = "/usr/share/containers/oci/hooks.d";

/// The names and contents of the files, with the path of an installed hook in them.
const FILES: [(&str, &str); 2] = [
    ("oci-minidump-prestart.json", include_str!("../../hooks/oci-minidump-prestart.json")),
    ("oci-minidump-poststop.json", include_str!("../../hooks/oci-minidump-poststop.json")),
];
/// That path.
const INSTALLED: &str = "/usr/libexec/oci/hooks.d/oci-minidump-hook";

/// Puts the files into the directory `dir` of the tree, or takes them out of it.
///
/// # Errors
/// [`ErrorKind::Config`] when one of them is there and was edited.
pub fn changes(tree: &Tree, dir: &Path, undo: bool) -> Result<Vec<Change>> {
    let mut changes = Vec::new();
    for (name, template) in FILES {
        let path = dir.join(name);
        let present = tree.read(&path)?;
        if let Some(text) = &present
            && !is_ours(text, template)
        {
            let what = format!("{} was edited", tree.at(&path).display());
            return Err(Error::new(ErrorKind::Config, what).advise("move it away first"));
        }
        let fate = if undo { Fate::Gone } else { Fate::File(content(template, tree)?) };
        changes.push(Change { path: tree.at(&path), fate });
    }
    if undo {
        changes.retain(|change| change.path.exists());
    }
    // Going, the file of prestart is the first: an image that is prepared is harvested.
    Ok(changes)
}

fn content(template: &str, tree: &Tree) -> Result<Vec<u8>> {
    let quoted = |value: &str| Value::String(value.to_owned()).to_string();
    let program = tree.program().to_string_lossy();
    let mut text = template.replace(&quoted(INSTALLED), &quoted(&program));
    if let Some(settings) = tree.settings() {
        let name = quoted(PROGRAM);
        let settings = quoted(&settings.to_string_lossy());
        text = text.replacen(&format!("[{name}"), &format!("[{name}, \"--settings\", {settings}"), 1);
    }
    let parsed: std::result::Result<Value, _> = serde_json::from_str(&text);
    parsed.map_err(|error| {
        Error::new(ErrorKind::Config, "the hooks.d file is not valid JSON").caused_by(error)
    })?;
    Ok(text.into_bytes())
}

/// Whether a file is one of ours, for whatever installation.
fn is_ours(text: &str, template: &str) -> bool {
    let (Ok(mut found), Ok(mut ours)) =
        (serde_json::from_str::<Value>(text), serde_json::from_str::<Value>(template))
    else {
        return false;
    };
    let is_hook = |path: &Value| {
        path.as_str().is_some_and(|path| Path::new(path).file_name() == Some(PROGRAM.as_ref()))
    };
    if !found.pointer("/hook/path").is_some_and(is_hook) {
        return false;
    }
    for value in [&mut found, &mut ours] {
        if let Some(path) = value.pointer_mut("/hook/path") {
            *path = json!(null);
        }
        if let Some(arguments) = value.pointer_mut("/hook/args").and_then(Value::as_array_mut)
            && arguments.get(1) == Some(&json!("--settings"))
            && arguments.len() > 2
        {
            arguments.drain(1..3);
        }
    }
    found == ours
}
