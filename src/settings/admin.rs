//! The administrator's side: `/etc/oci-minidump.toml`. Every value has a default; the file need not exist.

use std::path::{Path, PathBuf};

use log::LevelFilter;
use serde::Deserialize;

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::settings::burst::Burst;
use crate::settings::entry::{DEFAULT_IMGSIZE, MIN_IMGSIZE, absolute};
use crate::settings::plan::Plan;
use crate::settings::size;

pub use crate::settings::backing::Backing;
pub use crate::settings::mode::Mode;
pub use crate::settings::naming::Naming;
pub use crate::settings::notify::Notify;
pub use crate::settings::records::CrashRecords;

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
    /// Where images go that no configuration places elsewhere.
    pub image_dir: PathBuf,
    /// What images lie on while their containers run: `disk`, or `memory` for a tmpfs in `state_dir`. Of one in memory, the
    /// dumps are written to the disk at the end of its container, and it is written there itself when that fails.
    pub image_backing: Backing,
    /// How much memory all images in memory take at most; one that finds no room there lies on the disk.
    #[serde(deserialize_with = "size::deserialize")]
    pub memory_size: u64,
    /// Whether a bundle or annotation may choose another backing for its image, with `imageBacking`.
    pub bundles_choose_backing: bool,
    /// Where dumps go that no configuration gives a destination.
    pub host_destination: PathBuf,
    /// What a harvested dump is called: `app` keeps the name that the app gave it; `rdk` makes
    /// `ID<#=#>[STATE<#=#>]TIME.dmp`, which RDK's crash uploader recognises as a container's; a pattern such as
    /// `{container}-{time}` has the fields `{app}`, `{container}`, `{state}` and `{time}`.
    pub naming: Naming,
    /// Whether each dump gets a crash record (whose it is, what crashed, its SHA-256): `true` or `"file"` in a file `NAME.json`
    /// beside it, `"xattr"` in an extended attribute of it.
    pub crash_records: CrashRecords,
    /// Permission bits of a harvested dump, in octal: at most `0664`, and readable by its owner.
    pub mode: Mode,
    /// The numeric group of a harvested dump; the group of the hook when not given.
    pub group: Option<u32>,
    /// What is kept in a destination.
    pub retention: Retention,
    /// What annotations may ask for.
    pub annotations: Annotations,
    /// What happens after a dump was published.
    pub notify: Notify,
    /// The minimum level of messages for syslog: `off`, `error`, `warn`, `info`, `debug` or `trace`.
    pub log_level: LevelFilter,
}

/// What annotations may ask for. Some engines take them from the container's image, so they are not trusted like `config.json` (SECURITY.md).
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Annotations {
    /// The largest image, in bytes; at least 8388608, the size of an image whose annotations give none.
    #[serde(deserialize_with = "size::deserialize")]
    pub max_imgsize: u64,
    /// The directories below which the annotation `image` may name an image; `image_dir` when not given. An empty list
    /// refuses the annotation.
    pub image_dirs: Option<Vec<PathBuf>>,
    /// The directories that the annotation `hostDestination` may name, and below which it may name others;
    /// [`Admin::host_destination`] when not given. An empty list refuses the annotation.
    pub host_destinations: Option<Vec<PathBuf>>,
}

impl Default for Annotations {
    fn default() -> Self {
        Self { max_imgsize: 64 << 20, image_dirs: None, host_destinations: None }
    }
}

/// What is kept in a destination; 0 means no limit. Only dumps that were harvested by us are ever removed: the oldest
/// crash of the container that has the most dumps or bytes, and never the newest of all.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Retention {
    /// The maximum number of dumps in a destination; 0 means no limit.
    pub max_count: u64,
    /// The maximum size of all dumps in a destination, in bytes; 0 means no limit.
    #[serde(deserialize_with = "size::deserialize")]
    pub max_bytes: u64,
    /// Bytes that dumps leave free on the file system of the destination; 0 means no limit.
    #[serde(deserialize_with = "size::deserialize")]
    pub keep_free: u64,
    /// The maximum number of dumps of one container in a destination, at least 2: its first and its newest ones; 0 means
    /// no limit.
    pub per_container_count: u64,
    /// How many dumps of the crashes of one container in a time are kept, such as `5/10min`: the first ones and the newest,
    /// at least 2. The others are counted. Without it, all are kept, but of the kernel's core files those of `5/1min`.
    pub burst: Option<Burst>,
}

impl Retention {
    /// Whether there are limits for each container.
    #[must_use]
    pub fn is_per_container(&self) -> bool {
        self.per_container_count != 0 || self.burst.is_some()
    }
}

