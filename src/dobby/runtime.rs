//! What a container needs besides its `config.json`: work for the daemon.

use std::collections::BTreeMap;
use std::path::PathBuf;

use serde_json::{Map, Value};

use crate::dobby::fields::plugins;
use crate::dobby::read::node::Node;
use crate::dobby::read::problems::Findings;
use crate::dobby::schema;
use crate::dobby::spec::PluginSection;
use crate::error::{ErrorKind, Result};

/// The annotation that carries `restartOnCrash`, for which `config.json` has no place of its own; its value is `true`.
pub const RESTART: &str = "org.rdk.restartOnCrash";
/// The size of an image when none is given, in bytes; an xfs file system needs more.
const IMAGE_SIZE: u64 = 12 * 1024 * 1024;
const XFS_IMAGE_SIZE: u64 = 16 * 1024 * 1024;
/// The real-time priority that 0 stands for.
const PRIORITY: i64 = 6;

/// The part of a container's settings that no OCI runtime acts on.
#[derive(Debug, Clone, PartialEq)]
#[non_exhaustive]
pub struct RuntimeExtras {
    /// The network.
    pub network: Network,
    /// Where the output goes.
    pub output: OutputTarget,
    /// Whether a crash starts the container again: the annotation [`RESTART`] says so.
    pub restart_on_crash: bool,
    /// Real-time scheduling of the container's program.
    pub real_time: Option<RealTime>,
    /// Images to mount.
    pub loop_mounts: Vec<LoopMount>,
    /// Every plugin that is asked for, these four included; by name.
    pub plugins: BTreeMap<String, PluginSection>,
    /// Plugins of the oldest kind, by name, with their data. None of them is required.
    pub legacy_plugins: BTreeMap<String, Value>,
    /// What is legal but odd about the plugins.
    pub warnings: Vec<String>,
}

/// A container's network.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Network {
    /// The host's.
    Host,
    /// A namespace of its own with nothing but loopback in it.
    Isolated,
    /// A namespace of its own, with a way out through address translation. The details are in the data of the plugin
    /// `networking`.
    Nat,
}

/// Where a container's output goes.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum OutputTarget {
    /// Nothing is said.
    Unsaid,
    /// Nowhere.
    Discard,
    /// Into a file on the host.
    File {
        /// The file.
        path: PathBuf,
        /// The most bytes in it; `None` for no limit.
        limit: Option<u64>,
    },
    /// Into the journal.
    Journal {
        /// A priority such as `LOG_INFO`, if one is given.
        priority: Option<String>,
    },
}

/// Real-time scheduling (sched(7), `SCHED_RR`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct RealTime {
    /// The priority of the container's first process, 1..99.
    pub priority: u8,
    /// The highest priority it may give itself (`RLIMIT_RTPRIO`), 1..99.
    pub limit: u8,
}

/// An image to mount in the container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct LoopMount {
    /// The image on the host.
    pub source: PathBuf,
    /// The directory in the container.
    pub destination: PathBuf,
    /// The file system in the image.
    pub fstype: String,
    /// Mount flags, as in mount(2).
    pub flags: u32,
    /// Options of the file system.
    pub options: Vec<String>,
    /// Whether the image outlives the container.
    pub persistent: bool,
    /// The size of an image that is made, in bytes.
    pub image_size: u64,
    /// Whether the image is made when it is missing, and checked when it is there.
    pub managed: bool,
}

impl RuntimeExtras {
    /// What the `rdkPlugins` of a `config.json` ask for, of a converted spec or any other bundle.
    ///
    /// # Errors
    /// [`ErrorKind::Input`] naming everything that is wrong with them.
    pub fn of_config(config: &Value) -> Result<Self> {
        let findings = Findings::default();
        let mut all = BTreeMap::new();
        plugins::merge(&Node::new("", config, &findings), &mut all);
        schema::check_all(&all, &findings);
        let warnings =
            findings.into_result(ErrorKind::Input, "the configuration's rdkPlugins are refused")?;
        let data = |name: &str| all.get(name).map_or(&Value::Null, |plugin| &plugin.data);
        let legacy = config.get("legacyPlugins").and_then(Value::as_object).into_iter().flatten();
        Ok(Self {
            network: Network::of(config, data("networking")),
            output: output(data("logging")),
            restart_on_crash: config["annotations"][RESTART] == "true",
            real_time: all.get("rtscheduling").map(|plugin| RealTime::of(&plugin.data)),
            loop_mounts: LoopMount::all(data("storage")),
            legacy_plugins: legacy.map(|(name, plugin)| (name.clone(), plugin["data"].clone())).collect(),
            plugins: all,
            warnings,
        })
    }
}

