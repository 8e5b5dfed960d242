//! What Dobby's generator accepted and wrote, against what we accept and write; and what it refused.

use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::{Path, PathBuf};

use oci_minidump::dobby::{Entry, Input, convert, convert_spec};
use serde_json::Value;

use crate::differences::DIFFERENCES;
use crate::recorded::examples;
use crate::specs::host;

/// Where two values differ: the place, and both.
fn compare(at: &str, theirs: &Value, ours: &Value, found: &mut Vec<String>) {
    let missing = Value::String("(nothing)".to_owned());
    match (theirs, ours) {
        (Value::Object(a), Value::Object(b)) => {
            for key in a.keys().chain(b.keys().filter(|key| !a.contains_key(*key))) {
                let value = |map: &serde_json::Map<String, Value>| map.get(key).unwrap_or(&missing).clone();
                compare(&format!("{at}/{key}"), &value(a), &value(b), found);
            }
        }
        (Value::Array(a), Value::Array(b)) => {
            for n in 0..a.len().max(b.len()) {
                let value = |list: &[Value]| list.get(n).unwrap_or(&missing).clone();
                compare(&format!("{at}/{n}"), &value(a), &value(b), found);
            }
        }
        _ if theirs == ours => {}
        _ => found.push(format!("{at}: Dobby has {theirs}, we have {ours}")),
    }
}

#[test]
fn accepted_specs_become_what_dobby_makes_of_them() {
    let mut seen = vec![false; DIFFERENCES.len()];
    let mut wrong = Vec::new();
    for example in examples("accepted") {
        let spec = Input::File(example.path("spec.json")).read().unwrap();
        let ours = convert(&spec, &host())
            .unwrap_or_else(|error| panic!("{} is refused: {}", example.name, error.report()));
        let mut theirs = example.config();
        for (difference, seen) in DIFFERENCES.iter().zip(&mut seen) {
            let before = theirs.clone();
            if let Some(change) = difference.change {
                change(&spec, &mut theirs);
            }
            *seen |= before != theirs;
        }
        let mut found = Vec::new();
        compare("", &theirs, &ours.config, &mut found);
        wrong.extend(found.iter().map(|found| format!("{}{found}", example.name)));
    }
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
    for (difference, seen) in DIFFERENCES.iter().zip(seen) {
        assert_eq!(seen, difference.change.is_some(), "{}: seen in the examples?", difference.topic);
    }
}

#[test]
fn root_file_systems_are_what_dobby_makes() {
    let dir = tempdir("rootfs");
    for example in examples("accepted") {
        let bundle = dir.join(&example.name);
        convert_spec(&example.path("spec.json"), &bundle, &host())
            .unwrap_or_else(|error| panic!("{} is refused: {}", example.name, error.report()));
        let mut entries = Vec::new();
        list(&bundle.join("rootfs"), Path::new(""), &mut entries);
        entries.sort_by(|a: &(PathBuf, Entry), b| a.0.cmp(&b.0));
        assert_eq!(entries, example.rootfs(), "{}", example.name);
        oci_minidump::dobby::remove(&bundle).unwrap();
    }
    std::fs::remove_dir(&dir).unwrap();
}

/// Everything below `dir`, with the modes and owners that Dobby gives.
fn list(dir: &Path, below: &Path, entries: &mut Vec<(PathBuf, Entry)>) {
    for entry in std::fs::read_dir(dir.join(below)).unwrap().map(Result::unwrap) {
        let path = below.join(entry.file_name());
        let metadata = entry.path().symlink_metadata().unwrap();
        assert_eq!((metadata.uid(), metadata.gid()), (0, 0), "{}", path.display());
        let mode = metadata.permissions().mode() & 0o7777;
        if metadata.is_dir() {
            assert_eq!(mode, 0o755, "{}", path.display());
            list(dir, &path, entries);
            entries.push((path, Entry::Dir));
        } else {
            assert_eq!((metadata.is_file(), mode), (true, 0o644), "{}", path.display());
            entries.push((path, Entry::File(std::fs::read_to_string(entry.path()).unwrap())));
        }
    }
}

/// A new directory.
pub(crate) fn tempdir(name: &str) -> PathBuf {
    let dir = crate::support::test_dir::test_dir()
        .join(format!("oci-minidump-dobby-{name}-{}", std::process::id()));
    std::fs::create_dir(&dir).unwrap();
    dir
}

/// What each refusal must say: field, value and rule.
const REFUSALS: [(&str, &str); 31] = [
    ("args-int", "args[1]: 1 is not a string"),
    ("array", "the whole: [] is not an object"),
    (
        "caps-sysadmin",
        "capabilities[0]: \"CAP_SYS_ADMIN\" is not one of CAP_NET_BIND_SERVICE, CAP_NET_BROADCAST, CAP_NET_RAW",
    ),
    ("console-str", "console: \"x\" is not an object"),
    ("cpu-cores-int", "cpu.cores: 1 is not a string"),
    ("cpu-shares101", "cpu.shares: 101 is out of range 1..100"),
    ("devices-access", "devices[0].access: \"rwm\" is not one of r, w, rw"),
    ("empty-object", "version: is missing; memLimit: is missing; args: is missing; user: is missing"),
    ("env-int", "env[0]: 1 is not a string"),
    ("etc-lines", "etc.hosts: \"x\" is not an array"),
    ("gpu-bool", "gpu: true is not an object"),
    ("gpu-mem", "gpu.memLimit: \"x\" is not a whole number"),
    ("memlimit-float", "memLimit: 1.5 is not a whole number"),
    ("memlimit-neg", "memLimit: -1 is out of range 0..4294967295"),
    ("missing-args", "args: is missing"),
    ("missing-memlimit", "memLimit: is missing"),
    ("mounts-loop-dotdot", "mounts[0].destination: \"/a/../../b\" contains '..'"),
    ("mounts-obj", "mounts: {} is not an array"),
    ("network-bool", "network: true is not a string"),
    ("plugins-obj", "plugins: {} is not an array"),
    ("rdkplugins-arr", "rdkPlugins: [] is not an object"),
    ("rdkplugins-str", "rdkPlugins.minidump: \"x\" is not an object"),
    ("seccomp-kill", "seccomp.defaultAction: \"SCMP_ACT_KILL\" is not one of SCMP_ACT_ERRNO, SCMP_ACT_ALLOW"),
    ("string", "the whole: \"x\" is not an object"),
    ("swap-less", "swapLimit: 1 is below memLimit, 41943040"),
    ("swap-str", "swapLimit: \"x\" is not a whole number"),
    ("syslog-str", "syslog: \"yes\" is not true or false"),
    ("user-neg", "user.uid: -1 is out of range 1..65534"),
    ("user-root", "user.uid: 0 is out of range 1..65534"),
    ("version-only", "memLimit: is missing; args: is missing; user: is missing"),
    ("version2", "version: \"2.0\" is not one of 1.0, 1.1"),
];

#[test]
fn what_dobby_refuses_is_refused_with_field_value_and_rule() {
    let examples = examples("rejected");
    let names: Vec<_> = examples.iter().map(|example| example.name.as_str()).collect();
    assert_eq!(names, REFUSALS.map(|(name, _)| name));
    for (example, (name, expected)) in examples.iter().zip(REFUSALS) {
        let spec = Input::File(example.path("spec.json")).read().unwrap();
        let report = convert(&spec, &host()).unwrap_err().report();
        assert!(report.contains(expected), "{name}: {report}");
    }
}
