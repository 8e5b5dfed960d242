//! What to do for a container: from the hook's `--config` file, the annotations or `config.json`, in this order.

pub mod admin;
mod annotations;
mod entry;
mod rdk;

use std::path::PathBuf;

use serde::{Deserialize, Serialize};
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};

pub use annotations::KEY as ANNOTATION;
pub use entry::{DEFAULT_IMGSIZE, MIN_IMGSIZE};

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
    /// Where in the configuration this plan comes from, for messages.
    pub origin: String,
}

/// All plans of a container.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Plans {
    /// Whether the container may only start when every plan could be prepared.
    pub required: bool,
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

impl Plans {
    /// The plans of the first source that has any; `None` when minidumps are configured nowhere.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming the field, its value and the rule it breaks.
    pub fn find(sources: Sources<'_>, admin: &admin::Admin) -> Result<Option<Self>> {
        if let Some(data) = sources.file {
            return Self::checked(rdk::from_data(data, "--config", true)?);
        }
        if let Some((annotations, id)) = sources.annotations
            && let Some(plans) = annotations::plans(annotations, id, admin)?
        {
            return Self::checked(Some(plans));
        }
        match sources.config {
            Some(config) => Self::checked(rdk::from_config(config)?),
            None => Ok(None),
        }
    }

    /// Whether `rdkPlugins.minidump` of a configuration says `required`, read leniently: it decides how an error in
    /// the rest of that section is taken.
    #[must_use]
    pub fn required_in(config: &Value) -> bool {
        config.pointer("/rdkPlugins/minidump/required") == Some(&Value::Bool(true))
    }

    /// Whether annotations say `required`, read as leniently.
    #[must_use]
    pub fn required_by(annotations: &std::collections::HashMap<String, String>) -> bool {
        annotations::required(annotations)
    }

    fn checked(plans: Option<Self>) -> Result<Option<Self>> {
        let Some(plans) = plans else { return Ok(None) };
        for (n, plan) in plans.paths.iter().enumerate() {
            for other in plans.paths.iter().take(n) {
                let clash = if plan.image == other.image {
                    format!("image {} is already used by {}", plan.image.display(), other.origin)
                } else if plan.container_source == other.container_source {
                    format!(
                        "containerSource {} is already used by {}",
                        plan.container_source.display(),
                        other.origin
                    )
                } else {
                    continue;
                };
                return Err(Error::new(ErrorKind::Config, format!("{clash} ({})", plan.origin)));
            }
        }
        Ok(Some(plans))
    }
}
