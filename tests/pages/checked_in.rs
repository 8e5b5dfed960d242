//! Files of the repository, compared with what they must be.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::repository::root;

/// Compares files with what they must be; with UPDATE in the environment, writes them instead.
pub(crate) fn all_agree(files: impl IntoIterator<Item = (PathBuf, String)>) {
    let stale = |(path, text): &(PathBuf, String)| fs::read_to_string(path).ok().as_ref() != Some(text);
    let stale: Vec<_> = files.into_iter().filter(stale).collect();
    if std::env::var_os("UPDATE").is_some() {
        for (path, text) in &stale {
            // Whole at once: other tests read it.
            let dir = path.parent().unwrap();
            fs::create_dir_all(dir).unwrap();
            let file = tempfile::NamedTempFile::new_in(dir).unwrap();
            fs::write(file.path(), text).unwrap();
            fs::set_permissions(file.path(), fs::Permissions::from_mode(0o644)).unwrap();
            file.persist(path).unwrap();
        }
        return;
    }
    let stale: Vec<_> = stale.iter().map(|(path, text)| difference(path, text)).collect();
    assert!(
        stale.is_empty(),
        "stale; UPDATE=1 cargo test --test pages writes them anew:\n{}",
        stale.join("\n")
    );
}

/// The first line in which a file differs from what it must be.
fn difference(path: &Path, text: &str) -> String {
    let shown = path.strip_prefix(root()).unwrap_or(path).display();
    let Ok(present) = fs::read_to_string(path) else { return format!("{shown} is missing") };
    let (mut present, mut wanted) = (present.lines(), text.lines());
    let lines = (1..).map(|n| (n, present.next(), wanted.next()));
    let mut different = lines.skip_while(|(_, present, wanted)| present == wanted && present.is_some());
    match different.next() {
        Some((n, present, wanted)) => format!(
            "{shown}:{n}\n  is:      {}\n  must be: {}",
            present.unwrap_or("(the end)"),
            wanted.unwrap_or("(the end)")
        ),
        None => format!("{shown}: differs"),
    }
}
