//! A container that crashes, made of this program alone: its process writes a minidump of a few bytes and ends as if by
//! SIGSEGV. What is shown by it is the way of a dump, not what Breakpad does.

use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::error::{Result, Tried};

/// The verb by which the program is the container's process.
pub const VERB: &str = "crash-in-container";
/// The directory in the container.
pub const SOURCE: &str = "/opt/minidumps";
/// The program in the container.
pub const PROGRAM: &str = "/oci-minidump-hook";
/// The exit code of a shell's child that SIGSEGV ended.
pub const EXIT_CODE: u8 = 139;
/// Where a dump says that it crashed.
const ADDRESS: u64 = 0x1234;

/// Writes a minidump into `dir`, as a crash handler would.
///
/// # Errors
/// The kernel's.
pub fn crash(dir: &Path) -> Result<()> {
    let path = dir.join("oci-minidump-doctor.dmp");
    std::fs::write(&path, dump()).tried(|| format!("cannot write {}", path.display()))
}

/// A whole minidump: a header, the system, and an exception.
fn dump() -> Vec<u8> {
    let mut dump = b"MDMP".to_vec();
    let numbers = |dump: &mut Vec<u8>, values: &[u32]| {
        values.iter().for_each(|value| dump.extend_from_slice(&value.to_le_bytes()));
    };
    // Version, streams, their directory, checksum, time, flags; then the directory.
    numbers(&mut dump, &[0xa793, 2, 32, 0, 0, 0, 0]);
    numbers(&mut dump, &[7, 56, 56, 6, 168, 112]);
    // An amd64 of Linux (0x8201).
    numbers(&mut dump, &[9, 0, 0, 0, 0, 0x8201, 0, 0, 0, 0, 0, 0, 0, 0]);
    // The thread; SIGSEGV, SEGV_MAPERR.
    numbers(&mut dump, &[1, 0, 11, 1, 0, 0]);
    dump.extend_from_slice(&ADDRESS.to_le_bytes());
    dump.resize(56 + 56 + 168, 0);
    dump
}

/// Makes the root file system in `dir`.
///
/// # Errors
/// The kernel's.
pub fn make_rootfs(dir: &Path) -> Result<()> {
    for part in ["proc", "dev", "sys", "tmp", "etc", "opt", "usr", "lib", "lib64", "bin", "sbin", "run"] {
        let path = dir.join(part);
        std::fs::create_dir_all(&path).tried(|| format!("cannot make {}", path.display()))?;
    }
    let program = std::env::current_exe().tried(|| "cannot find the path of this program")?;
    let copy = dir.join(PROGRAM.trim_start_matches('/'));
    std::fs::copy(&program, &copy).map(drop).tried(|| format!("cannot copy {}", program.display()))
}

/// The directories of the host that the program needs: none, when it is static.
#[must_use]
pub fn libraries() -> Vec<PathBuf> {
    // The loader's path is in the file of every program that needs one.
    let program = std::fs::read("/proc/self/exe").unwrap_or_default();
    let is_dynamic = program.windows(7).take(4096).any(|part| part == b"/ld-lin" || part == b"/ld-mus");
    let dirs = ["/usr", "/lib", "/lib64"].map(PathBuf::from);
    dirs.into_iter().filter(|dir| is_dynamic && dir.exists()).collect()
}

/// The bundle's configuration, with `annotations`; the root file system lies in `rootfs`.
#[must_use]
pub fn config(rootfs: &Path, annotations: &[(String, String)]) -> Value {
    let bind =
        |dir: PathBuf| json!({"destination": dir, "type": "bind", "source": dir, "options": ["rbind", "ro"]});
    let mut mounts = vec![
        json!({"destination": "/proc", "type": "proc", "source": "proc"}),
        json!({"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["mode=755"]}),
    ];
    mounts.extend(libraries().into_iter().map(bind));
    let namespaces = ["pid", "ipc", "uts", "mount"].map(|kind| json!({"type": kind}));
    let annotations: serde_json::Map<_, _> =
        annotations.iter().map(|(name, value)| (name.clone(), json!(value))).collect();
    json!({
        "ociVersion": "1.0.2",
        "process": {"user": {"uid": 0, "gid": 0}, "args": [PROGRAM, VERB, SOURCE], "env": ["PATH=/"], "cwd": "/"},
        "root": {"path": rootfs.to_string_lossy()},
        "mounts": mounts,
        "linux": {"namespaces": namespaces},
        "annotations": annotations,
    })
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::dump::completeness::{Completeness, completeness};

    #[test]
    fn the_dump_is_whole_and_names_the_crash() {
        let dir = std::env::temp_dir().join(format!("sample-test-{}", std::process::id()));
        std::fs::create_dir_all(&dir).unwrap();
        crash(&dir).unwrap();
        let path = dir.join("oci-minidump-doctor.dmp");
        let file = std::fs::File::open(&path).unwrap();
        assert_eq!(completeness(&file).unwrap(), Completeness::Complete);
        let mut out = Vec::new();
        crate::dump::show::info::info(&[path], false, &mut out).unwrap();
        let text = String::from_utf8(out).unwrap();
        assert!(text.contains("SIGSEGV") && text.contains("0x1234"), "{text}");
        std::fs::remove_dir_all(dir).unwrap();
    }
}
