//! Every field, with values that are refused, and what is said of them.

use std::error::Error;

use oci_minidump::dobby::{Problems, convert};
use serde_json::{Value, json};

use crate::specs::{host, minimal, refusal, with};

fn check(cases: &[(Value, &str)]) {
    for (fields, expected) in cases {
        let report = refusal(&with(fields));
        assert!(report.contains(expected), "{fields}: {report}");
    }
}

#[test]
fn mandatory_fields() {
    for field in ["version", "args", "user", "memLimit"] {
        let mut spec = minimal();
        spec.as_object_mut().unwrap().remove(field);
        assert_eq!(refusal(&spec), format!("the Dobby spec is refused: {field}: is missing"));
    }
}

#[test]
fn null_only_where_it_means_something() {
    let fields = [
        "version",
        "args",
        "user",
        "memLimit",
        "swapLimit",
        "env",
        "cwd",
        "etc",
        "mounts",
        "rtPriority",
        "devices",
        "capabilities",
        "seccomp",
        "plugins",
    ];
    for field in fields {
        let report = refusal(&with(&json!({field: null})));
        assert!(report.contains(&format!("refused: {field}: null is not ")), "{report}");
    }
}

#[test]
fn wrong_types() {
    let fields = [
        "version",
        "args",
        "user",
        "memLimit",
        "swapLimit",
        "env",
        "cwd",
        "userNs",
        "network",
        "console",
        "etc",
        "mounts",
        "restartOnCrash",
        "rtPriority",
        "cpu",
        "gpu",
        "vpu",
        "syslog",
        "dbus",
        "devices",
        "capabilities",
        "seccomp",
        "plugins",
        "rdkPlugins",
    ];
    for field in fields {
        for value in [json!("x"), json!(1.5), json!([[1]]), json!({"a": 1})] {
            let fits = match field {
                "cwd" => value.is_string(),
                "user" | "console" | "etc" | "cpu" | "gpu" | "vpu" | "dbus" | "seccomp" | "rdkPlugins" => {
                    value.is_object()
                }
                _ => false,
            };
            if !fits {
                let error = convert(&with(&json!({field: value})), &host()).unwrap_err();
                let cause = error.source().and_then(|cause| cause.downcast_ref::<Problems>()).unwrap();
                assert_eq!(cause.list.len(), 1, "{field} {value}: {cause}");
                assert!(cause.list[0].field.starts_with(field), "{field} {value}: {cause}");
            }
        }
    }
}

#[test]
fn process_and_resources() {
    check(&[
        (json!({"args": []}), "args: [] has no program"),
        (json!({"args": ["a\u{0}b"]}), "args[0]: \"a\\u0000b\" contains a NUL character"),
        (json!({"user": {"uid": 65535, "gid": 1}}), "user.uid: 65535 is out of range 1..65534"),
        (json!({"user": {"uid": 1, "gid": 65535}}), "user.gid: 65535 is out of range 0..65534"),
        (json!({"user": {"uid": 1, "gid": -1}}), "user.gid: -1 is out of range"),
        (json!({"user": {"uid": "1", "gid": 1}}), "user.uid: \"1\" is not a whole number"),
        (json!({"user": {}}), "user.uid: is missing; user.gid: is missing"),
        (json!({"memLimit": 4_294_967_296_u64}), "memLimit: 4294967296 is out of range 0..4294967295"),
        (json!({"memLimit": 1e300}), "memLimit: 1e+300 is out of range"),
        (json!({"swapLimit": 41_943_039}), "swapLimit: 41943039 is below memLimit, 41943040"),
        (json!({"swapLimit": -1}), "swapLimit: -1 is out of range"),
        (json!({"swapLimit": 4_294_967_296_u64}), "swapLimit: 4294967296 is out of range"),
        (json!({"cwd": "/\u{0}"}), "cwd: \"/\\u0000\" contains a NUL character"),
        (json!({"userNs": 0}), "userNs: 0 is not true or false"),
        (json!({"restartOnCrash": "no"}), "restartOnCrash: \"no\" is not true or false"),
        (json!({"cpu": {"shares": 0}}), "cpu.shares: 0 is out of range 1..100"),
        (json!({"cpu": {"shares": 50.5}}), "cpu.shares: 50.5 is not a whole number"),
        (json!({"cpu": {"cores": "a"}}), "cpu.cores: \"a\" is not a list like \"0-1,3\" of processors 0..7"),
        (json!({"cpu": {"cores": "8"}}), "cpu.cores: \"8\" is not a list"),
        (json!({"cpu": {"cores": "1-0"}}), "cpu.cores: \"1-0\" is not a list"),
        (json!({"cpu": {"cores": "0, 1"}}), "cpu.cores: \"0, 1\" is not a list"),
        (json!({"rtPriority": {"default": 1}}), "rtPriority: {\"default\":1} is not a whole number"),
        (json!({"rtPriority": 2_147_483_648_u32}), "rtPriority: 2147483648 is out of range"),
        (json!({"version": "1.1", "rtPriority": 1}), "rtPriority: 1 is not an object"),
        (json!({"version": "1.1", "rtPriority": {"limit": "1"}}), "rtPriority.limit: \"1\" is not a whole"),
    ]);
}

