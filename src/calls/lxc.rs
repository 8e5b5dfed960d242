//! LXC's hooks `start-host` and `post-stop` (lxc.container.conf(5), "CONTAINER HOOKS"): they bring variables instead of an
//! OCI state, and the container's configuration instead of a bundle.
//!
//! A container asks for minidumps by `lxc.environment`, with the names of the annotations:
//! `lxc.environment = org.rdk.minidump=/opt/minidumps`.

use std::collections::HashMap;
use std::env;
use std::ffi::OsString;
use std::path::{Path, PathBuf};

use nix::sched::{CloneFlags, setns, unshare};
use rustix::mount::{UnmountFlags, unmount};
use serde_json::json;

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::hook::{self, Options, Stage};
use crate::host;
use crate::oci::id;
use crate::oci::state::State;
use crate::process::apart;
use crate::settings::ANNOTATION;
use crate::settings::admin::Admin;

/// The most bytes of a container's configuration that are read.
const MAX_CONFIG: u64 = 1 << 20;

/// What LXC says of a container and of the moment.
struct Call {
    stage: Stage,
    state: State,
    /// The directory of the container's configuration.
    dir: PathBuf,
}

/// Does what the hook does. `words` are those that LXC adds to the command line: the container, `lxc`, and the hook.
///
/// # Errors
/// As [`hook::run`], and [`ErrorKind::Input`] when LXC did not call.
pub fn run(words: &[PathBuf], admin: &Admin) -> Result<()> {
    let call = Call::read(words)?;
    if !call.state.annotations.contains_key(ANNOTATION) {
        return Ok(());
    }
    if call.stage == Stage::Poststop {
        call.unmount();
    }
    let mut options = Options { stage: Some(call.stage), ..Options::default() };
    // LXC has entered the root file system by now.
    let root = call.state.pid.map_or_else(String::new, |pid| format!("/proc/{pid}/root"));
    options.stand_in = Some(json!({"root": {"path": root}}));
    hook::run(&options, &call.state, &call.dir, admin)
}

impl Call {
    fn read(words: &[PathBuf]) -> Result<Self> {
        let name = text("LXC_NAME")?;
        id::check(&name).map_err(|error| error.within("LXC_NAME"))?;
        // Version 1 of the hooks' calling convention has it in a variable, version 0 on the command line.
        let kind = env::var_os("LXC_HOOK_TYPE").or_else(|| words.last().map(OsString::from));
        let stage = match kind.as_deref().and_then(|kind| kind.to_str()) {
            Some("start-host") => Stage::Prestart,
            Some("post-stop") => Stage::Poststop,
            other => {
                let what =
                    format!("LXC calls the hook {}", crate::log::escape(other.unwrap_or("without a name")));
                return Err(
                    Error::new(ErrorKind::Usage, what).advise("register it as start-host and post-stop")
                );
            }
        };
        let config = PathBuf::from(text("LXC_CONFIG_FILE")?);
        let annotations = annotations(&host::read_bounded(&config, MAX_CONFIG)?);
        let dir = config.parent().unwrap_or(Path::new("/")).to_owned();
        let pid = if stage == Stage::Prestart { text("LXC_PID")?.parse().ok() } else { None };
        let stopped = stage == Stage::Poststop;
        let state = State { id: name, pid, stopped, bundle: Some(dir.clone()), annotations };
        Ok(Self { stage, state, dir })
    }

    /// Takes the mount out of the mount namespace of the container, whose processes are gone: LXC holds the namespace until
    /// its hook has returned, and an image that is mounted cannot be removed. What fails here is for the harvest to find.
    fn unmount(&self) {
        let Some(point) = self.state.annotations.get(ANNOTATION).filter(|point| point.starts_with('/'))
        else {
            return;
        };
        let Ok(Ok(namespace)) = env::var("LXC_MNT_NS").map(std::fs::File::open) else { return };
        let result = apart(|| {
            unshare(CloneFlags::CLONE_FS).tried(|| "cannot give a thread a root of its own")?;
            setns(&namespace, CloneFlags::CLONE_NEWNS)
                .tried(|| "cannot enter the container's mount namespace")?;
            unmount(point.as_str(), UnmountFlags::DETACH | UnmountFlags::NOFOLLOW)
                .tried(|| format!("cannot unmount {point} in the container"))
        });
        if let Err(error) = result {
            log::debug!("container {}: {}", self.state.id, error.report());
        }
    }
}

fn text(variable: &str) -> Result<String> {
    env::var(variable).map_err(|error| {
        Error::new(ErrorKind::Input, format!("the variable {variable} is missing"))
            .caused_by(error)
            .advise("'lxc' is for LXC's hooks: see 'oci-minidump-hook enable lxc'")
    })
}

/// What `lxc.environment` says of minidumps; the last line of a name counts.
fn annotations(config: &[u8]) -> HashMap<String, String> {
    let config = String::from_utf8_lossy(config);
    let settings = config.lines().filter_map(|line| line.trim_start().split_once('='));
    let variables =
        settings.filter(|(key, _)| key.trim_end() == "lxc.environment").map(|(_, value)| value.trim());
    let variables = variables.map(|value| unquoted(value).unwrap_or(value));
    let pairs = variables.filter_map(|variable| variable.split_once('='));
    let ours = pairs.filter(|(name, _)| {
        name.strip_prefix(ANNOTATION).is_some_and(|rest| rest.is_empty() || rest.starts_with('.'))
    });
    ours.map(|(name, value)| (name.to_owned(), value.to_owned())).collect()
}

/// LXC takes the quotes off a value.
fn unquoted(value: &str) -> Option<&str> {
    let inner = |quote| value.strip_prefix(quote)?.strip_suffix(quote);
    inner('"').or_else(|| inner('\''))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_containers_environment_asks_for_minidumps() {
        let config = b"# lxc.environment = org.rdk.minidump=/no\n\
            lxc.uts.name = c\n\
            lxc.environment = org.rdk.minidump=/a\n  lxc.environment=org.rdk.minidump=/opt/mini dumps \n\
            lxc.environment = \"org.rdk.minidump.required=true\"\n\
            lxc.environment = org.rdk.minidumps=x\nlxc.environment = PATH\n\xff\n";
        let annotations = annotations(config);
        assert_eq!(annotations.len(), 2, "{annotations:?}");
        assert_eq!(annotations["org.rdk.minidump"], "/opt/mini dumps");
        assert_eq!(annotations["org.rdk.minidump.required"], "true");
    }
}
