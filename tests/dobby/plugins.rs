//! Plugins of specs and of OCI bundles: the same code serves both.

use std::fs;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::daemon::{end, left, pid, start, world};
use crate::specs::with;
use crate::support::daemon_world::DaemonWorld;

/// The two ways to a container: a spec and an OCI bundle.
pub(crate) const WAYS: [Way; 2] = [Way::Spec, Way::Bundle];

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Way {
    Spec,
    Bundle,
}

impl Way {
    /// Starts a container that runs the shell script `script` with these `rdkPlugins`; the answer.
    pub(crate) fn try_start(
        self,
        world: &DaemonWorld,
        id: &str,
        script: &str,
        plugins: &Value,
    ) -> Result<Value, Value> {
        match self {
            Self::Spec => {
                let spec = with(&json!({"args": ["sh", "-c", script], "rdkPlugins": plugins}));
                world.call("startContainerFromDobbySpec", &json!({"containerId": id, "dobbySpec": spec}))
            }
            Self::Bundle => {
                let bundle = bundle(world, id, script, |config| config["rdkPlugins"] = plugins.clone());
                world.call("startContainer", &json!({"containerId": id, "bundlePath": bundle}))
            }
        }
    }

    /// As [`Self::try_start`], for starts that must succeed.
    pub(crate) fn start(self, world: &DaemonWorld, id: &str, script: &str, plugins: &Value) {
        let started = self.try_start(world, id, script, plugins);
        assert!(started.is_ok(), "{self:?} {plugins}: {started:?}\n{}", world.log());
    }
}

/// An OCI bundle that runs a shell script, with its configuration changed.
pub(crate) fn bundle(
    world: &DaemonWorld,
    name: &str,
    script: &str,
    change: impl FnOnce(&mut Value),
) -> PathBuf {
    let dir = world.bundle(&format!("bundle-{name}"), &["sh", "-c", script]);
    let file = dir.join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&file).unwrap()).unwrap();
    change(&mut config);
    fs::write(file, config.to_string()).unwrap();
    dir
}

/// One plugin that must work.
pub(crate) fn required(name: &str, data: &Value) -> Value {
    json!({name: {"required": true, "data": data}})
}

/// What the container has said.
pub(crate) fn said(world: &DaemonWorld, id: &str) -> String {
    world.done("getContainerLogs", &json!({"containerId": id}))["log"].as_str().unwrap().to_owned()
}

/// Waits until the container has said so much, and no more.
pub(crate) fn says(world: &DaemonWorld, id: &str, expected: &str) {
    let mut heard = String::new();
    world.until(&format!("it says {expected:?}, not {heard:?}"), || {
        heard = said(world, id);
        heard.len() >= expected.len()
    });
    assert_eq!(heard, expected, "{}", world.log());
}

/// Ends a container and its world's bundle.
pub(crate) fn gone(world: &DaemonWorld, id: &str) {
    end(world, id);
    assert!(world.runtime_list().is_empty());
    let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    assert!(!mounts.contains(world.dir.path().to_str().unwrap()), "{mounts}");
}

#[test]
fn a_missing_plugin_is_refused_or_named() {
    let world = world();
    for way in WAYS {
        let id = world.id(&format!("missing-{way:?}"));
        let plugins = |required: bool| json!({"testrdkplugin": {"required": required, "data": {}}});
        let error = way.try_start(&world, &id, "sleep 60", &plugins(true)).unwrap_err();
        let data = error["data"].as_str().unwrap();
        assert!(data.contains("not supported") && data.contains("\"testrdkplugin\""), "{data}");
        assert!(left(&world).is_empty(), "{:?}", left(&world));
        way.start(&world, &id, "sleep 60", &plugins(false));
        let warning = format!("{id}: the plugin \"testrdkplugin\" is not supported");
        assert!(world.log().contains(&warning), "{}", world.log());
        gone(&world, &id);
    }
    let id = world.id("malformed");
    let wrong = required("logging", &json!({"sink": "printer"}));
    for way in WAYS {
        let error = way.try_start(&world, &id, "sleep 60", &wrong).unwrap_err();
        assert!(error["data"].as_str().unwrap().contains("rdkPlugins.logging.data.sink"), "{error}");
    }
}

