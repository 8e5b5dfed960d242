//! Specifications and bundles in the shapes that RDK's programs write, each with what must become of it.

use oci_minidump::dobby::convert;
use oci_minidump::dobby::runtime::{OutputTarget, RuntimeExtras};
use serde_json::{Value, json};

use crate::specs::{host, with};

/// What must become of one.
enum Outcome {
    /// It is accepted without a word.
    Clean,
    /// It is accepted; the warnings, in their order, contain these texts.
    Warned(&'static [&'static str]),
    /// It is refused; the reason contains this text.
    Refused(&'static str),
}

use Outcome::{Clean, Refused, Warned};

/// Who writes it, what is in it, and what must become of it.
type Case = (&'static str, Value, Outcome);

fn rdk_plugins(plugins: &Value) -> Value {
    json!({"rdkPlugins": plugins})
}

/// As RDK's RuntimeManager writes it for an app with a display and protected video.
fn runtime_manager() -> Value {
    json!({
        "version": "1.0",
        "cwd": "/",
        "args": ["/usr/bin/DobbyInit", "/usr/bin/app"],
        "env": ["XDG_RUNTIME_DIR=/tmp", "WAYLAND_DISPLAY=westeros", "HOME=/home/private"],
        "user": {"uid": 30_490, "gid": 30_000},
        "userNs": true,
        "memLimit": 536_870_912,
        "network": "nat",
        "console": {"path": "/tmp/container.log", "limit": 65_536},
        "dbus": {"system": "system"},
        "etc": {
            "group": ["dobbyapp:x:30000:"],
            "hosts": ["127.0.0.1 localhost"],
            "services": ["https 443/tcp"],
            "ld-preload": ["/usr/lib/libwesteros_gl.so.0"],
        },
        "gpu": {"enable": true, "memLimit": 67_108_864},
        "vpu": {"enable": true},
        "mounts": [
            {"source": "/opt/persistent/app", "destination": "/home/private", "type": "bind",
                "options": ["rbind", "rw", "nosuid", "nodev", "noexec"]},
            {"source": "/tmp/app", "destination": "/tmp", "type": "bind", "options": ["bind", "rw"]},
        ],
        "plugins": [
            {"name": "OpenCDM", "data": {}},
            {"name": "EthanLog", "data": {"loglevels": "default", "tag": "app"}},
        ],
        "restartOnCrash": false,
        "rdkPlugins": {"networking": {"required": true, "data": {"type": "nat", "dnsmasq": false, "ipv4": true}}},
    })
}

fn specs() -> Vec<Case> {
    let logging = |data: Value| rdk_plugins(&json!({"logging": {"required": true, "data": data}}));
    let dynamic = json!({"source": "/opt/x", "destination": "/x", "options": ["ro"]});
    let mount = |destination: &str| json!({"mounts": [{"source": "/a", "destination": destination, "type": "bind", "options": ["bind"]}]});
    vec![
        (
            "RuntimeManager: no drivers named on this host",
            runtime_manager(),
            Warned(&["gpu: this host has no", "vpu: this host has no"]),
        ),
        ("RuntimeManager: EthanLog alone", json!({"plugins": [{"name": "EthanLog"}]}), Clean),
        ("a plugin of the oldest kind", json!({"plugins": [{"name": "Unheard", "data": 1}]}), Clean),
        (
            "ralf: a file without a limit",
            logging(json!({"sink": "file", "fileOptions": {"path": "/l"}})),
            Clean,
        ),
        (
            "BundleGen: a file with limit null",
            logging(json!({"sink": "file", "fileOptions": {"path": "/l", "limit": null}})),
            Clean,
        ),
        ("a file without a file", logging(json!({"sink": "file"})), Warned(&["the output is discarded"])),
        (
            "BundleGen: dnsmasq and ipv4 as text",
            rdk_plugins(&json!({"networking": {"data": {"type": "nat", "dnsmasq": "true", "ipv4": "true"}}})),
            Warned(&["ipv4: \"true\" is a text and has no effect", "dnsmasq: \"true\" is a text"]),
        ),
        ("storage without flags", rdk_plugins(&json!({"storage": {"data": {"dynamic": [dynamic]}}})), Clean),
        ("a required gpu", rdk_plugins(&json!({"gpu": {"required": true, "data": {"memory": 1}}})), Clean),
        ("data of any kind", rdk_plugins(&json!({"unheard": {"data": ["a", 1]}})), Clean),
        ("data that is a number", rdk_plugins(&json!({"unheard": {"required": false, "data": 7}})), Clean),
        ("minidump without data", rdk_plugins(&json!({"minidump": {}})), Warned(&["has no effect"])),
        (
            "minidump with nothing in it",
            rdk_plugins(&json!({"minidump": {"data": {}}})),
            Warned(&["has no effect"]),
        ),
        (
            "a required minidump with nothing in it",
            rdk_plugins(&json!({"minidump": {"required": true, "data": {}}})),
            Refused("has neither destinationPath nor paths"),
        ),
        (
            "the generator: minidump",
            rdk_plugins(&json!({"minidump": {"data": {"destinationPath": "/opt/minidumps"}}})),
            Clean,
        ),
        (
            "the older form: minidump",
            rdk_plugins(&json!({"minidump": {"data": {"paths": [
                {"image": "/i", "containerSource": "/c", "hostDestination": "/h"}]}}})),
            Clean,
        ),
        ("a mount on the root", mount("/"), Refused("is the root of the container")),
        ("a mount on the root, in disguise", mount("//./"), Refused("is the root of the container")),
        ("a relative mount", mount("."), Refused("is the root of the container")),
        ("a mount with dots in its name", mount("/..a/.b"), Clean),
        ("known data of the wrong kind", logging(json!([])), Refused("is not an object")),
        (
            "a limit that is text",
            logging(json!({"sink": "file", "fileOptions": {"path": "/l", "limit": "1"}})),
            Refused("limit: \"1\" is not a whole number"),
        ),
    ]
}

/// The outcome of a configuration, held against what is expected.
fn compare(name: &str, result: Result<Vec<String>, String>, expected: &Outcome) {
    match (result, expected) {
        (Ok(warnings), Clean) => assert_eq!(warnings, [""; 0], "{name}"),
        (Ok(warnings), Warned(texts)) => {
            assert_eq!(warnings.len(), texts.len(), "{name}: {warnings:?}");
            for (warning, text) in warnings.iter().zip(*texts) {
                assert!(warning.contains(text), "{name}: {warnings:?}");
            }
        }
        (Err(report), Refused(text)) => assert!(report.contains(text), "{name}: {report}"),
        (Ok(warnings), Refused(text)) => panic!("{name} is accepted ({warnings:?}), not refused: {text}"),
        (Err(report), _) => panic!("{name} is refused: {report}"),
    }
}

#[test]
fn specifications() {
    for (name, fields, expected) in specs() {
        let result = convert(&with(&fields), &host());
        compare(name, result.map(|done| done.warnings).map_err(|error| error.report()), &expected);
    }
}

/// What a bundle says in `rdkPlugins` has the same outcome as in a specification.
#[test]
fn bundles() {
    for (name, fields, expected) in specs() {
        let Some(plugins) = fields.get("rdkPlugins").filter(|_| fields.as_object().unwrap().len() == 1)
        else {
            continue;
        };
        let result = RuntimeExtras::of_config(&json!({"rdkPlugins": plugins}));
        compare(name, result.map(|done| done.warnings).map_err(|error| error.report()), &expected);
    }
}

#[test]
fn what_is_left_out_means_what_it_means_to_dobby() {
    let output = |data: Value| {
        RuntimeExtras::of_config(&rdk_plugins(&json!({"logging": {"data": data}}))).unwrap().output
    };
    let file = |limit| OutputTarget::File { path: "/l".into(), limit };
    assert_eq!(output(json!({"sink": "file", "fileOptions": {"path": "/l"}})), file(None));
    assert_eq!(output(json!({"sink": "file", "fileOptions": {"path": "/l", "limit": 5}})), file(Some(5)));
    assert_eq!(output(json!({"sink": "file"})), OutputTarget::Discard);
}
