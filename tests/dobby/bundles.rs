//! Networks, output and restarts of OCI bundles, which have them by `rdkPlugins` and annotations alone.

use std::fs;
use std::io::Read;
use std::os::unix::net::UnixListener;
use std::path::Path;

use nix::mount::{MsFlags, mount};
use serde_json::{Value, json};

use crate::daemon::{end, left, pid, world};
use crate::plugins::{WAYS, Way, bundle, gone, required, says};
use crate::specs::with;
use crate::support::daemon_world::{DaemonWorld, leave_the_hosts_mounts};
use crate::support::host::daemon_program;

fn network(kind: &str) -> Value {
    required("networking", &json!({"type": kind, "ipv4": true}))
}

/// The network namespace of a process.
fn namespace(pid: &str) -> std::path::PathBuf {
    fs::read_link(format!("/proc/{pid}/ns/net")).unwrap()
}

pub(crate) fn tmpfs(place: &str) {
    mount(Some("tmpfs"), place, Some("tmpfs"), MsFlags::empty(), None::<&str>).unwrap();
}

/// Gives this thread mounts of its own without what the host's hook and daemon know of dumps and images.
pub(crate) fn leave_the_hosts_dumps() {
    leave_the_hosts_mounts();
    tmpfs("/var/lib");
}

#[test]
fn a_bundle_has_the_network_of_its_plugin() {
    let world = world();
    fs::create_dir_all(world.path("rootfs/etc")).unwrap();
    for (kind, own) in [("none", true), ("open", false)] {
        let id = world.id(kind);
        Way::Bundle.start(&world, &id, "grep -c . /etc/resolv.conf 2>&1; sleep 60", &network(kind));
        let pid = pid(&world, &id).to_string();
        assert_eq!(namespace(&pid) != namespace("self"), own, "{kind}");
        says(&world, &id, "grep: /etc/resolv.conf: No such file or directory\n");
        gone(&world, &id);
    }
}

#[test]
fn a_network_without_its_engine_fails_the_start() {
    leave_the_hosts_mounts();
    for place in ["/usr/lib/podman", "/usr/libexec/podman", "/usr/local/lib/podman"] {
        if Path::new(place).exists() {
            tmpfs(place);
        }
    }
    let world = world();
    for way in WAYS {
        let id = world.id(&format!("engine-{way:?}"));
        // Not even a container that could do without it has the host's network.
        let plugins = json!({"networking": {"required": false, "data": {"type": "nat"}}});
        let error = way.try_start(&world, &id, "sleep 60", &plugins).unwrap_err();
        let data = error["data"].as_str().unwrap();
        assert!(data.contains("needs netavark") && data.contains("install the packages netavark"), "{data}");
        assert!(left(&world).is_empty() && world.runtime_list().is_empty(), "{}", world.log());
    }
    let spec = with(&json!({"network": "nat"}));
    let params = json!({"containerId": world.id("spec"), "dobbySpec": spec});
    let error = world.call("startContainerFromDobbySpec", &params).unwrap_err();
    assert!(error["data"].as_str().unwrap().contains("install the packages netavark"), "{error}");
}

#[test]
fn output_of_a_bundle_goes_where_its_plugin_says() {
    let world = world();
    let file = world.path("console.log");
    let to_file = json!({"sink": "file", "fileOptions": {"path": file, "limit": 1000}});
    // It goes on saying the last, since what is written at the moment of a cut may be lost.
    let script = "i=0; while [ $i -lt 500 ]; do i=$((i+1)); echo line $i; done; \
        while :; do echo last; sleep 0.1; done";
    for (name, data) in [("file", to_file), ("devnull", json!({"sink": "devnull"}))] {
        let id = world.id(name);
        Way::Bundle.start(&world, &id, script, &required("logging", &data));
        if name == "file" {
            let read = || fs::read_to_string(&file).unwrap();
            world.until("the newest is kept", || read().ends_with("last\n") && read().len() <= 1000);
        }
        gone(&world, &id);
        let log = world.path("log").join(format!("{id}.log"));
        assert!(!log.exists(), "the output went to the daemon's log, too");
    }
}

