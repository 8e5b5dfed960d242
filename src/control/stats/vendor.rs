//! Figures of vendors' controllers of cgroup version 1: memory of the GPU, and of the heaps of ION, Android's allocator.

use std::path::Path;

use serde_json::{Map, Value, json};

use crate::control::process::cgroup::read;
use crate::control::stats::figures::number;

/// The most heaps that are shown.
const MAX_HEAPS: usize = 64;
/// What a heap's file with its limit is called: `ion.HEAP.limit_in_bytes`.
const LIMIT: &str = ".limit_in_bytes";

/// The memory of the GPU, from the container's directory of the controller `gpu`.
pub(crate) fn gpu(dir: &Path) -> Value {
    json!({"memory": memory(dir, "gpu")})
}

/// The heaps by name, as Dobby writes them (`ion.HEAP`), from the container's directory of the controller `ion`.
pub(crate) fn ion(dir: &Path) -> Value {
    let entries = std::fs::read_dir(dir).into_iter().flatten().flatten();
    let names = entries.filter_map(|entry| Some(entry.file_name().to_str()?.strip_suffix(LIMIT)?.to_owned()));
    let mut names: Vec<String> = names.filter(|name| name.starts_with("ion.")).take(MAX_HEAPS).collect();
    names.sort();
    let heaps: Map<String, Value> = names
        .into_iter()
        .map(|name| {
            let heap = memory(dir, &name);
            (name, heap)
        })
        .collect();
    json!({"heaps": heaps})
}

fn memory(dir: &Path, prefix: &str) -> Value {
    let figure = |name: &str| number(read(&dir.join(format!("{prefix}.{name}"))));
    json!({
        "failcnt": figure("failcnt"),
        "limit": figure("limit_in_bytes"),
        "max": figure("max_usage_in_bytes"),
        "usage": figure("usage_in_bytes"),
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_there_is_is_shown_and_the_rest_is_null() {
        let dir = tempfile::tempdir().unwrap();
        let files = [
            ("gpu.limit_in_bytes", "4096\n"),
            ("gpu.usage_in_bytes", "1"),
            ("gpu.failcnt", "nonsense"),
            ("ion.vmem.limit_in_bytes", "18446744073709551615"),
            ("ion.vmem.usage_in_bytes", "2"),
            ("ion.a.b.limit_in_bytes", "3"),
            ("memory.limit_in_bytes", "5"),
        ];
        for (name, text) in files {
            std::fs::write(dir.path().join(name), text).unwrap();
        }
        let shown =
            |limit: u64, usage: Value| json!({"failcnt": null, "limit": limit, "max": null, "usage": usage});
        assert_eq!(gpu(dir.path()), json!({"memory": shown(4096, json!(1))}));
        let heaps = json!({"ion.a.b": shown(3, Value::Null), "ion.vmem": shown(u64::MAX, json!(2))});
        assert_eq!(ion(dir.path()), json!({"heaps": heaps}));
        assert_eq!(ion(&dir.path().join("none")), json!({"heaps": {}}));
    }
}
