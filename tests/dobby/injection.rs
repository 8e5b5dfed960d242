//! Whatever a text of a spec contains, it stays that text.

use serde_json::{Value, json};

use crate::specs::{converted, minimal, refusal, with};

const EVIL: [&str; 6] = [
    "\"],\"hooks\":{\"prestart\":[{\"path\":\"/bin/sh\"}]},\"x\":[\"",
    "a\nb\r\tc",
    "\u{1}\u{1b}[2J\u{7f}\u{9b}",
    "\\\" \\u0000 \\",
    "\u{202e}\u{feff}é😀",
    "}}]]",
];

/// A configuration as it is written and read back, without the texts: its shape.
fn shape(value: &Value) -> Value {
    match value {
        Value::Object(map) => map.iter().map(|(key, value)| (key.clone(), shape(value))).collect(),
        Value::Array(list) => list.iter().map(shape).collect(),
        Value::String(_) => "text".into(),
        other => other.clone(),
    }
}

/// A spec with `text` wherever a text may be anything.
fn spec(text: &str) -> Value {
    with(&json!({
        "args": [text, text],
        "env": [text],
        "cwd": text,
        "mounts": [
            {"source": text, "destination": format!("/{text}"), "type": text, "options": [text, text]},
            {"source": text, "destination": "/loop", "type": "loop", "fstype": text, "options": [text]}
        ],
        "console": {"path": text},
        "seccomp": {"defaultAction": "SCMP_ACT_ALLOW", "syscalls": {"action": "SCMP_ACT_ERRNO", "names": [text]}},
        "etc": {"hosts": [text]},
        "plugins": [{"name": "legacy", "data": text}],
        "rdkPlugins": {"unknown": {"dependsOn": [text], "data": {"key": text}}}
    }))
}

#[test]
fn texts_never_change_the_shape_of_the_configuration() {
    let plain = converted(&spec("plain"));
    for text in EVIL {
        let conversion = converted(&spec(text));
        let written = serde_json::to_string_pretty(&conversion.config).unwrap();
        let read: Value = serde_json::from_str(&written).unwrap();
        assert_eq!(shape(&read), shape(&plain.config), "{text:?}");
        let at = |pointer: &str| read.pointer(pointer).and_then(Value::as_str).unwrap();
        for pointer in [
            "/process/args/0",
            "/process/env/0",
            "/mounts/11/type",
            "/mounts/11/options/1",
            "/linux/seccomp/syscalls/0/names/0",
            "/legacyPlugins/legacy/data",
            "/rdkPlugins/logging/data/fileOptions/path",
            "/rdkPlugins/storage/data/loopback/0/options/0",
            "/rdkPlugins/unknown/dependsOn/0",
        ] {
            assert_eq!(at(pointer), text, "{pointer}");
        }
        assert_eq!(at("/process/cwd"), format!("/{text}"));
    }
}

#[test]
fn names_of_plugins_are_data_too() {
    for text in EVIL {
        let fields = json!({"plugins": [{"name": text}], "rdkPlugins": {text: {"data": {text: 1}}}});
        let config = converted(&with(&fields)).config;
        assert_eq!(config["rdkPlugins"][text]["data"][text], 1);
        assert_eq!(config["legacyPlugins"][text]["required"], true);
        assert_eq!(config.as_object().unwrap().len(), 9, "{config}");
    }
}

#[test]
fn a_refusal_is_one_harmless_line() {
    for text in EVIL {
        let mut spec = minimal();
        spec["network"] = text.into();
        spec["rdkPlugins"] = json!({text: 1});
        let report = refusal(&spec);
        assert!(!report.chars().any(|c| c.is_control() || c == '\u{202e}'), "{report:?}");
    }
}
