//! A bundle and its `config.json` (runtime-spec, "Bundle" and "Configuration").
//!
//! The configuration is kept as a JSON value: oci-spec types the known parts one by one, so that one unknown
//! capability or section never fails the whole, and nothing is lost when it is written back.

use std::path::{Path, PathBuf};

use oci_spec::runtime::{Root, User};
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result, Tried};
use crate::host;

/// The most bytes of a `config.json` that are read; the largest seen in the field have some hundred KiB.
pub(crate) const MAX_CONFIG: u64 = 8 << 20;

/// The most blanks of one step of indentation: every line that is written back has them, times its depth.
const MAX_INDENT: usize = 16;

/// A bundle directory with its parsed `config.json`.
#[derive(Debug, Clone)]
pub struct Bundle {
    dir: PathBuf,
    config: Value,
    layout: Layout,
}

/// How the file was laid out, so that an edit changes nothing else for a reader.
#[derive(Debug, Clone, PartialEq, Eq)]
struct Layout {
    /// One step of indentation; `None` for JSON on one line.
    indent: Option<String>,
    /// Whether the last line ends.
    final_newline: bool,
}

impl Bundle {
    /// Reads `dir/config.json`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] naming the file when it is missing, too large or not a JSON object.
    pub fn load(dir: &Path) -> Result<Self> {
        let dir = std::path::absolute(dir).tried(|| format!("cannot resolve {}", dir.display()))?;
        let path = dir.join("config.json");
        let text = read_bounded(&path).map_err(|error| match path.try_exists() {
            Ok(false) => error.advise("is it a bundle? One has a config.json and a root file system"),
            _ => error,
        })?;
        Ok(Self { dir, config: parse(&path, &text)?, layout: Layout::of(&text) })
    }

    /// The bundle in the absolute directory `dir`, whose configuration is `text`.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when that is too large or not a JSON object.
    pub fn parse(dir: &Path, text: &[u8]) -> Result<Self> {
        let path = dir.join("config.json");
        if u64::try_from(text.len()).is_ok_and(|length| length > MAX_CONFIG) {
            let what = format!("{} is larger than {MAX_CONFIG} bytes", path.display());
            return Err(Error::new(ErrorKind::Config, what));
        }
        Ok(Self { dir: dir.to_owned(), config: parse(&path, text)?, layout: Layout::of(text) })
    }

    /// What stands for a bundle where an engine makes none: the configuration, and the directory of the container.
    #[must_use]
    pub fn of(dir: &Path, config: Value) -> Self {
        Self { dir: dir.to_owned(), config, layout: Layout { indent: None, final_newline: false } }
    }

    /// The absolute path of the bundle directory.
    #[must_use]
    pub fn dir(&self) -> &Path {
        &self.dir
    }

    /// The path of the `config.json`.
    #[must_use]
    pub fn config_path(&self) -> PathBuf {
        self.dir.join("config.json")
    }

    /// The whole configuration.
    #[must_use]
    pub fn config(&self) -> &Value {
        &self.config
    }

    /// The whole configuration, to be changed; [`Bundle::save`] writes it back.
    pub fn config_mut(&mut self) -> &mut Value {
        &mut self.config
    }

    /// Replaces `config.json` with the configuration as it is now, laid out as before.
    ///
    /// # Errors
    /// The kernel's; the old file is untouched then.
    pub fn save(&self) -> Result<()> {
        let path = self.config_path();
        let text = self.layout.write(&self.config).tried(|| format!("cannot write {}", path.display()))?;
        host::write::write_atomically(&path, &text, 0o644)
    }

    /// The absolute path of the root file system as the host sees it (`root.path`).
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when there is none.
    pub fn rootfs(&self) -> Result<PathBuf> {
        let root: Root = self.part("/root")?.ok_or_else(|| {
            Error::new(ErrorKind::Config, format!("{} has no root", self.config_path().display()))
        })?;
        Ok(self.dir.join(root.path()))
    }

    /// Whether `path` lies in the container's root file system, also by a symbolic link.
    ///
    /// # Errors
    /// As [`Bundle::rootfs`].
    pub fn has_in_rootfs(&self, path: &Path) -> Result<bool> {
        let rootfs = self.rootfs()?;
        let real = |path: &Path| host::nearest(path).canonicalize().ok();
        let inside =
            real(path).zip(rootfs.canonicalize().ok()).is_some_and(|(path, root)| path.starts_with(root));
        Ok(inside || path.starts_with(&rootfs))
    }

    /// The user and group id of the container's process, inside the container (`process.user`); 0 when not given.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when it is malformed.
    pub fn user(&self) -> Result<(u32, u32)> {
        let user: Option<User> = self.part("/process/user")?;
        Ok(user.map_or((0, 0), |user| (user.uid(), user.gid())))
    }

    /// The SELinux label for the mounts of the container (`linux.mountLabel`), if it has one.
    ///
    /// # Errors
    /// [`ErrorKind::Config`] when it is malformed.
    pub fn mount_label(&self) -> Result<Option<String>> {
        self.part("/linux/mountLabel")
    }

    /// The typed part of the configuration at `pointer` (RFC 6901), if it is there.
    fn part<T: DeserializeOwned>(&self, pointer: &str) -> Result<Option<T>> {
        let Some(part) = self.config.pointer(pointer).filter(|part| !part.is_null()) else { return Ok(None) };
        serde_json::from_value(part.clone()).map(Some).map_err(|e| {
            let name = pointer.trim_start_matches('/').replace('/', ".");
            let what = format!("{} has a malformed {name}", self.config_path().display());
            Error::new(ErrorKind::Config, what).caused_by(e)
        })
    }
}

