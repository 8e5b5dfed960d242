//! Verbs that start, stop, freeze and thaw.

use std::collections::VecDeque;
use std::path::{Path, PathBuf};

use serde_json::json;

use crate::cli::client::Client;
use crate::cli::dobby_tool::failure::{Failure, Outcome};
use crate::cli::term;
use crate::error::{Error, ErrorKind};
use crate::host::json_path;

/// What `start` is given.
#[derive(Debug, Default)]
struct Start {
    display: Option<PathBuf>,
    env: Vec<String>,
    /// Id, source, and the words of the command.
    words: VecDeque<String>,
}

impl Start {
    /// Options stand in front of the id; what follows the source is the command.
    fn read(args: &[String]) -> Result<Self, Failure> {
        let mut start = Self::default();
        let mut rest = args.iter();
        while let Some(arg) = rest.next() {
            if !start.words.is_empty() || !arg.starts_with('-') {
                start.words.push_back(arg.clone());
                continue;
            }
            let (name, given) = arg.split_once('=').map_or((arg.as_str(), None), |(n, v)| (n, Some(v)));
            let unknown = || Failure::usage(format!("unknown argument '{arg}'"));
            if !matches!(name, "--westeros-socket" | "--envvar") {
                return Err(unknown());
            }
            let value = given.or_else(|| rest.next().map(String::as_str)).ok_or_else(unknown)?;
            match name {
                "--envvar" => start.env.push(value.to_owned()),
                _ => start.display = Some(real_path(value)?),
            }
        }
        Ok(start)
    }
}

/// An existing path, without links.
fn real_path(path: &str) -> Result<PathBuf, Failure> {
    let what = || format!("Path '{path}' does not exist");
    let real = Path::new(path).canonicalize().map_err(|error| Failure {
        words: what(),
        error: Error::new(ErrorKind::NotFound, format!("cannot find {path}")).caused_by(error),
    })?;
    json_path(&real).map_err(Failure::general(format!("cannot use the path '{path}'")))?;
    Ok(real)
}

pub(crate) fn start(client: &mut Client, args: &[String]) -> Outcome {
    let mut start = Start::read(args)?;
    let (Some(id), Some(source)) = (start.words.pop_front(), start.words.pop_front()) else {
        return Err(Failure::usage("must provide at least two args; <id> <specfile/bundlepath>"));
    };
    let source = real_path(&source)?;
    let is_bundle = source.is_dir();
    if is_bundle && !source.join("config.json").exists() {
        return Err(Failure::usage(format!("no config.json file found in '{}'", source.display())));
    }
    if !is_bundle && !source.to_string_lossy().contains(".json") {
        return Err(Failure::usage("please provide the path to a bundle or a valid .json file"));
    }
    let (method, name) = match is_bundle {
        true => ("startContainer", "bundlePath"),
        false => ("startContainerFromDobbySpec", "dobbySpec"),
    };
    let command: Vec<String> = start.words.into();
    let params = json!({
        "containerId": id,
        name: source,
        "command": shell_words::join(&command),
        "westerosSocket": start.display,
        "envvar": start.env,
    });
    let failed = format!("failed to start container '{id}'");
    let result = client.call(method, params).map_err(Failure::general(&*failed))?;
    let text = format!("started '{id}' container, descriptor is {}", result["descriptor"]);
    term::line(&text).map_err(Failure::general(failed))
}

/// Stops a container, and waits for its end as Dobby does.
pub(crate) fn stop(client: &mut Client, args: &[String]) -> Outcome {
    let force = args.iter().any(|arg| arg == "--force");
    let mut ids = args.iter().filter(|arg| *arg != "--force");
    let id = ids.next().ok_or_else(|| Failure::usage("must provide at least one arg; <id>"))?;
    let failed = "failed to stop the container";
    client
        .call("stopContainer", json!({"containerId": id, "force": force}))
        .map_err(Failure::of(id, failed))?;
    match client.about("waitContainer", id) {
        // A descriptor is forgotten with its container.
        Err(error) if error.kind() != ErrorKind::NotFound => return Err(Failure::general(failed)(error)),
        _ => {}
    }
    term::line(&format!("stopped container '{id}'")).map_err(Failure::general(failed))
}

pub(crate) fn pause(client: &mut Client, id: &str) -> Outcome {
    let failed = "failed to pause the container";
    client.about("pauseContainer", id).map_err(Failure::of(id, failed))?;
    term::line(&format!("paused container '{id}'")).map_err(Failure::general(failed))
}

pub(crate) fn resume(client: &mut Client, id: &str) -> Outcome {
    let failed = format!("failed to resume container '{id}'");
    client.about("resumeContainer", id).map_err(Failure::of(id, &*failed))?;
    term::line(&format!("resumed container '{id}'")).map_err(Failure::general(failed))
}
