//! What to do for a container: its plans.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::settings::backing::Backing;

/// The key of our section in `rdkPlugins`, and the name of the plugin it replaces.
pub const PLUGIN: &str = "minidump";

/// One directory of a container that gathers minidumps: one item of `rdkPlugins.minidump.data.paths`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Plan {
    /// The image file on the host that backs the directory while the container lives.
    pub image: PathBuf,
    /// The directory as the container sees it; absolute, without `..`.
    pub container_source: PathBuf,
    /// The directory on the host into which the dumps go.
    pub host_destination: PathBuf,
    /// The size of the image in bytes, used when it is created.
    pub imgsize: u64,
    /// What the image is to lie on, if the configuration says so; the administrator decides whether that counts.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub backing: Option<Backing>,
    /// Where in the configuration this plan comes from, for messages.
    pub origin: String,
}

/// All plans of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plans {
    /// Whether the container may only start when every plan could be prepared.
    pub required: bool,
    /// Whether a crash of any of its programs becomes a minidump through the kernel's `core_pattern`.
    pub core: bool,
    /// The plans, at least one.
    pub paths: Vec<Plan>,
}

/// Where plans are looked for.
#[derive(Debug, Clone, Copy)]
pub struct Sources<'a> {
    /// The file given to the hook by `--config`, parsed.
    pub file: Option<&'a Value>,
    /// The container's annotations and id.
    pub annotations: Option<(&'a std::collections::HashMap<String, String>, &'a str)>,
    /// The bundle's `config.json`.
    pub config: Option<&'a Value>,
}
