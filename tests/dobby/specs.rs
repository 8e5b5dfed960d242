//! Specs and hosts for the tests.

use oci_minidump::dobby::{Conversion, Host, convert};
use serde_json::{Value, json};

/// The smallest spec.
pub(crate) fn minimal() -> Value {
    json!({
        "version": "1.0",
        "args": ["sleep", "60"],
        "user": {"uid": 1000, "gid": 1000},
        "memLimit": 41_943_040
    })
}

/// The smallest spec with fields set as in a JSON object.
pub(crate) fn with(fields: &Value) -> Value {
    let mut spec = minimal();
    for (key, value) in fields.as_object().unwrap() {
        spec[key] = value.clone();
    }
    spec
}

/// The host on which the examples were recorded, had it a `/lib64`.
pub(crate) fn host() -> Host {
    let mut host = Host::default();
    (host.lib64, host.cgroup_v1, host.rt_groups, host.cpus) = (true, true, true, 2);
    host.drivers = [("input", 13), ("hidraw", 245)].map(|(name, major)| (name.to_owned(), major)).into();
    host
}

/// A conversion that must work.
pub(crate) fn converted(spec: &Value) -> Conversion {
    convert(spec, &host()).unwrap_or_else(|error| panic!("{spec}: {}", error.report()))
}

/// A part of the configuration that a spec with these fields becomes; null when it is not there.
pub(crate) fn part(fields: &Value, pointer: &str) -> Value {
    converted(&with(fields)).config.pointer(pointer).cloned().unwrap_or_default()
}

/// What is said of a spec that must be refused.
pub(crate) fn refusal(spec: &Value) -> String {
    match convert(spec, &host()) {
        Ok(conversion) => panic!("{spec} is accepted: {}", conversion.config),
        Err(error) => error.report(),
    }
}
