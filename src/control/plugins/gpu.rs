//! `gpu`: the limit of graphics memory, on kernels with such a cgroup. Device nodes and mounts of the GPU come with the
//! configuration, into which the conversion of a spec writes those of the host's settings.

use super::{Job, Plugin, Work};
use crate::control::cgroup::Cgroups;
use crate::error::{Error, ErrorKind, Result, Tried};

/// The controller (cgroups version 1, kernels of set-top boxes) and its limit in bytes.
const CONTROLLER: &str = "gpu";
const LIMIT: &str = "gpu.limit_in_bytes";

pub(super) struct Gpu;

impl Plugin for Gpu {
    fn wants_process(&self, _job: &Job<'_>) -> bool {
        true
    }

    /// The runtime makes a cgroup for the container in every hierarchy there is, and removes it.
    fn created<'a>(&'a self, job: &'a Job<'a>, pid: i32) -> Work<'a> {
        Box::pin(async move {
            let bytes = job.data["memory"].as_f64().filter(|bytes| *bytes > 0.0);
            let bytes = bytes.ok_or_else(|| Error::new(ErrorKind::Config, "data.memory is not above 0"))?;
            limit(Cgroups::of(pid).as_ref(), bytes as u64)
        })
    }
}

fn limit(groups: Option<&Cgroups>, bytes: u64) -> Result<()> {
    let none = || {
        let what = "the kernel has no cgroups for graphics memory: it is not limited";
        Error::new(ErrorKind::Unsupported, what)
    };
    let file = groups.and_then(|groups| groups.v1(CONTROLLER)).ok_or_else(none)?.join(LIMIT);
    std::fs::write(&file, bytes.to_string()).tried(|| format!("cannot write {}", file.display()))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_limit_goes_where_the_kernel_has_one() {
        let dir = tempfile::tempdir().unwrap();
        let mounts = format!("31 23 0:28 / {} rw - cgroup cgroup rw,gpu\n", dir.path().display());
        let groups = Cgroups::parse("5:gpu:/box\n", &mounts);
        std::fs::create_dir(dir.path().join("box")).unwrap();
        limit(Some(&groups), 4096).unwrap();
        assert_eq!(std::fs::read_to_string(dir.path().join("box").join(LIMIT)).unwrap(), "4096");
        assert_eq!(limit(None, 1).unwrap_err().kind(), ErrorKind::Unsupported);
    }
}
