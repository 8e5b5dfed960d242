//! Files and directories that a target writes to. They lie in `TMPDIR`, which `scripts/fuzz` puts into memory and
//! removes: libFuzzer ends a process without letting it clean up.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};

/// A directory of this process alone.
pub fn dir(name: &str) -> PathBuf {
    let path = std::env::temp_dir().join(format!("oci-minidump-fuzz-{}-{name}", std::process::id()));
    fs::create_dir_all(&path).expect("cannot make the scratch directory");
    path
}

/// Replaces what is in `file`.
pub fn fill(file: &File, bytes: &[u8]) {
    file.set_len(0).expect("cannot empty the scratch file");
    file.write_all_at(bytes, 0).expect("cannot write the scratch file");
}

/// A file in a scratch directory, readable and writable.
pub fn file(dir: &Path, name: &str) -> File {
    let options = File::options().read(true).write(true).create(true).truncate(true).to_owned();
    options.open(dir.join(name)).expect("cannot make the scratch file")
}
