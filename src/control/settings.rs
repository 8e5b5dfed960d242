//! The settings of the control layer.

use std::path::PathBuf;
use std::time::Duration;

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
    /// Bundles must lie below one of these; empty means anywhere.
    pub bundle_roots: Vec<PathBuf>,
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
            bundle_roots: Vec::new(),
            hook: None,
            memcr_socket: "/tmp/memcrcom".into(),
            dobby_settings: crate::dobby::settings::DEFAULT_PATH.into(),
        }
    }
}
