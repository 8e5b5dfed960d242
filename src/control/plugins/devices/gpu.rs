//! `gpu`: sets the limit of graphics memory, on kernels that have a cgroup for it.
//!
//! Device nodes and mounts of the GPU come with the configuration, into which the conversion of a spec writes those
//! of the host's settings.

use serde::Deserialize;

use crate::control::plugins::data::Whole;
use crate::control::plugins::devices::extra_cgroup;
use crate::control::plugins::plugin::{ContainerRef, Invocation, Plugin, PluginFuture};
use crate::control::process::cgroup;
use crate::error::{Error, ErrorKind, Result};

const CONTROLLER: &str = "gpu";
/// The limit in bytes.
const LIMIT: &str = "gpu.limit_in_bytes";

pub(crate) struct Gpu;

#[derive(Deserialize)]
struct Data {
    /// The most graphics memory in bytes.
    memory: Option<Whole>,
}

impl Plugin for Gpu {
    fn name(&self) -> &'static str {
        "gpu"
    }

    fn wants_process(&self, _job: &Invocation<'_>) -> bool {
        true
    }

    fn create_runtime<'a>(&'a self, call: &'a Invocation<'a>, pid: i32) -> PluginFuture<'a> {
        Box::pin(async move {
            let bytes = bytes(call)?;
            if cgroup::is_pure_v2() {
                log::warn!(
                    "container {}: version 2 of cgroups has no limit of graphics memory",
                    call.container.id
                );
                return Ok(());
            }
            extra_cgroup::set(&extra_cgroup::enter(call, CONTROLLER, pid)?.join(LIMIT), &bytes.to_string())
        })
    }

    fn post_stop<'a>(&'a self, container: &'a ContainerRef<'a>, _last: bool) -> PluginFuture<'a> {
        Box::pin(async move { extra_cgroup::leave(container, CONTROLLER) })
    }
}

fn bytes(call: &Invocation<'_>) -> Result<u64> {
    match call.data()? {
        Data { memory: Some(Whole(bytes @ 1..)) } => Ok(bytes),
        _ => Err(Error::new(ErrorKind::Config, "data.memory is not above 0")),
    }
}
