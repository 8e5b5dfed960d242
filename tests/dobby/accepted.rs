//! Every field, with values that are taken, and what they become.

use serde_json::{Value, json};

use crate::specs::{converted, host, part, with};
use oci_minidump::dobby::convert;

/// Fields, a place in the configuration, and what must be there; null for nothing.
fn check(cases: &[(Value, &str, Value)]) {
    for (fields, pointer, expected) in cases {
        assert_eq!(part(fields, pointer), *expected, "{fields} at {pointer}");
    }
}

#[test]
fn the_process() {
    let env = |own: &[&str]| {
        let all = ["HOME=/home/private", "PATH=/usr/sbin:/usr/bin:/sbin:/bin"];
        json!([own, &all].concat())
    };
    check(&[
        (json!({"version": "1.1"}), "/process/args", json!(["sleep", "60"])),
        (json!({"args": [""]}), "/process/args", json!([""])),
        (json!({"env": []}), "/process/env", env(&[])),
        (json!({"env": ["A=1", "B", "HOME=/"]}), "/process/env", env(&["A=1", "B", "HOME=/"])),
        (json!({"cwd": "/home"}), "/process/cwd", json!("/home")),
        (json!({"cwd": ""}), "/process/cwd", json!("/")),
        (json!({"cwd": "home"}), "/process/cwd", json!("/home")),
        (json!({"unknown": {}}), "/process/cwd", json!("/")),
    ]);
}

#[test]
fn the_user() {
    let mapping = |outside: u32, size: u32| json!([{"hostID": outside, "containerID": 0, "size": size}]);
    let user = |uid: f64, gid: u32| json!({"user": {"uid": uid, "gid": gid, "other": 1}});
    let outside = json!({"user": {"uid": 5, "gid": 6}, "userNs": false});
    let null = json!({"user": {"uid": 5, "gid": 6}, "userNs": null});
    let as_user = json!({"uid": 5, "gid": 6, "additionalGids": []});
    check(&[
        (user(1.0, 0), "/linux/uidMappings", mapping(1, 1)),
        (user(1.0, 0), "/linux/gidMappings", mapping(0, 10)),
        (user(65534.0, 65534), "/linux/uidMappings", mapping(65534, 1)),
        (user(65534.0, 65534), "/linux/gidMappings", mapping(65534, 10)),
        (user(65534.0, 65534), "/process/user", json!({"uid": 0, "gid": 0, "additionalGids": []})),
        (json!({"userNs": true}), "/linux/namespaces/4", json!({"type": "user"})),
        (outside.clone(), "/process/user", as_user.clone()),
        (outside.clone(), "/linux/uidMappings", Value::Null),
        (outside, "/linux/namespaces/4", json!({"type": "mount"})),
        (null.clone(), "/process/user", as_user),
        (null, "/linux/gidMappings", Value::Null),
    ]);
}

#[test]
fn the_resources() {
    let memory = "/linux/resources/memory";
    let cpu = |key: &str| format!("/linux/resources/cpu/{key}");
    let shares = |shares: u32| json!({"cpu": {"shares": shares}});
    let cores = |cores: &str| json!({"cpu": {"cores": cores}});
    let mut cases = vec![
        (json!({"memLimit": 0}), memory, json!({"limit": 0, "swap": -1, "swappiness": 60})),
        (
            json!({"memLimit": 4_294_967_295_u32}),
            memory,
            json!({"limit": u32::MAX, "swap": -1, "swappiness": 60}),
        ),
        (json!({"memLimit": 41_943_040.0}), "/linux/resources/memory/limit", json!(41_943_040)),
        (json!({"swapLimit": 41_943_040}), "/linux/resources/memory/swap", json!(41_943_040)),
        (json!({"swapLimit": 4_294_967_295_u32}), "/linux/resources/memory/swap", json!(u32::MAX)),
    ];
    let real_time = json!({"realtimeRuntime": 1000, "realtimePeriod": 1_000_000});
    for nothing in [json!(null), json!({}), json!({"shares": null, "cores": null})] {
        cases.push((json!({"cpu": nothing}), "/linux/resources/cpu", real_time.clone()));
    }
    check(&cases);
    for (percent, expected) in [(1, 10), (33, 337), (50, 512), (100, 1024)] {
        assert_eq!(part(&shares(percent), &cpu("shares")), expected, "{percent}");
    }
    for (text, expected) in [
        ("0", json!("0")),
        ("1,0", json!("0,1")),
        ("0-7", json!("0,1")),
        ("2-7", json!(null)),
        ("", json!("0")),
    ] {
        assert_eq!(part(&cores(text), &cpu("cpus")), expected, "{text:?}");
    }
}

#[test]
fn the_cgroup_version_decides_what_can_be_written() {
    let mut modern = host();
    (modern.cgroup_v1, modern.rt_groups) = (false, false);
    let config = convert(&with(&json!({})), &modern).unwrap().config;
    assert_eq!(config["linux"]["resources"]["memory"], json!({"limit": 41_943_040, "swap": -1}));
    assert_eq!(config["linux"]["resources"]["cpu"], json!({}));
}

