//! What the configuration of an app's own bundle may ask for. All that is not listed is refused: it may have been written
//! by the app itself.

use serde_json::{Map, Value};

use crate::control::bundle::launcher::is_launcher;
use crate::control::bundle::owned::refused::{Owner, Refused, Ruling, array, is_empty, object};
use crate::control::bundle::owned::{linux, mounts, plugins, process};
use crate::control::settings::BundleOwners;

/// Annotations that change nothing about how the container is run by the runtime. Those of crun name files that root
/// writes.
const ANNOTATIONS: [&str; 3] = ["org.rdk.", "org.opencontainers.image.", "fireboltState"];
/// Those that Dobby writes beside its hooks: the streams of whatever opens them.
const STREAMS: [(&str, &str); 2] =
    [("run.oci.hooks.stderr", "/dev/stderr"), ("run.oci.hooks.stdout", "/dev/stdout")];
/// Members that ask for nothing, or are looked at elsewhere.
const PLAIN: [&str; 4] = ["ociVersion", "hostname", "domainname", "root"];

/// Checks a configuration that `owner` may have written.
pub(super) fn check(config: &Value, owner: Owner, owners: &BundleOwners) -> Ruling {
    let config = config.as_object().ok_or_else(|| Refused::new("its configuration is not an object"))?;
    for (key, value) in config {
        match key.as_str() {
            key if PLAIN.contains(&key) => {}
            "process" => process::check(object(key, value)?)?,
            "linux" => linux::check(object(key, value)?, owner, owners)?,
            "mounts" => mounts::check(array(key, value)?, owner, owners)?,
            "hooks" => hooks(object(key, value)?)?,
            "annotations" => annotations(object(key, value)?)?,
            "rdkPlugins" => plugins::check(object(key, value)?, config, owner, owners)?,
            "legacyPlugins" => plugins::check_legacy(object(key, value)?, owners)?,
            _ if is_empty(value) => {}
            _ => return Err(Refused::new(format!("{key} is for root's bundles only"))),
        }
    }
    // What is missing is as telling: without these the container is not held apart from the host.
    if !config.contains_key("linux") {
        return Err(Refused::new("it asks for no namespaces"));
    }
    Ok(())
}

fn hooks(hooks: &Map<String, Value>) -> Ruling {
    for (stage, list) in hooks {
        if array(stage, list)?.iter().any(|hook| !is_launcher(hook)) {
            return Err(Refused::new(format!("it has a {stage} hook, which root would run")));
        }
    }
    Ok(())
}

