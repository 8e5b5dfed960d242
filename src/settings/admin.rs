//! The administrator's side: `/etc/oci-minidump.toml`. Every value has a default; the file need not exist.

use std::path::{Path, PathBuf};

use log::LevelFilter;
use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result, Tried};

/// Where the settings are read from.
pub const FILE: &str = "/etc/oci-minidump.toml";

/// The administrator's settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Admin {
    /// Where the hook keeps its records of prepared containers; on a file system that a reboot empties.
    pub state_dir: PathBuf,
    /// The list of directories in which images were made; on a file system that survives a reboot.
    pub known_dirs: PathBuf,
    /// Where images go that no configuration names.
    pub image_dir: PathBuf,
    /// Where dumps go that no configuration gives a destination.
    pub host_destination: PathBuf,
    /// What a harvested dump is called.
    pub naming: Naming,
    /// Permission bits of a harvested dump, as an octal text. Never more than 0666 without others' write.
    pub mode: Mode,
    /// The numeric group of a harvested dump; none leaves the group of the hook.
    pub group: Option<u32>,
    /// What is kept in a destination.
    pub retention: Retention,
    /// The least grave message that goes to syslog.
    pub log_level: LevelFilter,
}

/// What a harvested dump is called.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Naming {
    /// The name that the app gave it, as in the seed.
    App,
    /// `<id><#=#>[<state><#=#>]<time>.dmp`, which RDK's crash uploader recognises as a container's.
    Rdk,
}

/// Permission bits given as an octal text such as `"0640"`.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub struct Mode(pub u32);

impl TryFrom<String> for Mode {
    type Error = String;

    fn try_from(text: String) -> std::result::Result<Self, String> {
        match u32::from_str_radix(&text, 8) {
            Ok(mode) if mode & !0o664 == 0 && mode & 0o400 != 0 => Ok(Self(mode)),
            _ => Err(format!("{text:?} is not an octal mode between 0400 and 0664 without execute bits")),
        }
    }
}

/// What is kept in a destination; 0 means no limit. Only dumps that were harvested by us are ever removed: the oldest
/// crash of the container that has the most dumps or bytes, and never the newest of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// At most this many dumps.
    pub max_count: u64,
    /// At most this many bytes of dumps.
    pub max_bytes: u64,
    /// At least this many bytes free on the file system of the destination.
    pub keep_free: u64,
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            state_dir: "/run/oci-minidump".into(),
            known_dirs: "/var/lib/oci-minidump/image-dirs".into(),
            image_dir: "/var/lib/oci-minidump/images".into(),
            host_destination: "/var/lib/oci-minidump/dumps".into(),
            naming: Naming::App,
            mode: Mode(0o600),
            group: None,
            retention: Retention::default(),
            log_level: LevelFilter::Info,
        }
    }
}

impl Admin {
    /// Reads the settings from `path`; a missing file gives the defaults.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming the file, the line and what is wrong with it.
    pub fn load(path: &Path) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            other => other.tried(|| format!("cannot read {}", path.display()))?,
        };
        let admin: Self = toml::from_str(&text).map_err(|error| {
            let line =
                error.span().map_or(0, |span| text.get(..span.start).unwrap_or_default().lines().count());
            let what = format!("{} is wrong near line {}: {}", path.display(), line.max(1), error.message());
            Error::new(ErrorKind::Config, what)
        })?;
        let dirs = [
            ("state_dir", &admin.state_dir),
            ("known_dirs", &admin.known_dirs),
            ("image_dir", &admin.image_dir),
            ("host_destination", &admin.host_destination),
        ];
        for (name, dir) in dirs {
            if !dir.is_absolute() {
                let what =
                    format!("{name} \"{}\" in {} is not an absolute path", dir.display(), path.display());
                return Err(Error::new(ErrorKind::Config, what));
            }
        }
        Ok(admin)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_setting_can_be_set_and_mistakes_are_named() {
        let all = r#"
            state_dir = "/run/x"
            known_dirs = "/data/image-dirs"
            image_dir = "/data/images"
            host_destination = "/opt/minidumps"
            naming = "rdk"
            mode = "0640"
            group = 1000
            log_level = "debug"
            [retention]
            max_count = 20
            max_bytes = 50000000
            keep_free = 16000000
        "#;
        let admin: Admin = toml::from_str(all).unwrap();
        assert_eq!((admin.naming, admin.mode, admin.group), (Naming::Rdk, Mode(0o640), Some(1000)));
        assert_eq!(admin.retention.max_count, 20);
        let bad = [
            "naming = \"x\"",
            "mode = \"0777\"",
            "mode = \"0200\"",
            "mode = 640",
            "retention = 3",
            "nonsense = 1",
        ];
        for text in bad {
            assert!(toml::from_str::<Admin>(text).is_err(), "{text}");
        }
        assert_eq!(Admin::load(Path::new("/nonexistent")).unwrap(), Admin::default());
    }
}
