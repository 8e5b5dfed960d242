//! What an administrator sets of the daemon: defaults, then `/etc/ocicontainer.toml`, then the flags of `serve`.

use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::{Path, PathBuf};
use std::time::Duration;

use clap::Args;
use log::LevelFilter;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::control::{BundleOwner, BundleOwners, IdRange, Settings};
use crate::error::{Error, ErrorKind, Result};
use crate::host;
use crate::rpc::api::Api;
use crate::rpc::identity::PluginIdentity;
use crate::server::daemon::ServerConfig;
use crate::server::guard::GuardSettings;

/// The settings file, unless another is given.
pub const DEFAULT_FILE: &str = "/etc/ocicontainer.toml";
/// The Unix socket, unless another is given.
pub const DEFAULT_SOCKET: &str = "/run/ocicontainer.sock";
/// The TCP address, unless another is given: Thunder's.
const DEFAULT_LISTEN: SocketAddr = SocketAddr::new(IpAddr::V4(Ipv4Addr::LOCALHOST), 9998);
/// The largest settings file that is read, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// What can be set, by flag or (with `_` for `-`) in the settings file. Flags win.
#[derive(Debug, Clone, Default, PartialEq, Eq, Args, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct ServeOptions {
    /// Minimum level to log: error, warn, info, debug; SIGHUP reads it again [default: info]
    #[arg(long, value_name = "LEVEL")]
    pub log_level: Option<LevelFilter>,
    /// TCP address to answer on [default: 127.0.0.1:9998]
    #[arg(long, value_name = "ADDRESS:PORT")]
    pub listen: Option<SocketAddr>,
    /// Answer on the Unix socket only
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_tcp: bool,
    /// Do not serve the page for browsers
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub no_page: bool,
    /// Unix socket to answer on [default: /run/ocicontainer.sock]
    #[arg(long, value_name = "PATH")]
    pub socket: Option<PathBuf>,
    /// Numeric id of the group that may use the Unix socket [default: the daemon's own]
    #[arg(long, value_name = "GID")]
    pub socket_group: Option<u32>,
    /// Answer on D-Bus as Dobby does: system, or a bus's address (unix:path=PATH) [default: not at all]
    #[arg(long, value_name = "system|ADDRESS", num_args = 0..=1, default_missing_value = "system")]
    pub dbus: Option<String>,
    /// User id allowed over D-Bus, in addition to root, the daemon's own and the socket's group; may be repeated
    #[arg(long = "dbus-allow-uid", value_name = "UID")]
    #[serde(alias = "dbus_allow_uid")]
    pub dbus_allow_uids: Vec<u32>,
    /// OCI runtime: crun, runc, youki, or a path [default: crun]
    #[arg(long, value_name = "PROGRAM")]
    pub runtime: Option<PathBuf>,
    /// The runtime's --root [default: the runtime's own]
    #[arg(long, value_name = "DIR")]
    pub runtime_root: Option<PathBuf>,
    /// Directory for the daemon's own state, one subdirectory per container [default: /run/ocicontainer]
    #[arg(long, value_name = "DIR")]
    pub state_dir: Option<PathBuf>,
    /// Directory for the output of containers [default: /var/log/ocicontainer]
    #[arg(long, value_name = "DIR")]
    pub log_dir: Option<PathBuf>,
    /// Maximum output kept per container, in bytes [default: 1048576]
    #[arg(long, value_name = "BYTES")]
    pub log_limit: Option<u64>,
    /// Time from SIGTERM to SIGKILL, in seconds [default: 10]
    #[arg(long, value_name = "SECONDS")]
    pub stop_timeout: Option<u64>,
    /// Timeout of a runtime call in seconds, hooks included [default: 30]
    #[arg(long, value_name = "SECONDS")]
    pub runtime_timeout: Option<u64>,
    /// Directory that bundles must lie below; may be repeated [default: anywhere]
    #[arg(long = "bundle-root", value_name = "DIR")]
    #[serde(alias = "bundle_root")]
    pub bundle_roots: Vec<PathBuf>,
    /// User id, or range of them, that bundles may belong to, or mapped-root: then they may ask for nothing that only
    /// root may; may be repeated [default: root only]
    #[arg(long = "bundle-owner", value_name = "UID[-UID]")]
    #[serde(alias = "bundle_owner")]
    pub bundle_owners: Vec<BundleOwner>,
    /// Group id of the host, or range of them, that containers of such bundles may have, besides the bundle's; may be
    /// repeated
    #[arg(long = "bundle-group", value_name = "GID[-GID]")]
    #[serde(alias = "bundle_group")]
    pub bundle_groups: Vec<IdRange>,
    /// Directory of the host that such bundles may mount from; may be repeated
    #[arg(long = "bundle-mount", value_name = "DIR")]
    #[serde(alias = "bundle_mount")]
    pub bundle_mounts: Vec<PathBuf>,
    /// Directory of the host that such bundles may have their output written to; may be repeated
    #[arg(long = "bundle-log", value_name = "DIR")]
    #[serde(alias = "bundle_log")]
    pub bundle_logs: Vec<PathBuf>,
    /// Plugin that such bundles may ask for; may be repeated
    #[arg(long = "bundle-plugin", value_name = "NAME")]
    #[serde(alias = "bundle_plugin")]
    pub bundle_plugins: Vec<String>,
    /// Remove the containers of an earlier daemon, as Dobby does, and do not adopt them
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub fresh: bool,
    /// The oci-minidump-hook to register in bundles that ask for it [default: the installed one]
    #[arg(long, value_name = "PATH")]
    pub hook: Option<PathBuf>,
    /// Dobby's settings, for containers started from a specification [default: /etc/dobby.json]
    #[arg(long, value_name = "FILE")]
    pub dobby_settings: Option<PathBuf>,
    /// Web origin whose pages may call the API, exactly as browsers send it, or * for any; may be repeated [default: none]
    #[arg(long = "allow-origin", value_name = "ORIGIN")]
    #[serde(alias = "allow_origin")]
    pub allow_origins: Vec<String>,
    /// Additional host name that clients may use, with or without port; may be repeated
    #[arg(long = "allow-host", value_name = "HOST[:PORT]")]
    #[serde(alias = "allow_host")]
    pub allow_hosts: Vec<String>,
    /// User id allowed over loopback TCP, in addition to root and the daemon's own; may be repeated
    #[arg(long = "tcp-allow-uid", value_name = "UID")]
    #[serde(alias = "tcp_allow_uid")]
    pub tcp_allow_uids: Vec<u32>,
    /// Allow only read-only methods over TCP
    #[arg(long)]
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    pub tcp_read_only: bool,
    /// File with the bearer token that TCP clients must present
    #[arg(long, value_name = "FILE")]
    pub token_file: Option<PathBuf>,
    /// Thunder plugin file (JSON): callsign, classname, locator, autostart
    #[arg(long, value_name = "FILE")]
    pub plugin_config: Option<PathBuf>,
    /// The plugin's callsign [default: org.rdk.OCIContainer]
    #[arg(long, value_name = "NAME")]
    pub callsign: Option<String>,
    /// Version of the plugin's interface that clients are written for: 1.0.8 has states in upper case [default: 1.0.4]
    #[arg(long, value_name = "VERSION")]
    pub api: Option<Api>,
    /// memcr's Unix socket, for hibernation [default: /tmp/memcrcom]
    #[arg(long, value_name = "PATH")]
    pub memcr_socket: Option<PathBuf>,
    /// Whether the plugin answers before Controller.1.activate [default: true]
    #[arg(long, value_name = "BOOL", action = clap::ArgAction::Set)]
    pub autostart: Option<bool>,
}

