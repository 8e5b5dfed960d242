//! The settings of the control layer.

use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::control::id_range::IdRange;
use crate::error::{Error, ErrorKind};
use crate::host;

/// How containers are run and where their state and output lie. [`Default`] gives the documented values.
#[derive(Debug, Clone)]
pub struct Settings {
    /// The OCI runtime: a path, or a name that is looked up in the system's directories for programs.
    pub runtime: PathBuf,
    /// The runtime's `--root`; `None` leaves it to the runtime.
    pub runtime_root: Option<PathBuf>,
    /// Where the daemon's own state lies, one directory per container; best on a tmpfs.
    pub state_dir: PathBuf,
    /// Where the output of containers goes: `ID.log`, and its older half `ID.log.1`.
    pub log_dir: PathBuf,
    /// How many bytes of output are kept of one container, in both files together.
    pub log_limit: u64,
    /// How long a container may take to end after SIGTERM before it gets SIGKILL.
    pub stop_timeout: Duration,
    /// How long one call of the runtime may take, hooks included.
    pub runtime_timeout: Duration,
    /// Whether containers are children of a monitor, which outlives the daemon and writes down how they end. The running
    /// program must call [`run_monitor`](crate::control::run_monitor) when its first argument is
    /// [`MONITOR_ARGUMENT`](crate::control::MONITOR_ARGUMENT).
    pub monitor: bool,
    /// Bundles must lie below one of these; empty means anywhere.
    pub bundle_roots: Vec<PathBuf>,
    /// Bundles that do not belong to root.
    pub bundle_owners: BundleOwners,
    /// Whether the containers of an earlier daemon are removed, and not adopted.
    pub fresh: bool,
    /// The `oci-minidump-hook` to register in bundles that ask for it; `None` looks for it beside our own
    /// executable and in the usual places.
    pub hook: Option<PathBuf>,
    /// memcr's Unix socket, for hibernation.
    pub memcr_socket: PathBuf,
    /// Dobby's own settings, for the conversion of its specs; the file need not exist.
    pub dobby_settings: PathBuf,
}

impl Default for Settings {
    fn default() -> Self {
        Self {
            runtime: "crun".into(),
            runtime_root: None,
            state_dir: "/run/ocicontainer".into(),
            log_dir: "/var/log/ocicontainer".into(),
            log_limit: 1024 * 1024,
            stop_timeout: Duration::from_secs(10),
            runtime_timeout: Duration::from_secs(30),
            monitor: false,
            bundle_roots: Vec::new(),
            bundle_owners: BundleOwners::default(),
            fresh: false,
            hook: None,
            memcr_socket: "/tmp/memcrcom".into(),
            dobby_settings: crate::dobby::settings::DEFAULT_PATH.into(),
        }
    }
}

impl Settings {
    /// The program of the runtime.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when there is none: no container could start.
    pub fn runtime_program(&self) -> crate::error::Result<PathBuf> {
        let is_name = self.runtime.components().count() == 1;
        let found = if is_name {
            host::find_program(&self.runtime, &[])
        } else {
            Some(self.runtime.clone()).filter(|path| path.is_file())
        };
        found.ok_or_else(|| {
            Error::new(ErrorKind::Config, format!("the runtime {} is missing", self.runtime.display()))
                .advise("install crun or runc, or name the runtime by --runtime")
        })
    }
}

/// Which users may have bundles of their own, and what these may ask for beyond a container that is held apart from the
/// host. The default allows none.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct BundleOwners {
    /// Whose bundles are started besides root's.
    pub owners: Vec<BundleOwner>,
    /// Groups of the host that such a container may be in, besides that of its bundle.
    pub groups: Vec<IdRange>,
    /// Directories of the host that it may mount from.
    pub mounts: Vec<PathBuf>,
    /// Directories of the host for files of its output.
    pub logs: Vec<PathBuf>,
    /// Plugins that it may ask for.
    pub plugins: Vec<String>,
}

impl BundleOwners {
    /// Whether there are rules for any user but root.
    #[must_use]
    pub fn are_any(&self) -> bool {
        !self.owners.is_empty()
    }

    /// Whether this user is listed.
    #[must_use]
    pub fn name(&self, uid: u32) -> bool {
        self.owners.iter().any(|owner| match owner {
            BundleOwner::Uids(range) => range.contains(uid),
            BundleOwner::MappedRoot => false,
        })
    }

    /// Whether this user may have a bundle.
    #[must_use]
    pub fn allow(&self, uid: u32) -> bool {
        uid != 0 && (self.name(uid) || self.owners.contains(&BundleOwner::MappedRoot))
    }
}

/// Users who may have bundles, as it is written in settings: a number, a range of them, or `mapped-root`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize, Deserialize)]
#[serde(try_from = "Value", into = "Value")]
pub enum BundleOwner {
    /// The users of these ids.
    Uids(IdRange),
    /// The user who is root in the user namespace of the bundle's container.
    MappedRoot,
}

/// How [`BundleOwner::MappedRoot`] is written.
const MAPPED_ROOT: &str = "mapped-root";

impl std::str::FromStr for BundleOwner {
    type Err = String;

    fn from_str(text: &str) -> Result<Self, String> {
        if text == MAPPED_ROOT {
            return Ok(Self::MappedRoot);
        }
        let range = text.parse().map(Self::Uids);
        range.map_err(|why| format!("{why}; {MAPPED_ROOT} stands for every user"))
    }
}

impl TryFrom<Value> for BundleOwner {
    type Error = String;

    fn try_from(value: Value) -> Result<Self, String> {
        match &value {
            Value::String(text) => text.parse(),
            other => other.to_string().parse(),
        }
    }
}

impl From<BundleOwner> for Value {
    fn from(owner: BundleOwner) -> Self {
        match owner {
            BundleOwner::Uids(range) => range.to_string().into(),
            BundleOwner::MappedRoot => MAPPED_ROOT.into(),
        }
    }
}
