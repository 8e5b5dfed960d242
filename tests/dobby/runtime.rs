//! What comes out for whoever starts the container.

use oci_minidump::dobby::RuntimeExtras;
use oci_minidump::dobby::runtime::{LoopMount, Network, OutputTarget, RealTime};
use serde_json::{Value, json};

use crate::specs::{converted, with};

fn runtime(fields: &Value) -> RuntimeExtras {
    converted(&with(fields)).runtime
}

#[test]
fn the_network_is_the_hosts_only_by_open() {
    let plugin = |kind: &str| json!({"networking": {"data": {"type": kind}}});
    let cases = [
        (json!({}), Network::Isolated, true),
        (json!({"network": null}), Network::Isolated, true),
        (json!({"network": "private"}), Network::Isolated, true),
        (json!({"network": "nat"}), Network::Nat, true),
        (json!({"network": "open"}), Network::Host, false),
        (json!({"rdkPlugins": plugin("nat")}), Network::Nat, true),
        (json!({"rdkPlugins": plugin("none")}), Network::Isolated, true),
        (json!({"rdkPlugins": plugin("open")}), Network::Isolated, true),
        (json!({"network": "open", "rdkPlugins": plugin("none")}), Network::Isolated, true),
        (json!({"network": "open", "rdkPlugins": plugin("nat")}), Network::Nat, true),
        (json!({"network": "nat", "rdkPlugins": plugin("open")}), Network::Host, false),
        (
            json!({"network": "nat", "rdkPlugins": {"networking": {"data": {"ipv6": true}}}}),
            Network::Nat,
            true,
        ),
    ];
    for (fields, network, own) in cases {
        let conversion = converted(&with(&fields));
        assert_eq!(conversion.runtime.network, network, "{fields}");
        let namespaces = conversion.config["linux"]["namespaces"].as_array().unwrap();
        assert_eq!(namespaces.contains(&json!({"type": "network"})), own, "{fields}");
    }
}

#[test]
fn the_output() {
    let file = |limit| OutputTarget::File { path: "/l".into(), limit };
    let journal = |priority: Option<&str>| OutputTarget::Journal { priority: priority.map(str::to_owned) };
    let logging = |data: Value| json!({"console": {"path": "/l", "limit": 9}, "rdkPlugins": {"logging": {"data": data}}});
    let cases = [
        (json!({}), OutputTarget::Unsaid),
        (json!({"console": null}), OutputTarget::Discard),
        (json!({"console": {"path": "/l"}}), file(None)),
        (json!({"console": {"path": "/l", "limit": -7}}), file(None)),
        (json!({"console": {"path": "/l", "limit": 0}}), file(Some(0))),
        (json!({"console": {"path": "/l", "limit": 65536}}), file(Some(65536))),
        (logging(json!({"sink": "devnull"})), OutputTarget::Discard),
        (logging(json!({"sink": "journald"})), journal(None)),
        (
            logging(json!({"sink": "journald", "journaldOptions": {"priority": "LOG_ERR"}})),
            journal(Some("LOG_ERR")),
        ),
        (logging(json!({"fileOptions": {"path": "/l", "limit": 5.0}})), file(Some(5))),
    ];
    for (fields, expected) in cases {
        assert_eq!(runtime(&fields).output, expected, "{fields}");
    }
}

#[test]
fn scheduling_and_restart() {
    let cases = [
        (json!({"rtPriority": 0}), 6, 6),
        (json!({"rtPriority": 5}), 5, 6),
        (json!({"rtPriority": -3}), 1, 6),
        (json!({"rtPriority": 1000}), 99, 6),
        (json!({"version": "1.1", "rtPriority": {"default": 7, "limit": 12}}), 7, 12),
        (json!({"version": "1.1", "rtPriority": {}}), 6, 6),
        (json!({"rdkPlugins": {"rtscheduling": {"data": {"rtlimit": 3}}}}), 6, 3),
    ];
    for (fields, priority, limit) in cases {
        assert_eq!(runtime(&fields).real_time, Some(RealTime { priority, limit }), "{fields}");
    }
    assert_eq!(runtime(&json!({})).real_time, None);
    for (value, expected) in [(json!(true), true), (json!(false), false), (json!(null), false)] {
        assert_eq!(runtime(&json!({"restartOnCrash": value})).restart_on_crash, expected);
    }
    assert!(!runtime(&json!({})).restart_on_crash);
}

