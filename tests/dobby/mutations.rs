//! Specs with one value exchanged: each is converted or refused with a reason, and no conversion is half.

use oci_minidump::dobby::{Input, Problems, convert};
use oci_minidump::error::ErrorKind;
use serde_json::{Value, json};

use crate::recorded::examples;
use crate::specs::{host, with};

/// The places of all values in `value`, as JSON pointers.
fn places(value: &Value, at: &str, found: &mut Vec<String>) {
    found.push(at.to_owned());
    match value {
        Value::Object(map) => map.iter().for_each(|(key, value)| {
            places(value, &format!("{at}/{}", key.replace('~', "~0").replace('/', "~1")), found);
        }),
        Value::Array(list) => {
            list.iter().enumerate().for_each(|(n, value)| places(value, &format!("{at}/{n}"), found));
        }
        _ => {}
    }
}

/// A spec with every field that the examples lack.
fn rich() -> Value {
    with(&json!({
        "version": "1.1",
        "swapLimit": 83_886_080,
        "cpu": {"shares": 50, "cores": "0-1"},
        "gpu": {"enable": true, "memLimit": 1},
        "vpu": {"enable": true},
        "dbus": {"system": "system", "session": "ai-public"},
        "rtPriority": {"default": 1, "limit": 2},
        "restartOnCrash": true,
        "network": "nat",
        "console": {"path": "/l", "limit": 1},
        "etc": {"hosts": ["a"]},
        "mounts": [{"source": "/i", "destination": "/d", "type": "loop", "fstype": "ext4", "options": ["ro", "x"]}],
        "rdkPlugins": {
            "networking": {"required": true, "data": {"portForwarding": {"hostToContainer": [{"port": 1}]}}},
            "minidump": {"data": {"paths": [{"image": "/i", "containerSource": "/c", "hostDestination": "/h"}]}},
            "storage": {"dependsOn": ["x"], "data": {"dynamic": [{"source": "/", "destination": "/", "flags": 1}]}}
        }
    }))
}

#[test]
fn every_value_may_be_anything() {
    let examples = examples("accepted");
    let specs = examples.iter().map(|example| Input::File(example.path("spec.json")).read().unwrap());
    let others = [
        json!(null),
        json!(true),
        json!(0),
        json!(-1),
        json!(1.5),
        json!(1e300),
        json!(u64::MAX),
        json!(""),
        json!("x"),
        json!("\u{0}"),
        json!([]),
        json!([null]),
        json!({}),
        json!({"x": []}),
    ];
    let (mut converted, mut refused) = (0, 0);
    for spec in specs.chain([rich()]) {
        let mut all = Vec::new();
        places(&spec, "", &mut all);
        for (place, other) in all.iter().flat_map(|place| others.iter().map(move |other| (place, other))) {
            let mut spec = spec.clone();
            *spec.pointer_mut(place).unwrap() = other.clone();
            match convert(&spec, &host()) {
                Ok(conversion) => {
                    converted += 1;
                    assert!(conversion.config["process"]["args"][0].is_string(), "{spec}");
                    assert!(conversion.config["linux"]["resources"]["memory"]["limit"].is_u64(), "{spec}");
                }
                Err(error) => {
                    refused += 1;
                    assert_eq!(error.kind(), ErrorKind::Input, "{spec}");
                    let source = std::error::Error::source(&error);
                    let problems = source.and_then(|source| source.downcast_ref::<Problems>());
                    assert!(problems.is_some_and(|problems| !problems.list.is_empty()), "{spec}");
                }
            }
        }
    }
    assert!(converted > 300 && refused > 3000, "{converted} converted, {refused} refused");
}