#[test]
fn security() {
    let seccomp = |default: &str| {
        json!({"seccomp": {"defaultAction": default,
            "syscalls": {"action": "SCMP_ACT_ALLOW", "names": ["read", "no_such_call"]}}})
    };
    let filter = json!({"defaultAction": "SCMP_ACT_ERRNO",
        "syscalls": [{"action": "SCMP_ACT_ALLOW", "names": ["read", "no_such_call"]}]});
    check(&[
        (json!({}), "/process/noNewPrivileges", json!(true)),
        (json!({"capabilities": []}), "/process/noNewPrivileges", json!(false)),
        (json!({"capabilities": ["CAP_NET_RAW"]}), "/process/capabilities/bounding/3", json!("CAP_NET_RAW")),
        (json!({"capabilities": ["CAP_NET_RAW"]}), "/process/capabilities/effective/3", Value::Null),
        (seccomp("SCMP_ACT_ERRNO"), "/linux/seccomp", filter),
        (seccomp("SCMP_ACT_ALLOW"), "/linux/seccomp/defaultAction", json!("SCMP_ACT_ALLOW")),
    ]);
}

#[test]
fn devices() {
    let device = |major: Value, minor: u32, access: &str| json!({"devices": [{"major": major, "minor": minor, "access": access}]});
    let allowed = |major: u32, minor: u32, access: &str| json!({"allow": true, "type": "c", "major": major, "minor": minor, "access": access});
    let rule = "/linux/resources/devices/1";
    check(&[
        (device(json!(13), 64, "r"), rule, allowed(13, 64, "r")),
        (device(json!(13.0), 95, "WR"), rule, allowed(13, 95, "wr")),
        (device(json!("input"), 70, "rw"), rule, allowed(13, 70, "rw")),
        (device(json!("hidraw"), 0, "w"), rule, allowed(245, 0, "w")),
        (device(json!(245), 99, "w"), rule, allowed(245, 99, "w")),
        (json!({"devices": []}), rule, Value::Null),
    ]);
}

#[test]
fn mounts() {
    let mount = |options: Value| json!({"mounts": [{"source": "/a", "destination": "/b", "type": "bind", "options": options, "x": 1}]});
    let written =
        |options: &[&str]| json!({"destination": "/b", "type": "bind", "source": "/a", "options": options});
    check(&[
        (mount(json!(["ro", "weird=\",\""])), "/mounts/11", written(&["ro", "weird=\",\""])),
        (mount(json!(null)), "/mounts/11", written(&[])),
        (mount(json!([])), "/mounts/12/destination", json!("/proc")),
        (json!({"syslog": true}), "/mounts/11/destination", json!("/dev/log")),
        (json!({"syslog": false}), "/mounts/11/destination", json!("/proc")),
        (json!({"syslog": null}), "/mounts/11/destination", json!("/proc")),
    ]);
}

#[test]
fn plugins_that_other_fields_stand_for() {
    let plugin = |data: Value| json!({"required": false, "dependsOn": [], "data": data});
    let loopback = json!({"mounts": [{"type": "loop", "fstype": "xfs", "source": "/i", "destination": "/d",
        "options": ["nosuid", "noatime", "data=ordered", "strictatime"]}]});
    let image = json!({"destination": "/d", "flags": 16_778_242, "fstype": "xfs", "imgmanagement": false,
        "options": ["data=ordered"], "source": "/i"});
    let logging = |limit: i64| plugin(json!({"sink": "file", "fileOptions": {"path": "/l", "limit": limit}}));
    let console = |console: Value| json!({"console": console});
    let discard = plugin(json!({"sink": "devnull"}));
    let at = |name: &str| format!("/rdkPlugins/{name}");
    let cases = [
        (
            json!({"network": "nat"}),
            "networking",
            plugin(json!({"type": "nat", "dnsmasq": true, "ipv4": true})),
        ),
        (json!({"network": "open"}), "networking", plugin(json!({"type": "open", "dnsmasq": true}))),
        (json!({"network": "private"}), "networking", plugin(json!({"type": "none"}))),
        (json!({"network": null}), "networking", Value::Null),
        (console(json!(null)), "logging", discard.clone()),
        (console(json!({})), "logging", discard.clone()),
        (console(json!({"path": null, "limit": 5})), "logging", discard),
        (console(json!({"path": "/l"})), "logging", logging(-1)),
        (console(json!({"path": "/l", "limit": null})), "logging", logging(-1)),
        (console(json!({"path": "/l", "limit": -2_147_483_648_i64})), "logging", logging(-1)),
        (console(json!({"path": "/l", "limit": 2_147_483_647})), "logging", logging(2_147_483_647)),
        (
            json!({"dbus": {"system": "system", "session": "ai-public", "debug": null}}),
            "ipc",
            plugin(json!({"system": "system", "session": "ai-public"})),
        ),
        (json!({"dbus": {"debug": "ai-private"}}), "ipc", plugin(json!({"debug": "ai-private"}))),
        (json!({"dbus": {}}), "ipc", Value::Null),
        (json!({"dbus": null}), "ipc", Value::Null),
        (json!({"rtPriority": 5}), "rtscheduling", plugin(json!({"rtdefault": 5, "rtlimit": 0}))),
        (
            json!({"version": "1.1", "rtPriority": {"default": 7, "limit": null}}),
            "rtscheduling",
            plugin(json!({"rtdefault": 7, "rtlimit": 0})),
        ),
        (
            json!({"version": "1.1", "rtPriority": {"limit": 9}}),
            "rtscheduling",
            plugin(json!({"rtdefault": 0, "rtlimit": 9})),
        ),
        (json!({"gpu": {"enable": true}}), "gpu", plugin(json!({"memory": 67_108_864}))),
        (json!({"gpu": {"enable": true, "memLimit": 1}}), "gpu", plugin(json!({"memory": 1}))),
        (json!({"gpu": {"enable": null}}), "gpu", Value::Null),
        (json!({"gpu": null, "vpu": null}), "gpu", Value::Null),
        (json!({"vpu": {"enable": true}}), "gpu", Value::Null),
        (loopback, "storage", plugin(json!({"loopback": [image]}))),
    ];
    for (fields, name, expected) in cases {
        assert_eq!(part(&fields, &at(name)), expected, "{fields}");
    }
}

