//! Whatever plugins did to the host is undone, however a start or a daemon ends.

use std::fs;

use serde_json::{Value, json};

use crate::bundles::leave_the_hosts_dumps;
use crate::daemon::{end, left, pid, start, world};
use crate::plugins::gone;
use crate::specs::with;
use crate::storage::attached;
use crate::support::daemon_world::{DaemonWorld, PLUGIN};

/// A container that asks for everything that leaves something on the host.
fn greedy(world: &DaemonWorld) -> Value {
    let image = json!({"source": world.path("data.img"), "destination": "/data", "flags": 6, "persistent": false,
        "imgsize": 2_097_152});
    let kept =
        json!({"source": world.path("kept.img"), "destination": "/kept", "flags": 6, "imgsize": 2_097_152});
    let plugin = |data: Value| json!({"required": true, "data": data});
    with(&json!({
        "args": ["sleep", "60"],
        "rdkPlugins": {
            "minidump": plugin(json!({"destinationPath": world.path("dumps")})),
            "oomcrash": plugin(json!({"path": world.path("oom")})),
            "storage": plugin(json!({"loopback": [image, kept]})),
        },
    }))
}

#[test]
fn a_daemon_killed_at_any_moment_of_a_start_leaves_nothing() {
    leave_the_hosts_dumps();
    let mut world = world();
    let request = |id: &str| {
        let params = json!({"containerId": id, "dobbySpec": greedy(&world)});
        let method = format!("{}.startContainerFromDobbySpec", PLUGIN);
        json!({"jsonrpc": "2.0", "id": 1, "method": method, "params": params}).to_string()
    };
    let (whole_id, begin) = (world.id("whole"), std::time::Instant::now());
    start(&world, &whole_id, &greedy(&world));
    let whole = begin.elapsed();
    end(&world, &whole_id);
    let requests: Vec<_> = (0..16).map(|n| (n, world.id(&format!("any-{n}")))).collect();
    let requests: Vec<_> = requests.into_iter().map(|(n, id)| (n, request(&id), id)).collect();
    for (n, request, id) in requests {
        let mut stream = std::net::TcpStream::connect(("127.0.0.1", world.port)).unwrap();
        let head =
            format!("POST /jsonrpc HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {}\r\n\r\n", request.len());
        std::io::Write::write_all(&mut stream, (head + &request).as_bytes()).unwrap();
        // From the beginning of a start to a moment after its end.
        std::thread::sleep(whole * n / 13);
        world.end(rustix::process::Signal::KILL);
        world.start();
        let state = || world.call("getContainerState", &json!({"containerId": id}));
        world.until("it runs or is gone", || match state() {
            Ok(state) => state["state"] == "Running",
            Err(_) => left(&world).is_empty(),
        });
        if !left(&world).is_empty() {
            end(&world, &id);
        }
        assert!(world.runtime_list().is_empty(), "{n}: {}", world.log());
        let mounts = fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
        assert!(!mounts.contains(world.dir.path().to_str().unwrap()), "{n}: {mounts}\n{}", world.log());
        world.until("its images are free", || attached(&world).is_empty());
        assert!(!world.path("data.img").exists(), "{n}: {}", world.log());
    }
    assert_eq!(fs::read_dir(world.path("dumps")).into_iter().flatten().count(), 0);
}

#[test]
fn what_the_first_plugins_did_is_undone_when_the_last_one_fails() {
    leave_the_hosts_dumps();
    let world = world();
    let id = world.id("last");
    let mut spec = greedy(&world);
    spec["rdkPlugins"]["storage"]["data"]["loopback"][1]["fstype"] = "minix".into();
    for required in [true, false] {
        spec["rdkPlugins"]["storage"]["required"] = required.into();
        let started =
            world.call("startContainerFromDobbySpec", &json!({"containerId": id, "dobbySpec": spec}));
        assert_eq!(started.is_err(), required, "{started:?}");
        assert!(attached(&world).is_empty() && !world.path("data.img").exists());
        if !required {
            let proc = format!("/proc/{}/mountinfo", pid(&world, &id));
            assert!(!fs::read_to_string(proc).unwrap().contains(" /data "));
            gone(&world, &id);
        }
        assert!(left(&world).is_empty(), "{:?}\n{}", left(&world), world.log());
    }
}
