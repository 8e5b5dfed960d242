//! The identity that Thunder clients see: callsign, class name, locator, and whether the plugin starts activated.

use std::path::Path;

use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result};
use crate::rpc::api::Api;
use crate::rpc::designator::{Version, split_version};

/// The callsign that generic builds use; it always works beside the configured one.
const ALIAS: &str = "OCIContainer";
/// The Controller's callsign.
pub(crate) const CONTROLLER: &str = "Controller";
/// The largest plugin file that is read, in bytes.
const MAX_FILE: u64 = 64 * 1024;

/// The configuration of a Thunder plugin, as in Thunder's own plugin files. Other members are Thunder's and ignored.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default)]
pub struct PluginIdentity {
    /// The name clients address.
    pub callsign: String,
    /// The class name, reported by `Controller.1.status`.
    pub classname: String,
    /// The library name, reported by `Controller.1.status`; nothing is loaded.
    pub locator: String,
    /// Whether the plugin answers from the start, or only after `Controller.1.activate`.
    pub autostart: bool,
    /// The version of the interface; a setting of the daemon, not of the plugin file.
    #[serde(skip)]
    pub api: Api,
}

impl Default for PluginIdentity {
    fn default() -> Self {
        Self {
            callsign: "org.rdk.OCIContainer".to_owned(),
            classname: "org.rdk.OCIContainer".to_owned(),
            locator: "libWPEFrameworkOCIContainer.so".to_owned(),
            autostart: true,
            api: Api::default(),
        }
    }
}

/// The target of a call.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Target {
    /// Thunder's Controller.
    Controller,
    /// The plugin.
    Plugin,
}

/// The target that the path of a URL names.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum PathTarget {
    /// Found.
    Known(Target),
    /// A version that does not exist.
    UnsupportedVersion,
    /// No target of that name.
    Unknown,
}

impl PluginIdentity {
    /// Reads a Thunder plugin file (JSON).
    ///
    /// # Errors
    /// The file cannot be read, is too large, or is not such a file.
    pub fn read(path: &Path) -> Result<Self> {
        let text = crate::host::read_text(path, MAX_FILE)?;
        let plugin: Self = serde_json::from_str(&text).map_err(|error| {
            Error::new(ErrorKind::Config, format!("cannot read the plugin file {}", path.display()))
                .caused_by(error)
        })?;
        Ok(plugin)
    }

    /// A callsign must be usable in a method name and in a URL.
    ///
    /// # Errors
    /// It is empty, too long, or has other characters than letters, digits, dots, dashes and underscores.
    pub fn check(&self) -> Result<()> {
        let fits = |byte: u8| byte.is_ascii_alphanumeric() || b"._-".contains(&byte);
        if self.callsign.is_empty() || self.callsign.len() > 128 || !self.callsign.bytes().all(fits) {
            let what = format!("cannot use the callsign {:?}", self.callsign);
            let advice = "a callsign is 1 to 128 letters, digits, dots, dashes and underscores";
            return Err(Error::new(ErrorKind::Config, what).advise(advice));
        }
        Ok(())
    }

    /// The target that a callsign in a method name means.
    #[must_use]
    pub fn target(&self, callsign: &str) -> Option<Target> {
        match callsign {
            "" | CONTROLLER => Some(Target::Controller),
            _ if self.is_own_callsign(callsign) => Some(Target::Plugin),
            _ => None,
        }
    }

    /// Whether `callsign` is ours, or the alias. Thunder finds a plugin also when a further dot, or dot and version, follow.
    #[must_use]
    pub fn is_own_callsign(&self, callsign: &str) -> bool {
        let rest = |own: &str| callsign.strip_prefix(own).is_some_and(|rest| matches!(rest, "" | "." | ".1"));
        rest(&self.callsign) || rest(ALIAS)
    }

    /// Whom the part of a URL path after `/jsonrpc/` means; whatever follows the callsign is ignored.
    #[must_use]
    pub fn path_target(&self, rest: &str) -> PathTarget {
        let name = rest.split('/').next().unwrap_or_default();
        let whole = self.target(name);
        let (callsign, version) = split_version(name);
        match (whole, self.target(callsign), version) {
            (Some(target), ..) | (None, Some(target), Version::Supported) => PathTarget::Known(target),
            (None, Some(_), Version::Unsupported) => PathTarget::UnsupportedVersion,
            (None, None, _) => PathTarget::Unknown,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn paths_name_their_target() {
        use PathTarget::{Known, Unknown, UnsupportedVersion};
        let plugin = PluginIdentity::default();
        let cases = [
            ("", Known(Target::Controller)),
            ("Controller", Known(Target::Controller)),
            ("org.rdk.OCIContainer", Known(Target::Plugin)),
            ("org.rdk.OCIContainer/", Known(Target::Plugin)),
            ("org.rdk.OCIContainer/any/thing", Known(Target::Plugin)),
            ("org.rdk.OCIContainer.1", Known(Target::Plugin)),
            ("OCIContainer", Known(Target::Plugin)),
            ("org.rdk.OCIContainer.2", UnsupportedVersion),
            ("unknown.callsign", Unknown),
            ("org.rdk.ocicontainer", Unknown),
        ];
        for (rest, expected) in cases {
            assert_eq!(plugin.path_target(rest), expected, "{rest}");
        }
    }
}