#[test]
fn the_limit_of_real_time_priorities() {
    let limit = |priority: u32| json!({"type": "RLIMIT_RTPRIO", "hard": priority, "soft": priority});
    let scheduling = json!({"rtscheduling": {"data": {"rtlimit": 20}}});
    let at = "/process/rlimits/2";
    check(&[
        (json!({}), at, limit(0)),
        (json!({"rtPriority": 5}), at, limit(6)),
        (json!({"version": "1.1", "rtPriority": {"default": 5, "limit": 200}}), at, limit(99)),
        (json!({"rtPriority": 5, "rdkPlugins": scheduling}), at, limit(20)),
        (json!({"rdkPlugins": scheduling}), at, limit(0)),
    ]);
}

#[test]
fn rdk_plugins_go_over_what_other_fields_say() {
    let plugins = json!({
        "console": {"path": "/l"},
        "network": "private",
        "rdkPlugins": {
            "logging": {"required": true, "dependsOn": ["networking"], "data": {"sink": "journald"}},
            "networking": {"required": null, "data": {"ipv6": false, "multicastForwarding": [{"ip": "1", "port": 2}]}},
            "localtime": {},
            "gamepad": {"data": null},
            "x\" y": {"data": {"any": [null]}}
        }
    });
    let expected = json!({
        "gamepad": {"required": false, "dependsOn": [], "data": null},
        "localtime": {"required": false, "dependsOn": [], "data": null},
        "logging": {"required": true, "dependsOn": ["networking"],
            "data": {"fileOptions": {"limit": -1, "path": "/l"}, "sink": "journald"}},
        "networking": {"required": false, "dependsOn": [],
            "data": {"type": "none", "ipv6": false, "multicastForwarding": [{"ip": "1", "port": 2}]}},
        "x\" y": {"required": false, "dependsOn": [], "data": {"any": [null]}}
    });
    check(&[
        (plugins, "/rdkPlugins", expected),
        (json!({"rdkPlugins": null}), "/rdkPlugins", json!({})),
        (json!({"rdkPlugins": {}}), "/rdkPlugins", json!({})),
        (
            json!({"plugins": [{"name": "a", "data": 1}, {"name": "b"}]}),
            "/legacyPlugins",
            json!({"a": {"required": true, "data": 1}, "b": {"required": true, "data": null}}),
        ),
    ]);
}

#[test]
fn what_is_odd_is_accepted_with_a_warning() {
    let cases = [
        (json!({"unknown": 1}), "unknown: 1 is not a known field"),
        (json!({"memLimit": 1024}), "memLimit: 1024 bytes are hardly enough"),
        (json!({"env": ["A"]}), "env[0]: \"A\" has no '='"),
        (json!({"etc": {"motd": []}}), "etc.motd: [] is not a known field"),
        (json!({"cpu": {"cores": "7"}}), "cpu.cores: this host has none of the processors [7]"),
        (json!({"cpu": {"cores": ",1"}}), "cpu.cores: \",1\" has an empty part"),
        (json!({"gpu": {"enable": true}}), "gpu: this host has no device nodes"),
        (
            json!({"network": "nat", "rdkPlugins": {"networking": {"data": {"type": "open"}}}}),
            "\"open\" goes over network",
        ),
    ];
    for (fields, expected) in cases {
        let warnings = converted(&with(&fields)).warnings;
        assert!(warnings.len() == 1 && warnings[0].contains(expected), "{fields}: {warnings:?}");
    }
    assert_eq!(converted(&with(&json!({"network": null}))).warnings, [""; 0]);
}
