//! Bundles of an app that are its own: their minidumps reach the directories that the administrator allows to annotations,
//! and a daemon that is killed leaves nothing.

use std::fs;
use std::io::Write;
use std::net::TcpStream;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::bundles::leave_the_hosts_dumps;
use crate::daemon::{end, left};
use crate::plugins::bundle;
use crate::shapes::{FLAGS, give};
use crate::support::daemon_world::{DaemonWorld, PLUGIN};
use crate::support::syscall_gate::SyscallGate;

const APP: u32 = 30_490;
/// Where annotations may have dumps and images, without settings.
const DUMPS: &str = "/var/lib/oci-minidump/dumps";
const IMAGES: &str = "/var/lib/oci-minidump/images";

/// Starts a bundle of the app's that runs `script` with the plugin `minidump`.
fn start(world: &DaemonWorld, id: &str, script: &str, data: &Value) -> Result<Value, Value> {
    let dir = make(world, id, script, data);
    world.call("startContainer", &json!({"containerId": id, "bundlePath": dir}))
}

/// A bundle of the app's.
fn make(world: &DaemonWorld, id: &str, script: &str, data: &Value) -> PathBuf {
    let dir = bundle(world, id, script, |config| {
        config["root"] = json!({"path": "rootfs"});
        config["rdkPlugins"] = json!({"minidump": {"required": true, "data": data}});
        let namespaces = ["user", "pid", "ipc", "uts", "mount", "network"];
        config["linux"]["namespaces"] = namespaces.map(|kind| json!({"type": kind})).to_vec().into();
        config["linux"]["uidMappings"] = json!([{"containerID": 0, "hostID": APP, "size": 1}]);
        config["linux"]["gidMappings"] = json!([{"containerID": 0, "hostID": 30_000, "size": 10}]);
    });
    give(&dir, APP);
    dir
}

fn dumps() -> Vec<String> {
    let entries = fs::read_dir(DUMPS).into_iter().flatten();
    entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect()
}

#[test]
fn dumps_of_an_apps_own_bundle_reach_the_host_and_only_where_they_may() {
    leave_the_hosts_dumps();
    for runtime in ["crun", "runc"] {
        let flags = [&FLAGS[..], &["--runtime", runtime]].concat();
        let world = DaemonWorld::with(&flags);
        let path = |image: &str, destination: &str| json!({"paths": [{"image": image, "containerSource": "/opt/dumps", "hostDestination": destination}]});
        let image = format!("{IMAGES}/app.img");
        let forms = [
            ("descriptor", "printf MDMP-of-the-app >&$BREAKPAD_FD", json!({"destinationPath": DUMPS})),
            ("image", "printf MDMP-of-the-app > /opt/dumps/a.dmp", path(&image, DUMPS)),
        ];
        for (form, script, data) in forms {
            let id = world.id(form);
            start(&world, &id, script, &data)
                .unwrap_or_else(|error| panic!("{form}: {error}\n{}", world.log()));
            world.until("the dump is there", || dumps().len() == 1 && left(&world).is_empty());
            let dump = Path::new(DUMPS).join(&dumps()[0]);
            assert_eq!(fs::read(&dump).unwrap(), b"MDMP-of-the-app");
            assert_eq!((dump.metadata().unwrap().uid(), dump.metadata().unwrap().mode() & 0o777), (0, 0o600));
            fs::remove_file(dump).unwrap();
        }
        let elsewhere = world.path("elsewhere");
        fs::create_dir(&elsewhere).unwrap();
        let outside = elsewhere.join("x.img").to_str().unwrap().to_owned();
        let refused = [
            (json!({"destinationPath": elsewhere}), "hostDestination"),
            (path(&image, elsewhere.to_str().unwrap()), "hostDestination"),
            (path(&outside, DUMPS), "image"),
            (path(&format!("{IMAGES}/../../../etc/x.img"), DUMPS), "image"),
        ];
        for (n, (data, named)) in refused.iter().enumerate() {
            let error = start(&world, &world.id(&format!("refused{n}")), "true", data).unwrap_err();
            let text = error["data"].as_str().unwrap();
            assert!(text.contains("its minidumps") && text.contains(named), "{text}");
        }
        assert_eq!(fs::read_dir(&elsewhere).unwrap().count(), 0);
        assert!(left(&world).is_empty() && dumps().is_empty());
    }
}

/// A daemon that is killed between the mount of the root file system and the start leaves it to the next one.
#[test]
fn a_mount_that_a_killed_daemon_has_left_is_taken_away() {
    let mut world = DaemonWorld::with(&FLAGS);
    let id = world.id("killed");
    let dir = make(&world, &id, "sleep 60", &json!({"destinationPath": DUMPS}));
    let place = world.path("state").join(&id).join("rootfs");
    let mounted = || {
        let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        mounts.lines().filter(|line| line.contains(place.to_str().unwrap())).count()
    };
    let gate = SyscallGate::behind(&world, 1, "mount", &place);
    let params = json!({"containerId": id, "bundlePath": dir});
    let call =
        json!({"jsonrpc": "2.0", "id": 1, "method": format!("{PLUGIN}.startContainer"), "params": params});
    let (mut client, call) = (TcpStream::connect(("127.0.0.1", world.port)).unwrap(), call.to_string());
    let length = call.len();
    write!(client, "POST /jsonrpc HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n{call}")
        .unwrap();
    world.until("it is mounted", || mounted() == 1);
    gate.kill(&mut world);
    world.start();
    world.until("nothing is left", || mounted() == 0 && left(&world).is_empty());
    assert!(dir.join("rootfs/bin/sh").symlink_metadata().is_ok(), "nothing is removed through the mount");
    world.done("startContainer", &params);
    end(&world, &id);
    assert_eq!(mounted(), 0);
}
