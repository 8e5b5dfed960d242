//! Reads what Dobby's generator made of the examples.

use std::fs;
use std::path::{Path, PathBuf};

use oci_minidump::dobby::Entry;
use serde_json::Value;

/// An example: the name, and its directory.
#[derive(Debug)]
pub(crate) struct Example {
    pub(crate) name: String,
    dir: PathBuf,
}

/// The examples of a kind, `accepted` or `rejected`.
pub(crate) fn examples(kind: &str) -> Vec<Example> {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/dobby-specs").join(kind);
    let entries = fs::read_dir(dir).unwrap().map(Result::unwrap);
    let example =
        |entry: fs::DirEntry| Example { name: entry.file_name().into_string().unwrap(), dir: entry.path() };
    let mut examples: Vec<_> = entries.map(example).collect();
    examples.sort_by(|a, b| a.name.cmp(&b.name));
    assert!(examples.len() > 20, "there are {} {kind} examples only", examples.len());
    examples
}

impl Example {
    /// A file of the example.
    pub(crate) fn path(&self, file: &str) -> PathBuf {
        self.dir.join(file)
    }

    /// A file of the example.
    pub(crate) fn text(&self, file: &str) -> String {
        fs::read_to_string(self.path(file)).unwrap()
    }

    /// The recorded configuration.
    pub(crate) fn config(&self) -> Value {
        serde_json::from_str(&self.text("config.json")).unwrap()
    }

    /// The recorded root file system: each directory and file with its lines, sorted. Mode and owner are the same
    /// for all of a kind.
    pub(crate) fn rootfs(&self) -> Vec<(PathBuf, Entry)> {
        let mut entries: Vec<(PathBuf, Entry)> = Vec::new();
        for line in self.text("rootfs.txt").lines() {
            if let Some(content) = line.strip_prefix("    | ") {
                let Some((_, Entry::File(text))) = entries.last_mut() else { panic!("{line}: of no file") };
                text.push_str(&format!("{content}\n"));
                continue;
            }
            let (kind, path) = line.rsplit_once(' ').unwrap();
            let entry = match kind {
                "d 755 0:0" => Entry::Dir,
                "f 644 0:0" => Entry::File(String::new()),
                other => panic!("{other}: not understood"),
            };
            entries.push((path.into(), entry));
        }
        entries.sort_by(|a, b| a.0.cmp(&b.0));
        entries
    }
}
