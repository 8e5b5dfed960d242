//! The stand-in for an OCI runtime: under the name `oci-minidump-runtime`, the program registers itself in the bundle of a
//! container that asks for minidumps, and becomes the real runtime. Docker needs it: it has neither hooks.d nor, before
//! version 24, annotations.
//!
//! It is transparent: whatever its command line is, the runtime gets all of it, and the runtime's exit code is its own.
//! Nothing is changed for a container that does not ask.

use std::ffi::{OsStr, OsString};
use std::fs::OpenOptions;
use std::io::Write;
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use serde_json::{Map, Value, json};

use crate::calls::command_line::{self, CommandLine};
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::host;
use crate::oci::bundle::Bundle;
use crate::oci::hooks;
use crate::settings::{ANNOTATION, Plans};

/// What the names of the stand-ins begin with; the rest is the runtime.
const PREFIX: &str = "oci-minidump-";
/// The stand-in for runc, or for crun where runc is missing.
pub const ANY: &str = "oci-minidump-runtime";
/// What stands behind [`ANY`]: Docker's own runtime, and the other.
const RUNTIMES: [&str; 2] = ["runc", "crun"];
/// Options of the stand-in itself. They stand before the runtime's, which never sees them.
const RUNTIME_OPTION: &str = "--minidump-runtime";
/// The administrator's settings, for the hook.
pub const SETTINGS_OPTION: &str = "--minidump-settings";

/// The real runtime and its command line.
struct Call {
    runtime: PathBuf,
    settings: Option<OsString>,
    words: Vec<OsString>,
}

/// Whether the program was called as a stand-in, by the name it was called with.
#[must_use]
pub fn is_called(name: Option<&OsStr>) -> bool {
    name_of(name).is_some_and(|name| name != hooks::PROGRAM && name.starts_with(PREFIX))
}

fn name_of(argument: Option<&OsStr>) -> Option<&str> {
    Path::new(argument?).file_name()?.to_str()
}

/// Registers the hook if the container asks for it, and becomes the runtime. Returns only when that failed.
pub fn become_it(words: impl IntoIterator<Item = OsString>) -> Error {
    let mut words = words.into_iter();
    let name = words.next();
    let call = match Call::read(name_of(name.as_deref()).unwrap_or(ANY), words.collect()) {
        Ok(call) => call,
        Err(error) => return error,
    };
    let line = command_line::read(&call.words);
    if line.creates
        && let Err(error) = prepare(&line, &call)
    {
        say_in_log(&line, &error);
        return error;
    }
    let error = Command::new(&call.runtime).args(&call.words).exec();
    Error::new(ErrorKind::System, format!("cannot run {}", call.runtime.display())).caused_by(error)
}

impl Call {
    fn read(name: &str, mut words: Vec<OsString>) -> Result<Self> {
        let (mut runtime, mut settings) = (None, None);
        while let Some(option) =
            words.first().filter(|word| *word == RUNTIME_OPTION || *word == SETTINGS_OPTION)
        {
            let option = option.to_string_lossy().into_owned();
            let value = words
                .get(1)
                .cloned()
                .ok_or_else(|| Error::new(ErrorKind::Usage, format!("the value of {option} is missing")))?;
            words.drain(..2);
            if option == RUNTIME_OPTION { runtime = Some(value) } else { settings = Some(value) }
        }
        let runtime = match runtime.map(PathBuf::from) {
            Some(path) if path.is_absolute() => path,
            Some(other) => found(&[&other.to_string_lossy()])?,
            None if name == ANY => found(&RUNTIMES)?,
            None => found(&[name.strip_prefix(PREFIX).unwrap_or(name)])?,
        };
        Ok(Self { runtime, settings, words })
    }
}

fn found(names: &[&str]) -> Result<PathBuf> {
    names.iter().find_map(|name| host::find_program(name, &[])).ok_or_else(|| {
        Error::new(ErrorKind::Unsupported, format!("the OCI runtime {} is missing", names.join(" or ")))
            .advise(format!("install it, or name it with {RUNTIME_OPTION}"))
    })
}

/// Registers the hook in the configuration of a container that asks for minidumps. A configuration that cannot be read is
/// the runtime's to complain about, and a container that does not require minidumps starts without them.
///
/// # Errors
/// What went wrong for a container that requires minidumps.
fn prepare(line: &CommandLine, call: &Call) -> Result<()> {
    let dir = line.bundle.clone().unwrap_or_else(|| ".".into());
    let Ok(mut bundle) = Bundle::load(&dir) else { return Ok(()) };
    let before = bundle.config().clone();
    let Some(required) = asked(bundle.config_mut()) else { return Ok(()) };
    let result = register(&mut bundle, line, call);
    let result = result.and_then(|()| if *bundle.config() == before { Ok(()) } else { bundle.save() });
    match result {
        Err(error) if !required => {
            log::warn!("{}; the container starts without minidumps", error.report());
            Ok(())
        }
        other => other,
    }
}