#[test]
fn an_optional_plugin_that_fails_leaves_no_trace() {
    let world = world();
    for way in WAYS {
        let id = world.id(&format!("optional-{way:?}"));
        let data = json!({"system": "/nonexistent/bus", "session": "ai-public"});
        let script = "env | grep -c DBUS; sleep 60";
        way.start(&world, &id, script, &json!({"ipc": {"required": false, "data": data}}));
        says(&world, &id, "0\n");
        assert!(world.log().contains("there is no socket \"/nonexistent/bus\""), "{}", world.log());
        gone(&world, &id);
        let error = way.try_start(&world, &id, script, &required("ipc", &data)).unwrap_err();
        assert!(error["data"].as_str().unwrap().contains("the plugin \"ipc\""), "{error}");
        assert!(left(&world).is_empty(), "{:?}", left(&world));
    }
}

/// Whether root may raise limits here (`CAP_SYS_RESOURCE`, capabilities(7)): not in every container that tests run in.
fn may_raise_limits() -> bool {
    let status = fs::read_to_string("/proc/self/status").unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("CapEff:")).unwrap();
    u64::from_str_radix(line.trim(), 16).unwrap() & (1 << 24) != 0
}

#[test]
fn a_program_is_scheduled_in_real_time() {
    let world = world();
    let data = json!({"rtdefault": 4, "rtlimit": 9});
    let complaint = "cannot set RLIMIT_RTPRIO";
    for way in WAYS {
        let id = world.id(&format!("rt-{way:?}"));
        match way {
            Way::Bundle => way.start(&world, &id, "sleep 60", &json!({"rtscheduling": {"data": data}})),
            // The spec's own field stands for the plugin.
            Way::Spec => {
                let priority = json!({"version": "1.1", "rtPriority": {"default": 4, "limit": 9}});
                start(&world, &id, &with(&priority));
            }
        }
        let proc = |file: &str| fs::read_to_string(format!("/proc/{}/{file}", pid(&world, &id))).unwrap();
        let stat = proc("stat");
        let fields: Vec<_> = stat.rsplit(')').next().unwrap().split_whitespace().collect();
        // Fields 40 and 41 of proc(5): priority and policy, of which 2 is SCHED_RR.
        assert_eq!(fields[37..39], ["4", "2"], "{stat}");
        let limits = proc("limits");
        let limit = limits.lines().find(|line| line.starts_with("Max realtime priority")).unwrap();
        let reached = limit.split_whitespace().collect::<Vec<_>>()[3..] == ["9", "9"];
        assert_eq!((reached, !world.log().contains(complaint)), (may_raise_limits(), may_raise_limits()));
        gone(&world, &id);
    }
    let id = world.id("rt-required");
    let started = Way::Bundle.try_start(&world, &id, "sleep 60", &required("rtscheduling", &data));
    assert_eq!(started.is_ok(), may_raise_limits(), "{started:?}");
    if let Err(error) = started {
        assert!(error["data"].as_str().unwrap().contains(complaint), "{error}");
        assert!(left(&world).is_empty() && world.runtime_list().is_empty());
    } else {
        gone(&world, &id);
    }
}

#[test]
fn a_container_has_the_hosts_time_zone() {
    let world = world();
    let zone = world.path("zone");
    fs::write(&zone, "Europe/Warsaw\nrest\n").unwrap();
    let real = Path::new("/etc/localtime").canonicalize().unwrap();
    for way in WAYS {
        let id = world.id(&format!("zone-{way:?}"));
        let script =
            "busybox md5sum < /etc/localtime; echo $TZ; echo x 2>/dev/null > /etc/localtime; sleep 60";
        let script = script.replace("busybox", if way == Way::Spec { "" } else { "busybox" });
        fs::create_dir_all(world.path("rootfs/etc")).unwrap();
        way.start(&world, &id, &script, &required("localtime", &json!({"setTZ": zone})));
        let sum =
            std::process::Command::new("md5sum").stdin(fs::File::open(&real).unwrap()).output().unwrap();
        says(&world, &id, &format!("{}Europe/Warsaw\n", String::from_utf8(sum.stdout).unwrap()));
        gone(&world, &id);
    }
}