#[test]
fn files_mounts_and_devices() {
    let mount = |key: &str, value: Value| {
        let mut mount = json!({"source": "/a", "destination": "/b", "type": "bind"});
        mount[key] = value;
        json!({"mounts": [mount]})
    };
    let image = |key: &str, value: Value| {
        let mut mount = json!({"source": "/a", "destination": "/b", "type": "loop", "fstype": "ext4"});
        mount[key] = value;
        json!({"mounts": [mount]})
    };
    let device = |major: Value, minor: Value, access: Value| json!({"devices": [{"major": major, "minor": minor, "access": access}]});
    let long = format!("/{}", "a".repeat(4096));
    check(&[
        (json!({"console": {"path": 1}}), "console.path: 1 is not a string"),
        (json!({"console": {"limit": 2_147_483_648_u32}}), "console.limit: 2147483648 is out of range"),
        (json!({"console": {"limit": "1"}}), "console.limit: \"1\" is not a whole number"),
        (json!({"etc": {"hosts": null}}), "etc.hosts: null is not an array"),
        (json!({"etc": {"ld-preload": [1]}}), "etc.ld-preload[0]: 1 is not a string"),
        (json!({"mounts": [1]}), "mounts[0]: 1 is not an object"),
        (json!({"mounts": [{}]}), "mounts[0].destination: is missing; mounts[0].type: is missing"),
        (mount("source", json!(null)), "mounts[0].source: null is not a string"),
        (mount("options", json!("ro")), "mounts[0].options: \"ro\" is not an array"),
        (mount("options", json!([1])), "mounts[0].options[0]: 1 is not a string"),
        (mount("destination", json!("")), "mounts[0].destination: \"\" is empty"),
        (mount("destination", json!("/a/..")), "mounts[0].destination: \"/a/..\" contains '..'"),
        (mount("destination", json!(long)), "is longer than 4095 bytes"),
        (
            mount("destination", json!("/etc/hosts/x")),
            "mounts[].destination: \"/etc/hosts/x\" lies below the file /etc/hosts",
        ),
        (image("fstype", json!(null)), "mounts[0].fstype: null is not a string"),
        (image("options", json!({})), "mounts[0].options: {} is not an array"),
        (image("destination", json!("/a..b")), "mounts[0].destination: \"/a..b\" contains '..'"),
        (device(json!(0), json!(64), json!("r")), "devices[0].major: 0 is out of range 1..1024"),
        (device(json!(1025), json!(64), json!("r")), "devices[0].major: 1025 is out of range 1..1024"),
        (device(json!(13), json!(1025), json!("r")), "devices[0].minor: 1025 is out of range 0..1024"),
        (device(json!(13), json!(63), json!("r")), "\"access\":\"r\"} is not allowed: only hidraw"),
        (device(json!(13), json!(96), json!("r")), "is not allowed"),
        (device(json!(245), json!(100), json!("r")), "is not allowed"),
        (
            device(json!("nosuch"), json!(1), json!("r")),
            "devices[0].major: \"nosuch\" is not a character device",
        ),
        (device(json!(null), json!(1), json!("r")), "devices[0].major: null is neither a whole number nor"),
        (device(json!(13), json!(64), json!("")), "devices[0].access: \"\" is not one of r, w, rw"),
        (json!({"devices": [{}]}), "devices[0].access: is missing; devices[0].major: is missing"),
    ]);
}