impl Network {
    /// The network of a configuration, given the data of its plugin `networking`. It is the host's only where neither
    /// a namespace nor the plugin says otherwise.
    #[must_use]
    pub fn of(config: &Value, data: &Value) -> Self {
        let namespaces = config.pointer("/linux/namespaces").and_then(Value::as_array).into_iter().flatten();
        let own = namespaces.into_iter().any(|namespace| namespace["type"] == "network");
        match data["type"].as_str() {
            Some("nat") => Self::Nat,
            Some("none") => Self::Isolated,
            _ if own => Self::Isolated,
            _ => Self::Host,
        }
    }
}

fn output(data: &Value) -> OutputTarget {
    match data["sink"].as_str() {
        None => OutputTarget::Unsaid,
        Some("file") if data["fileOptions"]["path"].is_null() => OutputTarget::Discard,
        Some("file") => OutputTarget::File {
            path: path(&data["fileOptions"]["path"]),
            limit: data["fileOptions"]["limit"]
                .as_f64()
                .filter(|limit| *limit >= 0.0)
                .map(|limit| limit as u64),
        },
        Some("journald") => {
            let priority = data["journaldOptions"]["priority"].as_str();
            OutputTarget::Journal { priority: priority.map(str::to_owned) }
        }
        Some(_) => OutputTarget::Discard,
    }
}

impl RealTime {
    /// What the data of the plugin `rtscheduling` say.
    #[must_use]
    pub fn of(data: &Value) -> Self {
        let clamped = |value: &Value| {
            let wanted = value.as_f64().map_or(0, |number| number as i64);
            let wanted = if wanted == 0 { PRIORITY } else { wanted };
            u8::try_from(wanted.clamp(1, 99)).unwrap_or(99)
        };
        Self { priority: clamped(&data["rtdefault"]), limit: clamped(&data["rtlimit"]) }
    }
}

impl LoopMount {
    /// All that the data of the plugin `storage` name, which were checked: the numbers fit.
    #[must_use]
    pub fn all(data: &Value) -> Vec<Self> {
        data["loopback"].as_array().into_iter().flatten().map(Self::of).collect()
    }

    fn of(image: &Value) -> Self {
        let truth = |key: &str, default| image[key].as_bool().unwrap_or(default);
        let fstype = image["fstype"].as_str().unwrap_or("ext4");
        let size = if fstype.eq_ignore_ascii_case("xfs") { XFS_IMAGE_SIZE } else { IMAGE_SIZE };
        let options = image["options"].as_array().into_iter().flatten().filter_map(Value::as_str);
        Self {
            source: path(&image["source"]),
            destination: path(&image["destination"]),
            fstype: fstype.to_owned(),
            flags: image["flags"].as_f64().map_or(0, |flags| flags as u32),
            options: options.map(str::to_owned).collect(),
            persistent: truth("persistent", true),
            image_size: image["imgsize"].as_f64().map_or(size, |size| size as u64),
            managed: truth("imgmanagement", true),
        }
    }
}

fn path(value: &Value) -> PathBuf {
    value.as_str().unwrap_or_default().into()
}

/// The plugins as the section `rdkPlugins` of a `config.json`.
pub(crate) fn section(plugins: &BTreeMap<String, PluginSection>) -> Map<String, Value> {
    let entry = |(name, plugin): (&String, &PluginSection)| {
        let value = serde_json::json!({
            "required": plugin.required,
            "dependsOn": plugin.depends_on,
            "data": plugin.data,
        });
        (name.clone(), value)
    };
    plugins.iter().map(entry).collect()
}