impl ServeOptions {
    /// Reads the settings file `named`, or the default one if there is one.
    ///
    /// # Errors
    /// The file cannot be read, or something in it is unknown or of the wrong type.
    pub fn read(named: Option<&Path>) -> Result<Self> {
        let path = named.unwrap_or(Path::new(DEFAULT_FILE));
        if named.is_none() && !path.exists() {
            return Ok(Self::default());
        }
        let text = host::read_text(path, MAX_FILE)?;
        toml::from_str(&text).map_err(|error| {
            Error::new(ErrorKind::Config, format!("cannot parse {}", path.display())).caused_by(error)
        })
    }

    /// These options, and those of `below` where these say nothing.
    ///
    /// # Errors
    /// A path is not UTF-8.
    pub fn over(self, below: Self) -> Result<Self> {
        let wrong = |error| Error::new(ErrorKind::Config, "cannot merge the settings").caused_by(error);
        let mut all = members(&below).map_err(wrong)?;
        all.extend(members(&self).map_err(wrong)?);
        serde_json::from_value(all.into()).map_err(wrong)
    }

    /// The settings of the control layer.
    #[must_use]
    pub fn settings(&self) -> Settings {
        let default = Settings::default();
        let seconds = |given: Option<u64>, or| given.map_or(or, Duration::from_secs);
        Settings {
            runtime: self.runtime.clone().unwrap_or(default.runtime),
            runtime_root: self.runtime_root.clone().map(absolute),
            state_dir: self.state_dir.clone().map_or(default.state_dir, absolute),
            log_dir: self.log_dir.clone().map_or(default.log_dir, absolute),
            log_limit: self.log_limit.unwrap_or(default.log_limit),
            stop_timeout: seconds(self.stop_timeout, default.stop_timeout),
            runtime_timeout: seconds(self.runtime_timeout, default.runtime_timeout),
            monitor: true,
            bundle_roots: self.bundle_roots.clone(),
            bundle_owners: BundleOwners {
                owners: self.bundle_owners.clone(),
                groups: self.bundle_groups.clone(),
                mounts: self.bundle_mounts.clone(),
                logs: self.bundle_logs.clone(),
                plugins: self.bundle_plugins.clone(),
            },
            fresh: self.fresh,
            hook: self.hook.clone(),
            memcr_socket: self.memcr_socket.clone().unwrap_or(default.memcr_socket),
            dobby_settings: self.dobby_settings.clone().unwrap_or(default.dobby_settings),
        }
    }