impl Default for Admin {
    fn default() -> Self {
        Self {
            state_dir: "/run/oci-minidump".into(),
            known_dirs: "/var/lib/oci-minidump/image-dirs".into(),
            image_dir: "/var/lib/oci-minidump/images".into(),
            image_backing: Backing::Disk,
            memory_size: 64 << 20,
            bundles_choose_backing: false,
            host_destination: "/var/lib/oci-minidump/dumps".into(),
            naming: Naming::App,
            crash_records: CrashRecords::Off,
            mode: Mode(0o600),
            group: None,
            retention: Retention::default(),
            annotations: Annotations::default(),
            notify: Notify::default(),
            log_level: LevelFilter::Info,
        }
    }
}

impl Admin {
    /// The list of directories to which dumps were brought; beside that of the directories with images.
    #[must_use]
    pub fn known_destinations(&self) -> PathBuf {
        self.known_dirs.with_file_name("dump-dirs")
    }

    /// The file system in memory on which images may lie.
    #[must_use]
    pub fn memory_dir(&self) -> PathBuf {
        self.state_dir.join("memory")
    }

    /// What the image of a plan is to lie on.
    #[must_use]
    pub fn backing_of(&self, plan: &Plan) -> Backing {
        plan.backing.filter(|_| self.bundles_choose_backing).unwrap_or(self.image_backing)
    }

    /// Whether there may be images in memory.
    #[must_use]
    pub fn may_be_in_memory(&self) -> bool {
        self.image_backing == Backing::Memory || self.bundles_choose_backing
    }

    /// Reads the settings from `path`; a missing file gives the defaults.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming the file, the line and what is wrong with it.
    pub fn load(path: &Path) -> Result<Self> {
        let text = match std::fs::read_to_string(path) {
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return Ok(Self::default()),
            other => other.tried(|| format!("cannot read {}", path.display()))?,
        };
        Self::parse(&text).map_err(|error| error.within(path.display()))
    }

    fn parse(text: &str) -> Result<Self> {
        let mut admin: Self = toml::from_str(text).map_err(|error| {
            let before = error.span().and_then(|span| text.get(..span.start)).unwrap_or_default();
            let line = before.matches('\n').count() + 1;
            let what = format!("wrong near line {line}: {}", error.message());
            Error::new(ErrorKind::Config, what)
        })?;
        admin.check()?;
        Ok(admin)
    }

    /// The defaults, for a program that must go on although the file cannot be read: what the file may forbid is
    /// forbidden.
    #[must_use]
    pub fn cautious() -> Self {
        let nothing = || Some(Vec::new());
        let annotations =
            Annotations { max_imgsize: DEFAULT_IMGSIZE, image_dirs: nothing(), host_destinations: nothing() };
        Self { annotations, ..Self::default() }
    }

    /// The directories below which the annotation `image` may name an image.
    #[must_use]
    pub fn annotated_image_dirs(&self) -> &[PathBuf] {
        self.annotations.image_dirs.as_deref().unwrap_or(std::slice::from_ref(&self.image_dir))
    }

    /// The directories that the annotation `hostDestination` may name, and below which it may name others.
    #[must_use]
    pub fn annotated_destinations(&self) -> &[PathBuf] {
        self.annotations.host_destinations.as_deref().unwrap_or(std::slice::from_ref(&self.host_destination))
    }