fn annotations(annotations: &Map<String, Value>) -> Ruling {
    let is_known = |(key, value): &(&String, &Value)| {
        ANNOTATIONS.iter().any(|known| key.starts_with(known))
            || STREAMS.iter().any(|(name, stream)| *key == name && *value == stream)
    };
    match annotations.iter().find(|annotation| !is_known(annotation)) {
        None => Ok(()),
        Some((key, _)) => {
            Err(Refused::new(format!("the annotation {key:?} may change how the runtime runs it")))
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::control::settings::BundleOwner;
    use serde_json::json;

    fn owners() -> BundleOwners {
        BundleOwners {
            owners: vec!["30001".parse().unwrap()],
            groups: vec!["30000".parse().unwrap()],
            mounts: vec!["/usr/share".into()],
            logs: vec!["/usr/lib".into(), "/tmp".into()],
            plugins: ["storage", "oomcrash", "ipc", "gpu", "logging", "localtime", "minidump"]
                .map(str::to_owned)
                .into(),
        }
    }

    /// What an app's bundle looks like.
    fn config() -> Value {
        let namespaces = ["user", "pid", "mount", "network", "ipc", "uts", "cgroup"];
        json!({
            "ociVersion": "1.0.2",
            "root": {"path": "rootfs", "readonly": true},
            "hostname": "app",
            "process": {
                "user": {"uid": 0, "gid": 0}, "args": ["/app"], "env": ["A=b"], "cwd": "/", "noNewPrivileges": true,
                "capabilities": {"bounding": ["CAP_CHOWN"], "effective": []},
                "rlimits": [{"type": "RLIMIT_NOFILE", "hard": 8, "soft": 8}], "oomScoreAdj": 100,
                "apparmorProfile": ""
            },
            "mounts": [
                {"destination": "/proc", "type": "proc", "source": "proc", "options": ["nosuid"]},
                {"destination": "/dev", "type": "tmpfs", "source": "tmpfs", "options": ["size=65536k", "mode=755"]},
                {"destination": "/sys", "type": "sysfs", "source": "sysfs", "options": ["ro"]},
                {"destination": "/usr/share/zoneinfo", "type": "bind", "source": "/usr/share/zoneinfo",
                    "options": ["rbind", "ro", "nosuid", "nodev"]}
            ],
            "hooks": {"createRuntime": [{"path": "/usr/bin/DobbyPluginLauncher", "args": ["x"]}]},
            "annotations": {"org.rdk.minidump": "/opt/minidumps", "run.oci.hooks.stderr": "/dev/stderr"},
            "rdkPlugins": {
                "logging": {"required": false, "data": {"sink": "devnull"}},
                "minidump": {"data": {"destinationPath": "/var/lib/oci-minidump/dumps"}},
                "localtime": {"required": true, "data": null},
                "networking": {"required": true, "data": {"type": "none"}},
                "storage": {"data": {"dynamic": [{"source": "/usr/share/zoneinfo", "destination": "/z"}]}},
                "oomcrash": {"data": {"path": "/usr/share/zoneinfo"}},
                "ipc": {"data": {"system": "system"}},
                "gpu": {"data": {"memory": 1}}
            },
            "legacyPlugins": {"EthanLog": {"data": {}}},
            "x-vendor": {},
            "linux": {
                "namespaces": namespaces.map(|kind| json!({"type": kind})),
                "uidMappings": [{"containerID": 0, "hostID": 30_001, "size": 1}],
                "gidMappings": [{"containerID": 0, "hostID": 30_001, "size": 1},
                    {"containerID": 1, "hostID": 30_000, "size": 1}],
                "resources": {
                    "devices": [{"allow": false, "access": "rwm"},
                        {"allow": true, "type": "c", "major": 1, "minor": 3, "access": "rwm"}],
                    "memory": {"limit": 10_000_000}, "pids": {"limit": 10}, "cpu": {"shares": 100}
                },
                "seccomp": {"defaultAction": "SCMP_ACT_ALLOW"},
                "maskedPaths": ["/proc/kcore"], "readonlyPaths": ["/proc/sys"], "rootfsPropagation": "rslave"
            }
        })
    }

    const OWNER: Owner = Owner { uid: 30_001, gid: Some(30_001) };

    #[test]
    fn an_app_may_have_what_it_needs() {
        assert_eq!(check(&config(), OWNER, &owners()), Ok(()));
        let any = BundleOwners { owners: vec![BundleOwner::MappedRoot], ..owners() };
        assert_eq!(check(&config(), OWNER, &any), Ok(()));
    }

    #[test]
    fn what_only_root_may_ask_for_is_refused() {
        let cases: &[(&str, Value, &str)] = &[
            ("/hooks/poststop", json!([{"path": "/bin/sh"}]), "a poststop hook"),
            ("/hooks/createRuntime/0/path", json!("/x/launcher"), "a createRuntime hook"),
            ("/annotations/run.oci.hooks.stdout", json!("/etc/passwd"), "run.oci.hooks.stdout"),
            ("/annotations/org.systemd.property.X", json!("1"), "org.systemd"),
            ("/annotations/run.oci.hooks.stderr", json!("/etc/passwd"), "run.oci.hooks.stderr"),
            ("/rdkPlugins/rtscheduling", json!({}), "rtscheduling"),
            ("/rdkPlugins/networking/data/type", json!("nat"), "networking"),
            (
                "/rdkPlugins/logging/data",
                json!({"sink": "file", "fileOptions": {"path": "/etc/cron.d/x"}}),
                "in no directory for logs",
            ),
            (
                "/rdkPlugins/logging/data",
                json!({"sink": "file", "fileOptions": {"path": "/usr/lib/../../etc/x"}}),
                "'..'",
            ),
            (
                "/rdkPlugins/logging/data",
                json!({"sink": "file", "fileOptions": {"path": "/tmp/x"}}),
                "others than root",
            ),
            (
                "/rdkPlugins/logging/data",
                json!({"sink": "file", "fileOptions": {"path": "/usr/lib"}}),
                "in no directory for logs",
            ),
            ("/rdkPlugins/logging/data", json!({"sink": "file", "fileOptions": "x"}), "absolute"),
            ("/rdkPlugins/localtime/data", json!({"setTZ": "/etc/shadow"}), "setTZ"),
            ("/rdkPlugins/localtime/data", json!({"path": "/root"}), "path"),
            ("/rdkPlugins/minidump/data", json!({"destinationPath": "/etc/cron.d"}), "/etc/cron.d"),
            ("/rdkPlugins/minidump/data/destinationPath", json!(["/etc"]), "destinationPath"),
            (
                "/rdkPlugins/minidump/data/paths",
                json!([{"image": "/etc/x.img", "containerSource": "/c", "hostDestination": "/var/lib/oci-minidump/dumps"}]),
                "/etc/x.img",
            ),
            ("/rdkPlugins/storage/data/loopback", json!([{"source": "/etc/passwd"}]), "loopback"),
            ("/rdkPlugins/storage/data/mountOwner", json!([{"source": "/etc/shadow"}]), "mountOwner"),
            ("/rdkPlugins/storage/data/dynamic/0/source", json!("/root"), "/root"),
            ("/rdkPlugins/storage/data/dynamic/0/options", json!(["idmap"]), "idmap"),
            ("/rdkPlugins/oomcrash/data/path", json!("/etc/cron.d"), "/etc/cron.d"),
            ("/rdkPlugins/ipc/data/debug", json!("/run/docker.sock"), "/run/docker.sock"),
            ("/legacyPlugins/OpenCDM", json!({}), "OpenCDM"),
            ("/vm", json!({"kernel": {}}), "vm"),
            ("/process/apparmorProfile", json!("unconfined"), "apparmorProfile"),
            ("/process/selinuxLabel", json!("x"), "selinuxLabel"),
            ("/process/scheduler", json!({"policy": "SCHED_FIFO"}), "scheduler"),
            ("/process/oomScoreAdj", json!(-1), "oomScoreAdj"),
            ("/process/capabilities/bounding", json!(["CAP_SYS_ADMIN"]), "CAP_SYS_ADMIN"),
            ("/process/rlimits/0", json!({"type": "RLIMIT_RTPRIO", "hard": 99, "soft": 99}), "RLIMIT_RTPRIO"),
            (
                "/process/rlimits/0",
                json!({"type": "RLIMIT_NPROC", "hard": u64::MAX, "soft": 1}),
                "RLIMIT_NPROC",
            ),
            ("/process/user/additionalGids", json!([6]), "additionalGids"),
            ("/linux/namespaces", json!([]), "user namespace"),
            ("/linux/namespaces/0", json!({"type": "uts"}), "user namespace"),
            ("/linux/namespaces/3", json!({"type": "uts"}), "network namespace"),
            ("/linux/namespaces/1", json!({"type": "pid", "path": "/proc/1/ns/pid"}), "pid namespace"),
            ("/linux/uidMappings", json!([]), "uidMappings"),
            ("/linux/uidMappings/0/hostID", json!(0), "user 0"),
            ("/linux/uidMappings/0/hostID", json!(-1), "uidMappings"),
            ("/linux/uidMappings/0/size", json!(10), "user 30002"),
            ("/linux/uidMappings/0/size", json!(u64::MAX), "uidMappings"),
            ("/linux/gidMappings/1/hostID", json!(6), "group 6"),
            ("/linux/gidMappings/0/size", json!(2), "group 30002"),
            ("/linux/devices", json!([{"path": "/dev/mem"}]), "devices"),
            ("/linux/cgroupsPath", json!("/system.slice"), "cgroupsPath"),
            ("/linux/sysctl", json!({"net.ipv4.ip_forward": "1"}), "sysctl"),
            ("/linux/mountLabel", json!("x"), "mountLabel"),
            ("/linux/rootfsPropagation", json!("shared"), "rootfsPropagation"),
            ("/linux/seccomp/listenerPath", json!("/run/x"), "listenerPath"),
            ("/linux/resources/unified", json!({"cgroup.procs": "1"}), "unified"),
            ("/linux/resources/devices/1/major", json!(8), "device"),
            ("/linux/resources/devices/0", json!({"allow": true, "access": "rwm"}), "device"),
            ("/linux/resources/cpu/realtimeRuntime", json!(900_000), "realtimeRuntime"),
            ("/linux/resources/pids/limit", json!(-1), "pids.limit"),
            ("/linux/resources/pids/limit", json!(0), "pids.limit"),
            ("/linux/resources/pids/limit", json!(4e6), "pids.limit"),
            ("/linux/intelRdt", json!({"closID": "x"}), "intelRdt"),
            ("/mounts/3/source", json!("/root"), "/root"),
            ("/mounts/3/source", json!("/usr/share/../../root"), "/usr/share/../../root"),
            ("/mounts/3/source", json!("relative"), "relative"),
            ("/mounts/3/source", json!("/usr/share2"), "/usr/share2"),
            ("/mounts/3/options/0", json!("idmap=x"), "idmap"),
            ("/mounts/0/type", json!("ext4"), "ext4"),
            ("/mounts/0/type", json!("overlay"), "overlay"),
            ("/mounts/0/options/0", json!("rbind"), "\"proc\""),
            ("/mounts/0/uidMappings", json!([]), "uidMappings"),
            ("/mounts", json!({}), "mounts"),
            ("/linux", json!(null), "user namespace"),
        ];
        for (pointer, value, named) in cases {
            let mut config = config();
            let (above, name) = pointer.rsplit_once('/').unwrap();
            match config.pointer_mut(above).unwrap() {
                Value::Object(members) => drop(members.insert((*name).to_owned(), value.clone())),
                Value::Array(items) => items[name.parse::<usize>().unwrap()] = value.clone(),
                other => panic!("{pointer}: {other}"),
            }
            let refused = check(&config, OWNER, &owners()).expect_err(pointer);
            assert!(refused.what.contains(named), "{pointer} {value}: {}", refused.what);
        }
    }

    #[test]
    fn the_mapped_root_must_be_the_owner() {
        let any = BundleOwners { owners: vec![BundleOwner::MappedRoot], ..owners() };
        let mut config = config();
        config["linux"]["uidMappings"][0]["containerID"] = json!(5);
        let refused = check(&config, OWNER, &any).unwrap_err();
        assert!(refused.what.contains("root"), "{}", refused.what);
        assert_eq!(check(&config, OWNER, &owners()), Ok(()));
    }
}
