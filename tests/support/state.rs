//! What a daemon keeps in its state directory.

use std::path::{Path, PathBuf};

/// All but the notes of what it announced a moment ago, which go by themselves, the journal of events, where containers wrote
/// that have ended, and the socket of its monitor.
pub(crate) fn kept(dir: &Path) -> Vec<PathBuf> {
    let (_notes, mut kept) = entries(dir);
    let stays = |name: &str| ["+monitor.", "+events", "+sinks"].iter().any(|begin| name.starts_with(begin));
    kept.retain(|path| !path.file_name().is_some_and(|name| stays(&name.to_string_lossy())));
    kept
}

/// The notes.
pub(crate) fn notes(dir: &Path) -> Vec<PathBuf> {
    let (notes, _kept) = entries(dir);
    notes
}

fn entries(dir: &Path) -> (Vec<PathBuf>, Vec<PathBuf>) {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    entries
        .map(|entry| entry.path())
        .partition(|path| path.file_name().is_some_and(|name| name.to_string_lossy().starts_with("+ended.")))
}