impl Layout {
    fn of(text: &[u8]) -> Self {
        let mut lines = text.split(|byte| *byte == b'\n').skip(1);
        let first = lines.find(|line| !line.trim_ascii().is_empty());
        let indent = first.map(|line| {
            let blanks = line.iter().copied().take_while(u8::is_ascii_whitespace);
            let blanks: Vec<u8> = blanks.take(MAX_INDENT).collect();
            String::from_utf8_lossy(&blanks).into_owned()
        });
        Self { indent, final_newline: text.ends_with(b"\n") }
    }

    fn write(&self, value: &Value) -> std::io::Result<Vec<u8>> {
        let mut text = Vec::new();
        match &self.indent {
            None => serde_json::to_writer(&mut text, value)?,
            Some(indent) => {
                let format = serde_json::ser::PrettyFormatter::with_indent(indent.as_bytes());
                value.serialize(&mut serde_json::Serializer::with_formatter(&mut text, format))?;
            }
        }
        if self.final_newline {
            text.push(b'\n');
        }
        Ok(text)
    }
}

/// Reads a JSON object from a file of the administrator: a regular file of at most 8 MiB.
///
/// # Errors
/// [`ErrorKind::Config`] naming the file.
pub fn read_json(path: &Path) -> Result<Value> {
    parse(path, &read_bounded(path)?)
}

fn parse(path: &Path, text: &[u8]) -> Result<Value> {
    let wrong = |what: &str| Error::new(ErrorKind::Config, format!("{} {what}", path.display()));
    let value: Value = serde_json::from_slice(text).map_err(|e| wrong("is not valid JSON").caused_by(e))?;
    if !value.is_object() {
        return Err(wrong("is not a JSON object"));
    }
    Ok(value)
}

/// Reads a regular file of at most 8 MiB.
///
/// # Errors
/// [`ErrorKind::Config`] naming the file.
pub fn read_bounded(path: &Path) -> Result<Vec<u8>> {
    host::read_bounded(path, MAX_CONFIG).map_err(|error| error.of_kind(ErrorKind::Config))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    fn bundle(config: Value) -> Bundle {
        Bundle { dir: "/b".into(), config, layout: Layout { indent: None, final_newline: false } }
    }

    #[test]
    fn known_parts_are_typed_and_unknown_ones_ignored() {
        let with_future = json!({"root": {"path": "rootfs", "later": 1},
            "process": {"user": {"uid": 1000, "gid": 7}, "capabilities": {"bounding": ["CAP_FUTURE"]}}});
        let bundle_future = bundle(with_future);
        assert_eq!(bundle_future.rootfs().unwrap(), Path::new("/b/rootfs"));
        assert_eq!(bundle_future.user().unwrap(), (1000, 7));
        assert_eq!(bundle(json!({"root": {"path": "/r"}})).rootfs().unwrap(), Path::new("/r"));
        assert_eq!(bundle(json!({"process": {"user": null}})).user().unwrap(), (0, 0));
        assert_eq!(
            bundle(json!({"linux": {"mountLabel": "a:b:c"}})).mount_label().unwrap().unwrap(),
            "a:b:c"
        );
        assert_eq!(bundle(json!({"linux": {"seccomp": {}}})).mount_label().unwrap(), None);
    }

    #[test]
    fn an_edit_keeps_the_layout() {
        let texts = [
            "{\n\t\"a\": 1.0,\n\t\"b\": [\n\t\t{}\n\t]\n}\n",
            "{\n    \"z\": 18446744073709551615,\n    \"a\": null\n}",
            "{\"z\":[1,2],\"a\":\"\u{17c}\"}",
        ];
        for text in texts {
            let value: Value = serde_json::from_str(text).unwrap();
            assert_eq!(String::from_utf8(Layout::of(text.as_bytes()).write(&value).unwrap()).unwrap(), text);
        }
    }

    #[test]
    fn a_huge_indentation_is_not_multiplied() {
        let text = format!("{{\n{}\"a\": [[[1]]]\n}}", " ".repeat(1 << 20));
        let value: Value = serde_json::from_str(&text).unwrap();
        let written = Layout::of(text.as_bytes()).write(&value).unwrap();
        assert!(written.len() < 1000, "{} bytes", written.len());
        assert_eq!(serde_json::from_slice::<Value>(&written).unwrap(), value);
    }

    #[test]
    fn malformed_parts_are_named() {
        let cases = [
            (bundle(json!({})).rootfs().unwrap_err(), "/b/config.json has no root"),
            (
                bundle(json!({"root": {"path": 3}})).rootfs().unwrap_err(),
                "/b/config.json has a malformed root",
            ),
            (
                bundle(json!({"process": {"user": {"uid": -1}}})).user().map(|_| ()).unwrap_err(),
                "/b/config.json has a malformed process.user",
            ),
            (
                bundle(json!({"linux": {"mountLabel": 7}})).mount_label().map(|_| ()).unwrap_err(),
                "/b/config.json has a malformed linux.mountLabel",
            ),
        ];
        for (error, expected) in cases {
            assert_eq!(error.kind(), ErrorKind::Config);
            assert_eq!(error.to_string(), expected);
        }
    }
}