#[test]
fn a_container_that_runs_out_of_memory_leaves_a_file() {
    let world = world();
    let dir = world.path("oom");
    let file = |id: &str| dir.join(format!("oom_crashed_{id}.txt"));
    // A shell that doubles a variable until the kernel ends it.
    let eats = "x=0123456789abcdef; while :; do x=$x$x; done";
    for way in WAYS {
        let id = world.id(&format!("oom-{way:?}"));
        for (script, crashed) in [(eats, true), ("exit 3", false), (eats, true), ("exit 0", false)] {
            let plugins = required("oomcrash", &json!({"path": dir}));
            let started = match way {
                Way::Spec => way.try_start(&world, &id, script, &plugins),
                Way::Bundle => {
                    let bundle = bundle(&world, &id, script, |config| {
                        config["rdkPlugins"] = plugins.clone();
                        config["linux"]["resources"] = json!({"memory": {"limit": 41_943_040}});
                    });
                    world.call("startContainer", &json!({"containerId": id, "bundlePath": bundle}))
                }
            };
            assert!(started.is_ok(), "{started:?}\n{}", world.log());
            world.until("it is gone", || left(&world).is_empty());
            assert_eq!(file(&id).exists(), crashed, "{way:?} {script}\n{}", world.log());
        }
    }
    assert!(world.runtime_list().is_empty());
}

#[test]
fn an_end_by_lack_of_memory_is_found_by_the_next_daemon() {
    let mut world = world();
    let (id, dir, go) = (world.id("oom"), world.path("oom"), world.path("go"));
    fs::create_dir(&go).unwrap();
    let script = "while ! test -e /go/now; do sleep 0.02; done; x=0123456789abcdef; while :; do x=$x$x; done";
    let spec = with(&json!({
        "args": ["sh", "-c", script],
        "mounts": [{"source": go, "destination": "/go", "type": "bind", "options": ["bind", "ro"]}],
        "rdkPlugins": required("oomcrash", &json!({"path": dir})),
    }));
    start(&world, &id, &spec);
    let program = PathBuf::from(format!("/proc/{}", pid(&world, &id)));
    world.end(rustix::process::Signal::KILL);
    fs::write(go.join("now"), "").unwrap();
    world.until("it is dead", || {
        fs::read_to_string(program.join("stat")).map_or(true, |stat| stat.contains(") Z "))
    });
    world.start();
    world.until("it is gone", || left(&world).is_empty());
    assert!(dir.join(format!("oom_crashed_{id}.txt")).exists(), "{}", world.log());
}

#[test]
fn device_numbers_are_those_of_this_host() {
    let world = world();
    let id = world.id("devices");
    let null = fs::metadata("/dev/null").unwrap();
    assert!(null.file_type().is_char_device() && null.rdev() == rustix::fs::makedev(1, 3));
    let device = |path: &str, minor: u32| json!({"path": path, "type": "c", "major": 254, "minor": minor, "fileMode": 438});
    let rule =
        |minor: u32| json!({"allow": true, "type": "c", "major": 254, "minor": minor, "access": "rwm"});
    let bundle = bundle(&world, &id, "echo x > /dev/null && echo works; sleep 60", |config| {
        config["linux"]["devices"] = json!([device("/dev/null", 77), device("/dev/other", 78)]);
        config["linux"]["resources"] =
            json!({"devices": [{"allow": false, "access": "rwm"}, rule(77), rule(78)]});
        config["rdkPlugins"] = required("devicemapper", &json!({"devices": ["/dev/null", "/dev/nothing"]}));
    });
    world.done("startContainer", &json!({"containerId": id, "bundlePath": bundle}));
    let file = world.path("state").join(&id).join("config.json");
    let config: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    let numbers = |list: &Value| -> Vec<_> {
        list.as_array().unwrap().iter().map(|one| (one["major"].as_u64(), one["minor"].as_u64())).collect()
    };
    assert_eq!(numbers(&config["linux"]["devices"]), [(Some(1), Some(3)), (Some(254), Some(78))]);
    let rules = numbers(&config["linux"]["resources"]["devices"]);
    assert_eq!(rules, [(None, None), (Some(1), Some(3)), (Some(254), Some(78))]);
    says(&world, &id, "works\n");
    gone(&world, &id);
    let error = Way::Bundle
        .try_start(&world, &id, "true", &required("devicemapper", &json!({"devices": ["/etc/passwd"]})))
        .unwrap_err();
    assert!(error["data"].as_str().unwrap().contains("/etc/passwd"), "{error}");
}

