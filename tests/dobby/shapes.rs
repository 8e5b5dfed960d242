//! Specifications and bundles as RDK's programs write them (`tests/data/rdk-specs`), started by the daemon, each with what
//! must happen.
//!
//! A file has a `spec`, or the changes of a `bundle`, and what is `expected`: `refused` with this reason, or started with
//! these `warns` and these values in the runtime's `config`. A bundle with an `owner` belongs to that user, with its root
//! file system in it, as the administrator allows.

use std::fs;
use std::os::unix::fs::{lchown, symlink};
use std::path::Path;

use serde_json::{Value, json};

use crate::bundles::tmpfs;
use crate::daemon::{end, left};
use crate::plugins::bundle;
use crate::support::daemon_world::{DaemonWorld, leave_the_hosts_mounts};

const DIR: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/tests/data/rdk-specs");
/// What the administrator allows apps whose bundles are their own.
pub(crate) const FLAGS: [&str; 6] = [
    "--dobby-settings",
    "/nonexistent/dobby.json",
    "--bundle-owner",
    "30000-30999",
    "--bundle-group",
    "30000-30009",
];

/// Sets what `change` has in `config`, member by member.
fn merge(config: &mut Value, change: &Value) {
    match (config, change) {
        (Value::Object(old), Value::Object(new)) => {
            for (key, value) in new {
                merge(old.entry(key).or_insert(json!({})), value);
            }
        }
        (config, change) => *config = change.clone(),
    }
}

/// Gives a bundle to a user, with a root file system in it.
pub(crate) fn give(dir: &Path, owner: u32) {
    let bin = dir.join("rootfs/bin");
    fs::create_dir_all(&bin).unwrap();
    for place in ["proc", "dev", "sys", "tmp"] {
        fs::create_dir(dir.join("rootfs").join(place)).unwrap();
    }
    fs::copy("/bin/busybox", bin.join("busybox")).unwrap();
    ["sh", "sleep", "true"].iter().for_each(|name| symlink("busybox", bin.join(name)).unwrap());
    chown_all(dir, owner);
}

fn chown_all(path: &Path, owner: u32) {
    lchown(path, Some(owner), Some(owner)).unwrap();
    if path.symlink_metadata().unwrap().is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| chown_all(&entry.unwrap().path(), owner));
    }
}

fn start(world: &DaemonWorld, id: &str, case: &Value) -> Result<Value, Value> {
    if case["bundle"].is_null() {
        let params = json!({"containerId": id, "dobbySpec": case["spec"]});
        return world.call("startContainerFromDobbySpec", &params);
    }
    let dir = bundle(world, id, "sleep 60", |config| merge(config, &case["bundle"]));
    if let Some(owner) = case["owner"].as_u64() {
        give(&dir, u32::try_from(owner).unwrap());
    }
    world.call("startContainer", &json!({"containerId": id, "bundlePath": dir}))
}

/// Checks the configuration that the runtime got: values, and what must be among those of a list. Null stands for what
/// must not be there.
fn check_config(world: &DaemonWorld, id: &str, expected: &Value) {
    let file = world.path("state").join(id).join("config.json");
    let config: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    for (pointer, value) in expected.as_object().into_iter().flatten() {
        let found = config.pointer(pointer).unwrap_or(&Value::Null);
        match (found, value) {
            (Value::Array(found), Value::Array(wanted)) if !wanted.is_empty() => {
                let missing = wanted.iter().find(|wanted| !found.contains(wanted));
                assert_eq!(missing, None, "{id}: {pointer}: {found:?}");
            }
            _ => assert_eq!(found, value, "{id}: {pointer}"),
        }
    }
}

fn check(world: &DaemonWorld, name: &str, case: &Value) {
    let (id, expected) = (world.id(name), &case["expected"]);
    let before = world.log().len();
    let started = start(world, &id, case);
    if let Some(reason) = expected["refused"].as_str() {
        let error = started.expect_err(name);
        assert!(error["data"].as_str().unwrap().contains(reason), "{name}: {error}");
        assert!(left(world).is_empty(), "{name}");
        return;
    }
    assert!(started.is_ok(), "{name}: {started:?}\n{}", world.log());
    let log = world.log()[before..].to_owned();
    let warnings: Vec<_> =
        log.lines().filter(|line| line.starts_with("warning: ") && line.contains(&id)).collect();
    let wanted: Vec<_> =
        expected["warns"].as_array().into_iter().flatten().map(|text| text.as_str().unwrap()).collect();
    for text in &wanted {
        assert_eq!(
            warnings.iter().filter(|line| line.contains(text)).count(),
            1,
            "{name}: {text}: {warnings:?}"
        );
    }
    assert_eq!(warnings.len(), wanted.len(), "{name}: {warnings:?}");
    check_config(world, &id, &expected["config"]);
    end(world, &id);
}

#[test]
fn what_rdk_writes_is_started_or_refused_as_it_must_be() {
    leave_the_hosts_mounts();
    tmpfs("/tmp");
    let world = DaemonWorld::with(&FLAGS);
    let mut files: Vec<_> = fs::read_dir(DIR).unwrap().map(|entry| entry.unwrap().path()).collect();
    files.sort();
    assert!(files.len() > 25, "{}", files.len());
    let name = |file: &Path| file.file_stem().unwrap().to_str().unwrap().to_owned();
    let failed: Vec<_> = files
        .iter()
        .filter(|file| {
            let case: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
            let checked = std::panic::AssertUnwindSafe(|| check(&world, &name(file), &case));
            std::panic::catch_unwind(checked).is_err()
        })
        .map(|file| name(file))
        .collect();
    assert_eq!(failed, [""; 0]);
    assert!(world.runtime_list().is_empty());
}