#[test]
fn output_goes_to_the_journal() {
    leave_the_hosts_mounts();
    tmpfs("/run");
    let world = world();
    let id = world.id("journal");
    let data = json!({"sink": "journald", "journaldOptions": {"priority": "LOG_ERR"}});
    Way::Bundle.start(&world, &id, "echo hello; sleep 60", &required("logging", &data));
    says(&world, &id, "hello\n");
    assert!(world.log().contains("has no journal"), "{}", world.log());
    gone(&world, &id);

    fs::create_dir_all("/run/systemd/journal").unwrap();
    let journal = UnixListener::bind("/run/systemd/journal/stdout").unwrap();
    for way in WAYS {
        way.start(&world, &id, "echo hello; exit 0", &required("logging", &data));
        let mut heard = String::new();
        journal.accept().unwrap().0.read_to_string(&mut heard).unwrap();
        assert_eq!(heard, format!("{id}\n\n3\n0\n0\n0\n0\nhello\n"));
        world.until("it is gone", || left(&world).is_empty());
    }
    // The runtime's reason is told nevertheless.
    let bundle = bundle(&world, "none", "", |config| {
        config["process"]["args"] = json!(["/nonexistent/program"]);
        config["rdkPlugins"] = required("logging", &data);
    });
    let error = world.call("startContainer", &json!({"containerId": id, "bundlePath": bundle})).unwrap_err();
    assert!(error["data"].as_str().unwrap().contains("/nonexistent/program"), "{error}");
}

#[test]
fn a_converted_spec_keeps_its_restarts_and_its_image() {
    let world = world();
    let (spec, to, id) = (world.path("spec.json"), world.path("converted"), world.id("again"));
    let image = json!({"source": world.path("data.img"), "destination": "/data", "flags": 6});
    let fields = json!({
        "args": ["sh", "-c", "echo run >> /data/runs; test $(wc -l < /data/runs) = 3 && sleep 60; exit 3"],
        "restartOnCrash": true,
        "console": {"path": world.path("console.log"), "limit": -1},
        "rdkPlugins": required("storage", &json!({"loopback": [image]})),
    });
    fs::write(&spec, with(&fields).to_string()).unwrap();
    let mut command = std::process::Command::new(daemon_program());
    command.args(["convert-spec", "--dobby-settings", "/nonexistent", "--to"]).arg(&to).arg(&spec);
    let output = command.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    world.done("startContainer", &json!({"containerId": id, "bundlePath": to}));
    world.until("it runs for the third time", || runs(&world, &id) == Some("run\nrun\nrun\n".to_owned()));
    end(&world, &id);
    assert!(world.path("data.img").exists() && world.runtime_list().is_empty());
}

/// What the container has written to its image.
fn runs(world: &DaemonWorld, id: &str) -> Option<String> {
    let info = world.call("getContainerInfo", &json!({"containerId": id})).ok()?;
    let pid = info["info"]["pids"][0].as_u64()?;
    fs::read_to_string(format!("/proc/{pid}/root/data/runs")).ok()
}

/// The limit of processes of a container, from its cgroup.
fn pids_max(pid: u64) -> String {
    let groups = fs::read_to_string(format!("/proc/{pid}/cgroup")).unwrap();
    let path = |line: &str| {
        let (controllers, path) = line.split_once(':')?.1.split_once(':')?;
        match controllers {
            "pids" => Some(format!("/sys/fs/cgroup/pids{path}/pids.max")),
            "" => Some(format!("/sys/fs/cgroup{path}/pids.max")),
            _ => None,
        }
    };
    let found = groups.lines().filter_map(path).find_map(|path| fs::read_to_string(path).ok());
    found.unwrap_or_else(|| panic!("{groups}")).trim().to_owned()
}

#[test]
fn a_bundle_without_a_limit_of_processes_has_dobbys() {
    let world = world();
    for (name, own, expected) in [("none", Value::Null, "256"), ("own", json!({"limit": 17}), "17")] {
        let id = world.id(name);
        let dir = bundle(&world, &id, "sleep 60", |config| config["linux"]["resources"]["pids"] = own);
        world.done("startContainer", &json!({"containerId": id, "bundlePath": dir}));
        assert_eq!(pids_max(pid(&world, &id)), expected, "{name}");
        end(&world, &id);
    }
}