#[test]
fn buses_are_sockets_of_the_host() {
    let world = world();
    let socket = world.path("bus");
    let _bus = UnixListener::bind(&socket).unwrap();
    for way in WAYS {
        let id = world.id(&format!("bus-{way:?}"));
        let script = "for bus in session debug; do test -S /var/run/dbus/${bus}_bus_socket && echo $bus; done; \
            echo $DBUS_SESSION_BUS_ADDRESS $DBUS_DEBUG_BUS_ADDRESS $SKY_DBUS_DISABLE_UID_IN_EXTERNAL_AUTH; \
            echo system $DBUS_SYSTEM_BUS_ADDRESS; sleep 60";
        let data = json!({"session": socket, "debug": socket, "system": "ai-private"});
        way.start(&world, &id, script, &required("ipc", &data));
        let address = |bus: &str| format!("unix:path=/var/run/dbus/{bus}_bus_socket");
        let expected = format!("session\ndebug\n{} {} 1\nsystem\n", address("session"), address("debug"));
        says(&world, &id, &expected);
        gone(&world, &id);
    }
}

#[test]
fn a_limit_that_the_kernel_cannot_count_fails() {
    let world = world();
    let plugins = [("gpu", json!({"memory": 4_194_304})), ("ionmemory", json!({"defaultLimit": 4_194_304}))];
    for (way, (name, data)) in WAYS.into_iter().zip(plugins) {
        let id = world.id(&format!("limit-{way:?}"));
        way.start(&world, &id, "sleep 60", &json!({name: {"data": data}}));
        assert!(world.log().contains(&format!("container {id} starts without the plugin \"{name}\"")));
        gone(&world, &id);
        let error = way.try_start(&world, &id, "sleep 60", &required(name, &data)).unwrap_err();
        assert!(error["data"].as_str().unwrap().contains("the kernel has no cgroups"), "{error}");
        assert!(left(&world).is_empty() && world.runtime_list().is_empty());
    }
}

#[test]
fn a_container_knows_and_trusts_its_proxy() {
    let world = world();
    let data = json!({"proxy": {"host": "192.0.2.1", "port": 8080}, "ignoreProxy": ["localhost", "*.local"],
        "ignoreProxyOnBridge": true, "proxyRootCACert": "of the proxy\r\n"});
    fs::create_dir_all(world.path("rootfs/etc/ssl/certs")).unwrap();
    for way in WAYS {
        let id = world.id(&format!("proxy-{way:?}"));
        let script = "echo $http_proxy $no_proxy; head -n 1 /etc/ssl/certs/ca-certificates.crt; sleep 60";
        way.start(&world, &id, script, &required("httpproxy", &data));
        says(&world, &id, "http://192.0.2.1:8080 100.64.11.1,localhost,*.local\nof the proxy\n");
        gone(&world, &id);
    }
}

/// `/dev/input` on a host without input devices.
struct Input;

impl Drop for Input {
    fn drop(&mut self) {
        // A directory with devices in it stays.
        let _stays = fs::remove_dir("/dev/input");
    }
}

#[test]
fn input_devices_are_those_of_the_host() {
    let world = world();
    let id = world.id("pad");
    if !Path::new("/dev/input").exists() {
        let error = Way::Spec.try_start(&world, &id, "true", &required("gamepad", &json!({}))).unwrap_err();
        assert!(error["data"].as_str().unwrap().contains("no /dev/input"), "{error}");
        fs::create_dir("/dev/input").unwrap();
    }
    let _input = Input;
    for way in WAYS {
        let script = "grep -c ' /input /dev/input ' /proc/self/mountinfo; sleep 60";
        way.start(&world, &id, script, &required("gamepad", &json!({})));
        says(&world, &id, "1\n");
        gone(&world, &id);
    }
}

#[test]
fn a_bundle_that_dobby_wrote_needs_no_launcher() {
    let world = world();
    let id = world.id("launcher");
    let hook = |stage: &str| json!([{"path": "/usr/bin/DobbyPluginLauncher", "args": ["DobbyPluginLauncher", "-h", stage]}]);
    assert!(!Path::new("/usr/bin/DobbyPluginLauncher").exists());
    let bundle = bundle(&world, &id, "ls /dev/input 2>/dev/null; echo up; sleep 60", |config| {
        config["ociVersion"] = "1.0.2-dobby".into();
        config["hooks"] = json!({"createRuntime": hook("createRuntime"), "poststop": hook("poststop")});
        config["rdkPlugins"] = json!({"localtime": {"required": true, "dependsOn": []}});
    });
    fs::create_dir_all(world.path("rootfs/etc")).unwrap();
    world.done("startContainer", &json!({"containerId": id, "bundlePath": bundle}));
    says(&world, &id, "up\n");
    gone(&world, &id);
}
