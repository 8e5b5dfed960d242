//! `gpu`: the limit of graphics memory, on kernels that count it. Device nodes and mounts of the GPU come with the
//! configuration, into which the conversion of a spec writes those of the host's settings.

use crate::control::plugins::devices::extra_cgroup;
use crate::control::plugins::plugin::{ContainerRef, Invocation, Plugin, PluginFuture};
use crate::error::{Error, ErrorKind, Result};

const CONTROLLER: &str = "gpu";
/// The limit in bytes.
const LIMIT: &str = "gpu.limit_in_bytes";

pub(crate) struct Gpu;

impl Plugin for Gpu {
    fn wants_process(&self, _job: &Invocation<'_>) -> bool {
        true
    }

    fn create_runtime<'a>(&'a self, job: &'a Invocation<'a>, pid: i32) -> PluginFuture<'a> {
        Box::pin(async move {
            let bytes = bytes(job)?;
            extra_cgroup::set(&extra_cgroup::enter(job, CONTROLLER, pid)?.join(LIMIT), &bytes.to_string())
        })
    }

    fn post_stop<'a>(&'a self, site: &'a ContainerRef<'a>, _last: bool) -> PluginFuture<'a> {
        Box::pin(async move { extra_cgroup::leave(site, CONTROLLER) })
    }
}

fn bytes(job: &Invocation<'_>) -> Result<u64> {
    let bytes = job.data["memory"].as_f64().filter(|bytes| *bytes > 0.0);
    let bytes = bytes.ok_or_else(|| Error::new(ErrorKind::Config, "data.memory is not above 0"))?;
    Ok(bytes as u64)
}
