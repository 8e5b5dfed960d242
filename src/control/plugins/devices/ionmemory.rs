//! `ionmemory`: sets limits of the heaps of ION, Android's memory allocator, on kernels that have a cgroup for
//! them.

use std::path::Path;

use serde::Deserialize;

use crate::control::plugins::data::{Whole, or_default};
use crate::control::plugins::devices::extra_cgroup;
use crate::control::plugins::plugin::{ContainerRef, Invocation, Plugin, PluginFuture};
use crate::error::Result;

const CONTROLLER: &str = "ion";

pub(crate) struct IonMemory;

#[derive(Deserialize)]
#[serde(rename_all = "camelCase")]
struct Data {
    /// In bytes, for heaps that are not named.
    default_limit: Option<Whole>,
    #[serde(default, deserialize_with = "or_default")]
    heaps: Vec<HeapLimit>,
}

#[derive(Deserialize)]
struct HeapLimit {
    name: String,
    /// In bytes.
    limit: Whole,
}

impl Plugin for IonMemory {
    fn name(&self) -> &'static str {
        "ionmemory"
    }

    fn wants_process(&self, _job: &Invocation<'_>) -> bool {
        true
    }

    fn create_runtime<'a>(&'a self, call: &'a Invocation<'a>, pid: i32) -> PluginFuture<'a> {
        Box::pin(async move { limit(&extra_cgroup::enter(call, CONTROLLER, pid)?, &call.data()?) })
    }

    fn post_stop<'a>(&'a self, container: &'a ContainerRef<'a>, _last: bool) -> PluginFuture<'a> {
        Box::pin(async move { extra_cgroup::leave(container, CONTROLLER) })
    }
}

/// Limits every heap there is: by its name, else by the default, if there is one.
fn limit(dir: &Path, data: &Data) -> Result<()> {
    for entry in std::fs::read_dir(dir).into_iter().flatten().flatten() {
        let name = entry.file_name();
        let Some(heap) = name.to_str().and_then(|name| {
            name.strip_prefix("ion.")?.strip_suffix(".limit_in_bytes").filter(|heap| !heap.contains('.'))
        }) else {
            continue;
        };
        let named = data.heaps.iter().find(|limit| limit.name == heap).map(|limit| limit.limit);
        if let Some(Whole(bytes)) = named.or(data.default_limit) {
            extra_cgroup::set(&entry.path(), &bytes.to_string())?;
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::plugins::data;
    use serde_json::json;

    #[test]
    fn heaps_are_limited_by_name_or_by_default() {
        let dir = tempfile::tempdir().unwrap();
        let file = |name: &str| dir.path().join(name);
        for name in ["ion.vmem.limit_in_bytes", "ion.other.limit_in_bytes", "ion.vmem.usage", "tasks"] {
            std::fs::write(file(name), "as it was").unwrap();
        }
        let read = |name: &str| std::fs::read_to_string(file(name)).unwrap();
        let heaps = json!([{"name": "vmem", "limit": 4096}]);
        limit(dir.path(), &data::read(&json!({"heaps": heaps})).unwrap()).unwrap();
        assert_eq!(read("ion.vmem.limit_in_bytes"), "4096");
        assert_eq!(read("ion.other.limit_in_bytes"), "as it was");
        limit(dir.path(), &data::read(&json!({"heaps": heaps, "defaultLimit": 8192})).unwrap()).unwrap();
        assert_eq!(read("ion.other.limit_in_bytes"), "8192");
        assert_eq!([read("ion.vmem.usage"), read("tasks")], ["as it was", "as it was"]);
    }
}