#[test]
fn images_of_both_kinds() {
    let runtime = runtime(&json!({
        "mounts": [{"type": "loop", "source": "/i", "destination": "/d", "fstype": "ext4", "options": ["ro", "x"]}],
        "rdkPlugins": {"storage": {"required": true, "data": {"loopback": [
            {"source": "/j", "destination": "/e", "flags": 14},
            {"source": "/k", "destination": "/f", "flags": 0, "fstype": "xfs", "imgsize": 5, "persistent": false},
            {"source": "/l", "destination": "/g", "flags": 0, "fstype": "XFS", "options": ["y"]}
        ]}}}
    }));
    let image =
        |source: &str, destination: &str, fstype: &str, flags, options: &[&str], image_size| LoopMount {
            source: source.into(),
            destination: destination.into(),
            fstype: fstype.to_owned(),
            flags,
            options: options.iter().map(|option| (*option).to_owned()).collect(),
            persistent: true,
            image_size,
            managed: true,
        };
    let expected = [
        LoopMount { managed: false, ..image("/i", "/d", "ext4", 1, &["x"], 12_582_912) },
        image("/j", "/e", "ext4", 14, &[], 12_582_912),
        LoopMount { persistent: false, ..image("/k", "/f", "xfs", 0, &[], 5) },
        image("/l", "/g", "XFS", 0, &["y"], 16_777_216),
    ];
    assert_eq!(runtime.loop_mounts, expected);
    assert!(runtime.plugins["storage"].required);
}

#[test]
fn plugins_of_any_bundle() {
    let spec = json!({"plugins": [{"name": "EthanLog", "data": {"a": 1}}],
        "rdkPlugins": {"x": {"required": true, "dependsOn": ["y"], "data": {"z": 1}}}});
    let from_spec = runtime(&spec);
    assert_eq!(from_spec.legacy_plugins["EthanLog"], json!({"a": 1}));
    let x = &from_spec.plugins["x"];
    assert_eq!(
        (x.required, x.depends_on.as_slice(), &x.data),
        (true, &["y".to_owned()][..], &json!({"z": 1}))
    );

    let bundle = |namespaces: Value, plugins: Value| {
        RuntimeExtras::of_config(&json!({"linux": {"namespaces": namespaces}, "rdkPlugins": plugins}))
    };
    let minidump = json!({"minidump": {"data": {}}, "oomcrash": {"data": null}});
    let runtime = bundle(json!([{"type": "network"}]), minidump).unwrap();
    assert_eq!((runtime.network, runtime.plugins.len()), (Network::Isolated, 2));
    let warning = "rdkPlugins.minidump.data: {} has neither destinationPath nor paths, and has no effect";
    assert_eq!(runtime.warnings, [warning]);
    let report = bundle(json!([]), json!({"minidump": {"required": true}})).unwrap_err().report();
    assert!(report.contains("has neither destinationPath nor paths"), "{report}");
    assert_eq!(bundle(json!([]), json!(null)).unwrap().network, Network::Host);
    let nat = json!({"networking": {"data": {"type": "nat"}}});
    assert_eq!(bundle(json!([]), nat).unwrap().network, Network::Nat);
    let report = bundle(json!([]), json!({"logging": {"data": {"sink": 1}}})).unwrap_err().report();
    assert!(report.contains("rdkPlugins.logging.data.sink: 1 is not a string"), "{report}");
}