    /// Checks the values, and writes every path without what does not change its meaning (`//`, `/./`): they are
    /// compared with others.
    fn check(&mut self) -> Result<()> {
        let Annotations { max_imgsize, image_dirs, host_destinations } = &mut self.annotations;
        let single = [
            ("state_dir", &mut self.state_dir),
            ("known_dirs", &mut self.known_dirs),
            ("image_dir", &mut self.image_dir),
            ("host_destination", &mut self.host_destination),
        ];
        let lists = [("image_dirs", image_dirs), ("host_destinations", host_destinations)];
        let lists =
            lists.into_iter().flat_map(|(name, dirs)| dirs.iter_mut().flatten().map(move |dir| (name, dir)));
        for (name, dir) in single.into_iter().chain(lists) {
            *dir = absolute(&dir.to_string_lossy()).map_err(|rule| {
                Error::new(ErrorKind::Config, format!("{name} \"{}\" {rule}", dir.display()))
            })?;
        }
        if *max_imgsize < DEFAULT_IMGSIZE {
            let what = format!(
                "max_imgsize {max_imgsize} is below {DEFAULT_IMGSIZE}, the size of an image whose annotations give none"
            );
            return Err(Error::new(ErrorKind::Config, what));
        }
        if self.memory_size < MIN_IMGSIZE {
            let what = format!("memory_size {} is below {MIN_IMGSIZE}, the smallest image", self.memory_size);
            return Err(
                Error::new(ErrorKind::Config, what).advise("for no images in memory, set image_backing")
            );
        }
        if self.retention.per_container_count == 1 {
            let what = "per_container_count 1 is too few: the first dump and the newest are kept";
            return Err(Error::new(ErrorKind::Config, what).advise("write 2 or more, or 0 for no limit"));
        }
        Ok(())
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
            image_backing = "memory"
            memory_size = "32M"
            bundles_choose_backing = true
            host_destination = "/opt/minidumps"
            naming = "rdk"
            crash_records = true
            mode = "0640"
            group = 1000
            log_level = "debug"
            [retention]
            max_count = 20
            max_bytes = 50000000
            keep_free = 16000000
            per_container_count = 8
            burst = "5/10min"
            [annotations]
            max_imgsize = 16777216
            image_dirs = ["/data//images/", "/mnt/images"]
            host_destinations = []
        "#;
        let admin = Admin::parse(all).unwrap();
        assert_eq!((&admin.naming, admin.mode, admin.group), (&Naming::Rdk, Mode(0o640), Some(1000)));
        assert_eq!((admin.image_backing, admin.memory_size), (Backing::Memory, 32 << 20));
        assert_eq!((admin.retention.max_count, admin.annotations.max_imgsize), (20, 16_777_216));
        assert_eq!((admin.retention.per_container_count, admin.crash_records), (8, CrashRecords::File));
        assert_eq!(admin.retention.burst, Some(Burst { count: 5, seconds: 600 }));
        assert_eq!(admin.annotated_image_dirs(), [Path::new("/data/images"), Path::new("/mnt/images")]);
        assert!(admin.annotated_destinations().is_empty());
        let bad = [
            "naming = \"x\"",
            "image_backing = \"ram\"",
            "memory_size = 131071",
            "naming = \"{container}\"",
            "mode = \"0777\"",
            "mode = \"0200\"",
            "mode = 640",
            "retention = 3",
            "nonsense = 1",
            "annotations = 3",
            "[annotations]\nimage_dir = []",
            "[annotations]\nimage_dirs = \"/data\"",
            "[annotations]\nmax_imgsize = -1",
            "[retention]\nper_container_count = 1",
            "[retention]\nburst = \"1/10min\"",
            "[retention]\nburst = 5",
        ];
        for text in bad {
            assert!(Admin::parse(text).is_err(), "{text}");
        }
        assert_eq!(Admin::load(Path::new("/nonexistent")).unwrap(), Admin::default());
    }

    #[test]
    fn settings_that_contradict_themselves_or_name_no_directory_are_refused() {
        let cases = [
            ("image_dir = \"images\"", "image_dir \"images\" is not an absolute path"),
            ("state_dir = \"/\"", "state_dir \"/\" is the root directory"),
            ("host_destination = \"/a/../b\"", "host_destination \"/a/../b\" contains '..'"),
            ("[annotations]\nimage_dirs = [\"/a\", \"b\"]", "image_dirs \"b\" is not an absolute path"),
            ("[annotations]\nhost_destinations = [\"/\"]", "host_destinations \"/\" is the root directory"),
            ("[annotations]\nmax_imgsize = 8388607", "max_imgsize 8388607 is below 8388608"),
        ];
        for (text, expected) in cases {
            let error = Admin::parse(text).unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Config);
            assert!(error.to_string().contains(expected), "{text}: {error}");
        }
    }

    #[test]
    fn without_lists_the_default_directories_are_allowed_and_with_unreadable_settings_none() {
        let admin = Admin::parse("image_dir = \"/data/images\"\nhost_destination = \"/data/dumps\"").unwrap();
        assert_eq!(admin.annotated_image_dirs(), [Path::new("/data/images")]);
        assert_eq!(admin.annotated_destinations(), [Path::new("/data/dumps")]);
        let cautious = Admin::cautious();
        assert!(cautious.annotated_image_dirs().is_empty() && cautious.annotated_destinations().is_empty());
        assert_eq!(cautious.annotations.max_imgsize, DEFAULT_IMGSIZE);
        let rest = Admin { annotations: Annotations::default(), ..cautious };
        assert_eq!(rest, Admin::default());
    }
}