#[test]
fn security_and_buses() {
    let seccomp = |default: &str, action: &str, names: Value| json!({"seccomp": {"defaultAction": default, "syscalls": {"action": action, "names": names}}});
    let (allow, errno) = ("SCMP_ACT_ALLOW", "SCMP_ACT_ERRNO");
    check(&[
        (json!({"capabilities": [1]}), "capabilities[0]: 1 is not a string"),
        (json!({"capabilities": ["cap_net_raw"]}), "capabilities[0]: \"cap_net_raw\" is not one of"),
        (json!({"seccomp": {}}), "seccomp.defaultAction: is missing; seccomp.syscalls: is missing"),
        (
            json!({"seccomp": {"defaultAction": allow, "syscalls": []}}),
            "seccomp.syscalls: [] is not an object",
        ),
        (
            seccomp(allow, "SCMP_ACT_LOG", json!(["a"])),
            "seccomp.syscalls.action: \"SCMP_ACT_LOG\" is not one of",
        ),
        (seccomp(allow, errno, json!([])), "seccomp.syscalls.names: [] names no system call"),
        (seccomp(allow, errno, json!(["a", 1])), "seccomp.syscalls.names[1]: 1 is not a string"),
        (seccomp(allow, errno, json!("a")), "seccomp.syscalls.names: \"a\" is not an array"),
        (
            json!({"dbus": {"system": "session"}}),
            "dbus.system: \"session\" is not one of system, ai-public, ai-private",
        ),
        (json!({"dbus": {"session": 1}}), "dbus.session: 1 is not a string"),
        (json!({"network": "bridge"}), "network: \"bridge\" is not one of nat, open, private"),
        (json!({"gpu": {"enable": 1}}), "gpu.enable: 1 is not true or false"),
        (json!({"gpu": {"memLimit": -1}}), "gpu.memLimit: -1 is out of range 0..4294967295"),
        (json!({"vpu": {"enable": "true"}}), "vpu.enable: \"true\" is not true or false"),
    ]);
}

#[test]
fn plugins() {
    let data = |name: &str, data: Value| json!({"rdkPlugins": {name: {"data": data}}});
    check(&[
        (json!({"plugins": [{}]}), "plugins[0].name: is missing"),
        (json!({"plugins": [{"name": 1}]}), "plugins[0].name: 1 is not a string"),
        (
            json!({"rdkPlugins": {"minidump": {"required": true}}}),
            "rdkPlugins.minidump.data: null has neither destinationPath nor paths",
        ),
        (json!({"rdkPlugins": {"x": {"required": 1}}}), "rdkPlugins.x.required: 1 is not true or false"),
        (json!({"rdkPlugins": {"x": {"dependsOn": "y"}}}), "rdkPlugins.x.dependsOn: \"y\" is not an array"),
        (data("minidump", json!({"destinationPath": 1})), "data.destinationPath: 1 is not a string"),
        (data("minidump", json!({"paths": [{}]})), "data.paths[0].image: is missing"),
        (data("logging", json!({})), "rdkPlugins.logging.data.sink: is missing"),
        (
            data("logging", json!({"sink": "printer"})),
            "data.sink: \"printer\" is not one of file, journald, devnull",
        ),
        (
            data("logging", json!({"sink": "file", "fileOptions": {"limit": 1}})),
            "fileOptions.path: is missing",
        ),
        (data("networking", json!({"dnsmasq": 1})), "networking.data.dnsmasq: 1 is not true or false"),
        (
            data("networking", json!({"type": "bridge"})),
            "networking.data.type: \"bridge\" is not one of nat, open, none",
        ),
        (
            data("networking", json!({"portForwarding": {"hostToContainer": [{"port": 65536}]}})),
            "portForwarding.hostToContainer[0].port: 65536 is out of range 0..65535",
        ),
        (
            data("networking", json!({"interContainer": [{"direction": "up", "port": 1}]})),
            "\"up\" is not one of in, out",
        ),
        (data("storage", json!({"loopback": [{}]})), "storage.data.loopback[0].source: is missing"),
        (
            data("storage", json!({"dynamic": [{"source": "/", "destination": "/", "flags": -1}]})),
            "storage.data.dynamic[0].flags: -1 is out of range",
        ),
        (data("oomcrash", json!({})), "rdkPlugins.oomcrash.data.path: is missing"),
        (data("ionmemory", json!({"heaps": [{"name": "a"}]})), "heaps[0].limit: is missing"),
        (
            data("rtscheduling", json!({"rtlimit": "1"})),
            "rtscheduling.data.rtlimit: \"1\" is not a whole number",
        ),
        (data("httpproxy", json!({"ignoreProxy": [1]})), "httpproxy.data.ignoreProxy[0]: 1 is not a string"),
    ]);
}

#[test]
fn all_mistakes_are_told_together() {
    let spec = json!({"version": "3", "user": {"uid": 0}, "memLimit": "x", "cpu": {"shares": 101}, "network": 1,
        "rdkPlugins": {"oomcrash": {}}});
    assert_eq!(
        refusal(&spec),
        "the Dobby spec is refused: version: \"3\" is not one of 1.0, 1.1; memLimit: \"x\" is not a whole number; \
         args: is missing; user.uid: 0 is out of range 1..65534; user.gid: is missing; network: 1 is not a string; \
         cpu.shares: 101 is out of range 1..100; rdkPlugins.oomcrash.data: is missing"
    );
    let many = with(&json!({"env": vec![1; 100_000]}));
    assert!(refusal(&many).len() < 4000);
}
