//! What was read of symbols, kept for the next dump: most dumps are of the same few programs.

use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::identity::Identity;
use super::loaded::{Key, Loaded};
use super::module::Symbolic;
use crate::error::Result;
use crate::process::caught;

/// The most bytes of symbols that are read for one dump: it chooses which are.
pub(super) const MAX_BYTES: u64 = 256 << 20;
/// The most modules that are kept from one dump to the next.
const MAX_MODULES: usize = 4096;

/// What was read, for all dumps.
#[derive(Debug, Default)]
pub(super) struct Cache {
    loaded: BTreeMap<Key, Arc<Loaded>>,
    modules: BTreeMap<Identity, Arc<Symbolic>>,
    bytes: u64,
    /// How often a file was read.
    pub(super) reads: u64,
    /// Files that are known not to be what their place says.
    said: BTreeSet<PathBuf>,
}

impl Cache {
    /// Makes room for what one dump may need. So there is never more than one and a half times of that.
    pub(super) fn begin(&mut self) {
        if self.bytes > MAX_BYTES / 2 || self.modules.len() > MAX_MODULES {
            *self = Self { reads: self.reads, ..Self::default() };
        }
    }

    /// What is known of a module.
    pub(super) fn module(&self, identity: &Identity) -> Option<Arc<Symbolic>> {
        self.modules.get(identity).cloned()
    }

    pub(super) fn keep(&mut self, identity: Identity, module: &Arc<Symbolic>) {
        self.modules.insert(identity, Arc::clone(module));
    }

    /// What `read` makes of the file at `path`, at the first time; what came of it, at the others.
    pub(super) fn load(
        &mut self,
        key: Key,
        size: u64,
        path: &Path,
        read: impl FnOnce() -> Result<Loaded>,
    ) -> Arc<Loaded> {
        if let Some(loaded) = self.loaded.get(&key) {
            return Arc::clone(loaded);
        }
        self.reads = self.reads.saturating_add(1);
        self.bytes = self.bytes.saturating_add(size);
        let loaded = match caught(read) {
            Some(Ok(loaded)) => loaded,
            Some(Err(error)) => {
                log::warn!("cannot read the symbols in {}: {}", path.display(), error.report());
                Loaded::Nothing
            }
            None => {
                log::warn!("cannot read the symbols in {}: they are damaged", path.display());
                Loaded::Nothing
            }
        };
        let loaded = Arc::new(loaded);
        self.loaded.insert(key, Arc::clone(&loaded));
        loaded
    }

    /// Whether it is the first time that something is said of the file.
    pub(super) fn is_news(&mut self, path: &Path) -> bool {
        self.said.len() < MAX_MODULES && self.said.insert(path.to_owned())
    }
}

/// What one dump has had read: each file counts once.
#[derive(Debug, Default)]
pub(super) struct Used {
    parts: BTreeSet<Key>,
    bytes: u64,
}

impl Used {
    /// Whether these may be had, too: all of them, or none counts.
    pub(super) fn allows(&mut self, parts: &[(Key, u64)]) -> bool {
        let new = parts.iter().filter(|(key, _)| !self.parts.contains(key));
        let bytes = new.fold(self.bytes, |bytes, (_, size)| bytes.saturating_add(*size));
        if bytes > MAX_BYTES {
            return false;
        }
        self.bytes = bytes;
        self.parts.extend(parts.iter().map(|(key, _)| *key));
        true
    }
}

#[cfg(test)]
mod tests {
    use super::super::loaded::Kind;
    use super::*;

    #[test]
    fn a_file_counts_once_and_a_large_one_takes_nothing_from_the_others() {
        let mut used = Used::default();
        let key = |number| Key { kind: Kind::Breakpad, file: (0, number) };
        assert!(!used.allows(&[(key(1), MAX_BYTES + 1)]));
        assert!(used.allows(&[(key(2), MAX_BYTES - 1)]));
        assert!(used.allows(&[(key(2), MAX_BYTES - 1)]));
        assert!(!used.allows(&[(key(3), 1), (key(4), 1)]));
        assert!(used.allows(&[(key(3), 1)]));
    }

    #[test]
    fn what_cannot_be_read_is_read_once_and_what_is_kept_is_bounded() {
        let mut cache = Cache::default();
        let key = |number| Key { kind: Kind::Lines, file: (0, number) };
        for _ in 0..3 {
            cache.load(key(1), MAX_BYTES / 2, Path::new("a"), || Ok(Loaded::Nothing));
            cache.begin();
        }
        assert_eq!(cache.reads, 1);
        cache.load(key(2), 1, Path::new("b"), || Ok(Loaded::Nothing));
        cache.begin();
        cache.load(key(1), 1, Path::new("a"), || Ok(Loaded::Nothing));
        assert_eq!((cache.reads, cache.bytes), (3, 1));
    }
}
