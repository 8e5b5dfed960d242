//! Vendor controllers of cgroup version 1 (gpu, ion), which OCI runtimes do not set up.

use std::ffi::OsString;
use std::os::unix::ffi::{OsStrExt, OsStringExt};
use std::path::{Path, PathBuf};

use crate::control::plugins::plugin::{ContainerRef, Invocation};
use crate::control::process::cgroup::{Cgroups, hierarchy};
use crate::control::state::container_dir::write_new;
use crate::error::{Error, ErrorKind, Result, Tried};

/// The container's own cgroup of this controller. Where the runtime made none, one is made and the process `pid` put
/// into it; [`leave`] removes it.
///
/// # Errors
/// [`ErrorKind::Unsupported`] when the kernel has no such controller; the kernel's.
pub(crate) fn enter(call: &Invocation<'_>, controller: &str, pid: i32) -> Result<PathBuf> {
    if let Some(dir) = Cgroups::of(pid).and_then(|groups| groups.v1(controller).map(Path::to_owned)) {
        return Ok(dir);
    }
    let top = hierarchy(controller).ok_or_else(|| {
        let what = format!("the kernel has no cgroups of the controller {controller}: nothing is limited");
        Error::new(ErrorKind::Unsupported, what)
    })?;
    make(&call.container, controller, &top, pid)
}

fn make(container: &ContainerRef<'_>, controller: &str, top: &Path, pid: i32) -> Result<PathBuf> {
    let (dir, note) = (top.join(container.id.as_str()), note(container, controller));
    write_new(&note, dir.as_os_str().as_bytes()).tried(|| format!("cannot write {}", note.display()))?;
    match std::fs::create_dir(&dir) {
        Err(error) if error.kind() == std::io::ErrorKind::AlreadyExists => {}
        other => other.tried(|| format!("cannot make the cgroup {}", dir.display()))?,
    }
    set(&dir.join("cgroup.procs"), &pid.to_string())?;
    Ok(dir)
}

/// Writes a value into a file of a cgroup.
///
/// # Errors
/// The kernel's.
pub(crate) fn set(file: &Path, value: &str) -> Result<()> {
    std::fs::write(file, value).tried(|| format!("cannot write {value} into {}", file.display()))
}

/// Removes the cgroup that [`enter`] has made, if it did.
///
/// # Errors
/// The kernel's.
pub(crate) fn leave(container: &ContainerRef<'_>, controller: &str) -> Result<()> {
    let note = note(container, controller);
    let Ok(dir) = std::fs::read(&note) else { return Ok(()) };
    let dir = PathBuf::from(OsString::from_vec(dir));
    match std::fs::remove_dir(&dir) {
        Err(error) if error.kind() == std::io::ErrorKind::NotFound => {}
        other => other.tried(|| format!("cannot remove the cgroup {}", dir.display()))?,
    }
    std::fs::remove_file(&note).tried(|| format!("cannot remove {}", note.display()))
}

fn note(container: &ContainerRef<'_>, controller: &str) -> PathBuf {
    container.dir.file(&format!("cgroup-{controller}"))
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::state::container_dir::ContainerDir;

    #[test]
    fn a_cgroup_that_was_made_is_removed() {
        let (state, top) = (tempfile::tempdir().unwrap(), tempfile::tempdir().unwrap());
        let id = "box".parse().unwrap();
        let container_dir = ContainerDir::new(state.path(), &id);
        container_dir.create().unwrap();
        let container = ContainerRef { id: &id, dir: &container_dir };
        let dir = make(&container, "gpu", top.path(), 7).unwrap();
        assert_eq!(std::fs::read_to_string(dir.join("cgroup.procs")).unwrap(), "7");
        // Files of a real cgroup go with it.
        std::fs::remove_file(dir.join("cgroup.procs")).unwrap();
        leave(&container, "ion").unwrap();
        for _ in 0..2 {
            leave(&container, "gpu").unwrap();
            assert!(!dir.exists() && top.path().exists());
        }
    }
}
