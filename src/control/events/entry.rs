//! An entry of the outbox: a file in the state directory with events that may not have been delivered.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::control::model::event::Event;
use crate::control::model::id::ContainerId;
use crate::control::state::container_dir::write_new;
use crate::error::{Error, ErrorKind, Result, Tried};
use crate::oci::bundle::read_json;

/// What the names of entries begin with. No container has such an id.
const PREFIX: &str = "+ended.";

/// What is in an entry.
#[derive(Debug, Serialize, Deserialize)]
pub(crate) struct OutboxEntry {
    /// Whether the container was to be restarted.
    #[serde(rename = "again")]
    pub(crate) restart: bool,
    /// The events, in their order.
    pub(crate) events: Vec<Event>,
}

/// The name of an entry, `+ended.DELIVERED.STARTED.ID`.
#[derive(Debug, Clone)]
pub(crate) struct EntryName {
    /// When a later daemon sent the events first, in nanoseconds since the machine booted; 0 before.
    pub(crate) delivered: u64,
    /// When the container was started, as in its saved state; for a dump that was harvested late, when that was found.
    pub(crate) started: u64,
    /// Which container.
    pub(crate) id: ContainerId,
}

impl EntryName {
    /// The name of a new entry.
    pub(crate) fn new(id: ContainerId, started: u64) -> Self {
        Self { delivered: 0, started, id }
    }

    /// Nothing when it is not the name of an entry.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        let (delivered, rest) = name.strip_prefix(PREFIX)?.split_once('.')?;
        let (started, id) = rest.split_once('.')?;
        Some(Self {
            delivered: delivered.parse().ok()?,
            started: started.parse().ok()?,
            id: id.parse().ok()?,
        })
    }

    /// The path of the entry in the state directory `dir`.
    pub(crate) fn path(&self, dir: &Path) -> PathBuf {
        dir.join(format!("{PREFIX}{}.{}.{}", self.delivered, self.started, self.id))
    }
}

impl OutboxEntry {
    /// Writes a new entry. It is not synced: after a power cut there is no client either.
    ///
    /// # Errors
    /// The kernel's.
    pub(crate) fn write(&self, path: &Path) -> Result<()> {
        let text = serde_json::to_vec(self).map_err(std::io::Error::from);
        text.and_then(|text| write_new(path, &text)).tried(|| format!("cannot write {}", path.display()))
    }

    /// Reads an entry.
    ///
    /// # Errors
    /// It is damaged: a daemon was killed as it wrote it.
    pub(crate) fn read(path: &Path) -> Result<Self> {
        serde_json::from_value(read_json(path)?).map_err(|error| {
            Error::new(ErrorKind::Corrupt, format!("{} is damaged", path.display())).caused_by(error)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn names_of_entries_are_read_as_they_are_written() {
        let name = EntryName::new("com.app.1".parse().unwrap(), 17);
        let path = name.path(Path::new("/state"));
        assert_eq!(path, Path::new("/state/+ended.0.17.com.app.1"));
        let read = EntryName::parse("+ended.0.17.com.app.1").unwrap();
        assert_eq!((read.delivered, read.started, read.id), (name.delivered, name.started, name.id));
        for other in ["+ended.", "+ended.0.17", "+ended.0.17.../x", "+ended.x.17.a", "+minidumps", "com.app"]
        {
            assert!(EntryName::parse(other).is_none(), "{other}");
        }
    }
}
