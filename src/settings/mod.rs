//! What to do for a container: from the hook's `--config` file, the annotations or `config.json`, in this order.

pub mod admin;
mod annotations;
pub mod backing;
pub mod burst;
mod entry;
pub mod mode;
pub mod naming;
pub mod notify;
pub mod plan;
mod rdk;
pub mod records;
pub mod size;

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};

pub use annotations::KEY as ANNOTATION;
pub use backing::Backing;
pub use entry::{DEFAULT_IMGSIZE, MIN_IMGSIZE};
pub use plan::{PLUGIN, Plan, Plans, Sources};

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

    /// The plans in the copy of `rdkPlugins.minidump` that `add` puts into the hook's arguments.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when it is not understood, or names no directory: `add` registers the hook for one.
    pub fn added(section: &str) -> Result<Self> {
        let at = "--added";
        let section: Value = serde_json::from_str(section).map_err(|error| {
            Error::new(ErrorKind::Config, format!("{at} is not valid JSON"))
                .caused_by(error)
                .advise("run 'oci-minidump-hook add' again")
        })?;
        Self::checked(rdk::from_section(&section, at)?)?.ok_or_else(|| {
            let what =
                "'oci-minidump-hook add' registered this hook, but no minidump directory is configured any more";
            Error::new(ErrorKind::Config, what).advise("run 'add' again, or 'remove' to take the hook out")
        })
    }

    /// Whether that copy says `required`; one that cannot be read might.
    #[must_use]
    pub fn required_in_added(section: &str) -> bool {
        let section: std::result::Result<Value, _> = serde_json::from_str(section);
        section.map_or(true, |section| section.get("required") != Some(&Value::Bool(false)))
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