    /// The plugin's identity: its file, then the flags.
    ///
    /// # Errors
    /// The file is unreadable, or the callsign unusable.
    pub fn identity(&self) -> Result<PluginIdentity> {
        let mut identity =
            self.plugin_config.as_deref().map_or(Ok(PluginIdentity::default()), PluginIdentity::read)?;
        if let Some(callsign) = &self.callsign {
            identity.callsign.clone_from(callsign);
        }
        identity.api = self.api.unwrap_or_default();
        identity.autostart = self.autostart.unwrap_or(identity.autostart);
        identity.check()?;
        Ok(identity)
    }

    /// Where and for whom the server answers.
    ///
    /// # Errors
    /// The token file is unusable, the address is reachable from outside without a token, or a bound is 0.
    pub fn config(&self) -> Result<ServerConfig> {
        self.check_bounds()?;
        let token = self.token_file.as_deref().map(crate::server::guard::token::read).transpose()?;
        let listen = Some(self.listen.unwrap_or(DEFAULT_LISTEN)).filter(|_| !self.no_tcp);
        let with_us = |uids: &[u32]| [&[0, rustix::process::geteuid().as_raw()], uids].concat();
        let config = ServerConfig {
            listen,
            socket: self.socket.clone().unwrap_or_else(|| DEFAULT_SOCKET.into()),
            socket_group: self.socket_group,
            dbus: self.dbus.clone(),
            dbus_uids: with_us(&self.dbus_allow_uids),
            guard: GuardSettings {
                origins: self.allow_origins.clone(),
                hosts: self.allow_hosts.clone(),
                uids: with_us(&self.tcp_allow_uids),
                token,
            },
            tcp_read_only: self.tcp_read_only,
            page: !self.no_page,
        };
        listen.map_or(Ok(()), |address| config.check_address(address))?;
        Ok(config)
    }
}

impl ServeOptions {
    /// Refuses bounds with which nothing works.
    fn check_bounds(&self) -> Result<()> {
        let refused = |what: &str, advice: &str| Err(Error::new(ErrorKind::Config, what).advise(advice));
        if self.runtime_timeout == Some(0) {
            let what = "runtime_timeout is 0, and no call of the runtime could end in time";
            return refused(what, "give it some seconds, or leave it out for the default");
        }
        if self.log_limit == Some(0) {
            let what = "log_limit is 0, and the reasons of failed starts could not be read either";
            return refused(
                what,
                "give it some bytes; a container's logging plugin with devnull keeps its output out",
            );
        }
        Ok(())
    }
}

/// A path of the command line; the runtime gets it in another working directory.
fn absolute(path: PathBuf) -> PathBuf {
    std::path::absolute(&path).unwrap_or(path)
}

/// What some options say, without those that say nothing.
fn members(options: &ServeOptions) -> serde_json::Result<Map<String, Value>> {
    let says_nothing = |value: &Value| match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        _ => false,
    };
    let all: Map<String, Value> = serde_json::from_value(serde_json::to_value(options)?)?;
    Ok(all.into_iter().filter(|(_, value)| !says_nothing(value)).collect())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn flags_win_over_the_file_and_the_file_over_defaults() {
        let file: ServeOptions =
            toml::from_str("listen = '127.0.0.1:1'\nstop_timeout = 3\nallow_origin = ['a']\nno_tcp = true")
                .unwrap();
        let flags = ServeOptions { stop_timeout: Some(5), ..ServeOptions::default() };
        let all = flags.over(file).unwrap();
        assert_eq!(all.settings().stop_timeout, Duration::from_secs(5));
        assert_eq!(all.allow_origins, ["a"]);
        assert_eq!(all.config().unwrap().listen, None);
        assert_eq!(ServeOptions::default().config().unwrap().listen, Some(DEFAULT_LISTEN));
        assert!(toml::from_str::<ServeOptions>("stop_timout = 3").is_err());
    }

    #[test]
    fn a_bound_of_nothing_is_refused() {
        let default = ServeOptions::default;
        for (wrong, name) in [
            (ServeOptions { runtime_timeout: Some(0), ..default() }, "runtime_timeout"),
            (ServeOptions { log_limit: Some(0), ..default() }, "log_limit"),
        ] {
            let error = wrong.config().unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.report().starts_with(name), "{}", error.report());
        }
        // At once: SIGKILL comes with the stop.
        assert!(ServeOptions { stop_timeout: Some(0), log_limit: Some(1), ..default() }.config().is_ok());
    }

    #[test]
    fn an_address_that_others_reach_needs_a_token() {
        for (address, fine) in
            [("127.0.0.1:1", true), ("[::1]:1", true), ("0.0.0.0:1", false), ("[::]:1", false)]
        {
            let options = ServeOptions { listen: Some(address.parse().unwrap()), ..ServeOptions::default() };
            assert_eq!(options.config().is_ok(), fine, "{address}");
        }
    }
}