/// Whether the container asks for minidumps, and then whether it requires them. What its environment says becomes
/// annotations, unless it has them: an engine without annotations has variables of the same names.
fn asked(config: &mut Value) -> Option<bool> {
    let annotations = config.get("annotations").and_then(Value::as_object);
    if annotations.is_none_or(|annotations| !annotations.contains_key(ANNOTATION)) {
        let given = from_environment(config.pointer("/process/env")?);
        if !given.contains_key(ANNOTATION) {
            return None;
        }
        let annotations = config.as_object_mut()?.entry("annotations").or_insert(Value::Null);
        if annotations.is_null() {
            *annotations = json!({});
        }
        annotations.as_object_mut()?.extend(given);
    }
    let annotations = serde_json::from_value(config.get("annotations")?.clone()).unwrap_or_default();
    Some(Plans::required_by(&annotations))
}

/// The variables `org.rdk.minidump` and `org.rdk.minidump.NAME`; as for a program, the last one of a name counts.
fn from_environment(environment: &Value) -> Map<String, Value> {
    let variables = environment.as_array().into_iter().flatten().filter_map(Value::as_str);
    let pairs = variables.filter_map(|variable| variable.split_once('='));
    let ours = pairs.filter(|(name, _)| {
        name.strip_prefix(ANNOTATION).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    ours.map(|(name, value)| (name.to_owned(), json!(value))).collect()
}

fn register(bundle: &mut Bundle, line: &CommandLine, call: &Call) -> Result<()> {
    if let Some(other) = &line.config {
        let what = format!("the hook is not registered in another configuration ({})", other.display());
        return Err(Error::new(ErrorKind::Config, what).advise("use the bundle's config.json"));
    }
    if hooks::registered(bundle.config()).is_empty() {
        let program = std::env::current_exe().tried(|| "cannot find the path of this program")?;
        let settings = call.settings.iter().map(|path| path.to_string_lossy().into_owned());
        let extra: Vec<_> = settings.flat_map(|path| ["--settings".to_owned(), path]).collect();
        let path = bundle.config_path();
        hooks::register(bundle.config_mut(), &program, &extra).map_err(|e| e.within(path.display()))?;
    }
    Ok(())
}

/// Engines look for the reason of a failure in the runtime's log, as a line of JSON (containerd's shim).
fn say_in_log(line: &CommandLine, error: &Error) {
    let Some(log) = &line.log else { return };
    let entry = json!({"level": "error", "msg": error.report()});
    let file = OpenOptions::new().append(true).create(true).open(log);
    // The caller says the same on stderr.
    let _lost = file.and_then(|mut file| file.write_all(format!("{entry}\n").as_bytes()));
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_name_decides() {
        for (name, called) in [
            ("/usr/bin/oci-minidump-runtime", true),
            ("oci-minidump-crun", true),
            ("oci-minidump-hook", false),
            ("/x/oci-minidump-hook", false),
            ("sh", false),
            ("", false),
        ] {
            assert_eq!(is_called(Some(OsStr::new(name))), called, "{name}");
        }
        assert!(!is_called(None));
    }

    #[test]
    fn the_environment_asks_where_there_is_no_annotation() {
        let mut config = json!({"process": {"env": ["A=b", "org.rdk.minidump=/d", "org.rdk.minidump.required=true",
            "org.rdk.minidumps=/no", "org.rdk.minidump=/e"]}, "annotations": {"x": "y"}});
        assert_eq!(asked(&mut config), Some(true));
        assert_eq!(
            config["annotations"],
            json!({"x": "y", "org.rdk.minidump": "/e", "org.rdk.minidump.required": "true"})
        );
        let mut config = json!({"process": {"env": ["org.rdk.minidump=/d", "org.rdk.minidump.required=true"]},
            "annotations": {"org.rdk.minidump": "/a"}});
        assert_eq!(asked(&mut config), Some(false));
        assert_eq!(config["annotations"], json!({"org.rdk.minidump": "/a"}));
    }

    #[test]
    fn nothing_is_asked_by_other_configurations() {
        for mut config in [
            json!({}),
            json!({"process": {"env": null}}),
            json!({"process": {"env": ["org.rdk.minidump", 3, "org.rdk.minidump.required=true"]}}),
            json!({"annotations": 3, "process": {"env": []}}),
        ] {
            let before = config.clone();
            assert_eq!(asked(&mut config), None, "{before}");
            assert_eq!(config, before);
        }
    }
}
