//! The typed spec: what a Dobby spec says once every field has been checked.

use std::collections::BTreeMap;

use serde_json::Value;

/// The flags of mount(2) that an image can be mounted with, by their names among the options of a mount.
pub const MOUNT_FLAGS: [(&str, u32); 10] = [
    ("ro", 1),
    ("nosuid", 2),
    ("nodev", 4),
    ("noexec", 8),
    ("sync", 16),
    ("dirsync", 128),
    ("noatime", 1024),
    ("nodiratime", 2048),
    ("relatime", 2_097_152),
    ("strictatime", 16_777_216),
];

/// A checked spec.
#[derive(Debug, Clone, Default, PartialEq)]
#[non_exhaustive]
pub struct Spec {
    /// The program and its arguments, at least one word.
    pub args: Vec<String>,
    /// Whom the program runs as on the host.
    pub user: User,
    /// `memLimit`: memory in bytes.
    pub mem_limit: u32,
    /// `swapLimit`: memory and swap together in bytes; unlimited when not given.
    pub swap_limit: Option<u32>,
    /// The program's environment, in front of what every container gets.
    pub env: Vec<String>,
    /// The program's working directory.
    pub cwd: Option<String>,
    /// Whether the container has a user namespace, in which the user is root.
    pub user_ns: bool,
    /// `network`; `None` when absent or null.
    pub network: Option<NetworkKey>,
    /// Where the output goes; `None` when the spec says nothing.
    pub console: Option<Console>,
    /// Lines of files in `/etc`.
    pub etc: Etc,
    /// Mounts that a runtime does.
    pub mounts: Vec<SpecMount>,
    /// Mounts of type `loop`.
    pub loop_mounts: Vec<SpecLoop>,
    /// Whether a crash starts the container again.
    pub restart_on_crash: bool,
    /// Real-time scheduling.
    pub rt_priority: Option<RtPriority>,
    /// Share of the processors.
    pub cpu: Cpu,
    /// The graphics memory limit in bytes, if the container may use the GPU.
    pub gpu: Option<u32>,
    /// Whether the container may use the video decoder.
    pub vpu: bool,
    /// Whether `/dev/log` is there.
    pub syslog: bool,
    /// Which bus each of `system`, `session` and `debug` is.
    pub dbus: BTreeMap<String, String>,
    /// Character devices that the container may use.
    pub devices: Vec<Device>,
    /// Capabilities besides the usual ones; `None` when the spec has no such field.
    pub capabilities: Option<Vec<String>>,
    /// A system call filter.
    pub seccomp: Option<Seccomp>,
    /// Plugins of the oldest kind: name and data.
    pub legacy_plugins: BTreeMap<String, Value>,
    /// `rdkPlugins`, with what other fields and the host's default plugins add.
    pub plugins: BTreeMap<String, PluginSection>,
}

/// User and group on the host.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct User {
    /// 1..65534.
    pub uid: u32,
    /// 0..65534.
    pub gid: u32,
}

/// The values of `network`.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum NetworkKey {
    /// A network of its own behind address translation.
    Nat,
    /// The host's network.
    Open,
    /// Loopback only.
    Private,
}

/// `console`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Console {
    /// The file; output is discarded without one.
    pub path: Option<String>,
    /// The most bytes in the file; -1 for no limit.
    pub limit: i32,
}

/// The lines of files in `/etc`, without their line breaks.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Etc {
    /// `/etc/services`.
    pub services: Vec<String>,
    /// `/etc/hosts`.
    pub hosts: Vec<String>,
    /// `/etc/passwd`.
    pub passwd: Vec<String>,
    /// `/etc/group`.
    pub group: Vec<String>,
    /// `/etc/ld.so.preload`.
    pub ld_preload: Vec<String>,
}

/// A mount as in `config.json`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecMount {
    /// The file or directory, or the name of the file system.
    pub source: String,
    /// The place in the container.
    pub destination: String,
    /// The type: `bind`, `tmpfs`, ...
    pub kind: String,
    /// The options.
    pub options: Vec<String>,
}

/// A mount of type `loop`: an image that exists.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SpecLoop {
    /// The image on the host.
    pub source: String,
    /// The directory in the container.
    pub destination: String,
    /// The file system in the image.
    pub fstype: String,
    /// SpecMount flags, as in mount(2).
    pub flags: u32,
    /// The options that are not flags; `None` when there are none.
    pub options: Option<Vec<String>>,
}

/// `rtPriority`; 0 stands for the default.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RtPriority {
    /// The priority of the program.
    pub default: i32,
    /// The highest priority it may give itself.
    pub limit: i32,
}

/// `cpu`.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Cpu {
    /// Percent of the usual weight, 1..100.
    pub shares: Option<u32>,
    /// The processors to run on, ascending, 0..7.
    pub cores: Option<Vec<u32>>,
}

/// A character device.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Device {
    /// The driver's number.
    pub major: u32,
    /// The device's number.
    pub minor: u32,
    /// `r`, `w`, `rw` or `wr`.
    pub access: String,
}

/// A system call filter.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Seccomp {
    /// What happens to calls that are not named.
    pub default_action: String,
    /// What happens to the named ones.
    pub action: String,
    /// System calls, at least one.
    pub names: Vec<String>,
}

/// A member of `rdkPlugins`.
#[derive(Debug, Clone, Default, PartialEq)]
pub struct PluginSection {
    /// Whether the container may only start when the plugin worked.
    pub required: bool,
    /// Plugins that must run before it.
    pub depends_on: Vec<String>,
    /// Its settings: an object or null; anything for a plugin that is not known.
    pub data: Value,
}
