//! The plugin `minidump`: dumps of real Breakpad, by an image and by a descriptor.

use std::fs;
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::PathBuf;

use minidump::{Minidump, MinidumpException};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::bundles::leave_the_hosts_dumps;
use crate::daemon::{left, start, world};
use crate::plugins::{WAYS, Way, bundle, gone, required, said, says};
use crate::specs::with;
use crate::support::daemon_world::{DaemonWorld, PLUGIN};
use crate::support::programs::crasher;
use crate::support::wire::Ws;

/// The plugin in the form with a descriptor.
fn by_descriptor(world: &DaemonWorld) -> Value {
    required("minidump", &json!({"destinationPath": world.path("dumps")}))
}

/// Starts a container in which `/crasher` is, and `/go`, which is empty.
fn start_crasher(world: &DaemonWorld, way: Way, id: &str, script: &str, plugins: &Value) {
    let (inside, go) = (world.path("rootfs/crasher"), world.path("rootfs/go"));
    if !inside.exists() {
        fs::copy(crasher(), &inside).unwrap();
        fs::create_dir(&go).unwrap();
    }
    match way {
        Way::Bundle => way.start(world, id, script, plugins),
        Way::Spec => {
            let mount = |source, destination| json!({"source": source, "destination": destination, "type": "bind", "options": ["bind", "ro"]});
            let (args, mounts) = (["sh", "-c", script], [mount(&inside, "/crasher"), mount(&go, "/go")]);
            start(world, id, &with(&json!({"args": args, "mounts": mounts, "rdkPlugins": plugins})));
        }
    }
}

/// The dumps on the host, the name of each.
fn dumps(world: &DaemonWorld) -> Vec<String> {
    let entries = fs::read_dir(world.path("dumps")).into_iter().flatten();
    let mut names: Vec<_> = entries.map(|entry| entry.unwrap().file_name().into_string().unwrap()).collect();
    names.sort();
    names
}

/// Whether a name is Dobby's: `<id><#=#>YYYY-MM-DDTHH:MM:SS.dmp`.
fn is_dobbys(name: &str, id: &str) -> bool {
    let time = name.strip_prefix(&format!("{id}<#=#>")).and_then(|rest| rest.strip_suffix(".dmp"));
    time.is_some_and(|time| time.len() >= 19 && time.as_bytes()[10] == b'T')
}

fn listener(world: &DaemonWorld) -> Ws {
    let mut ws = world.ws();
    for event in ["onContainerStarted", "onMinidump", "onContainerStopped"] {
        ws.call(&format!("{PLUGIN}.register"), &json!({"event": event, "id": "x"}));
    }
    ws
}

/// The names of a container's next events. Those of others are of dumps that a sweep of this host found.
fn events(ws: &mut Ws, id: &str, count: usize) -> Vec<String> {
    let event = || serde_json::from_str::<Value>(&ws.text()).unwrap();
    let own = std::iter::repeat_with(event).filter(|event| event["params"]["name"] == id);
    own.map(|event| event["method"].as_str().unwrap().trim_start_matches("x.on").to_owned())
        .take(count)
        .collect()
}

#[test]
fn a_crash_reaches_the_host_by_a_descriptor() {
    leave_the_hosts_dumps();
    for runtime in ["crun", "runc"] {
        let world = DaemonWorld::with(&["--dobby-settings", "/nonexistent", "--runtime", runtime]);
        for way in WAYS {
            let id = world.id(&format!("crash-{way:?}"));
            let mut ws = listener(&world);
            start_crasher(&world, way, &id, "exec /crasher /tmp segv", &by_descriptor(&world));
            assert_eq!(events(&mut ws, &id, 3), ["ContainerStarted", "Minidump", "ContainerStopped"]);
            world.until("it is gone", || left(&world).is_empty());
            let found = dumps(&world);
            assert!(found.len() == 1 && is_dobbys(&found[0], &id), "{found:?}\n{}", world.log());
            let path = world.path("dumps").join(&found[0]);
            let dump = Minidump::read_path(&path).unwrap();
            dump.get_stream::<MinidumpException<'_>>().unwrap();
            let metadata = fs::metadata(&path).unwrap();
            assert_eq!((metadata.permissions().mode() & 0o7777, metadata.uid()), (0o600, 0));
            fs::remove_file(path).unwrap();
        }
    }
}

#[test]
fn only_dumps_leave_the_container() {
    leave_the_hosts_dumps();
    let world = world();
    for (way, script, said_of_it) in [
        (Way::Spec, "echo $BREAKPAD_FD", ""),
        (Way::Bundle, "echo MDM >&3; echo $BREAKPAD_FD", "is not a minidump"),
        (Way::Spec, "echo secret >&3; echo $BREAKPAD_FD", "is not a minidump"),
    ] {
        let id = world.id(&format!("none-{way:?}"));
        let before = world.log().len();
        way.start(&world, &id, &format!("{script}; sleep 60"), &by_descriptor(&world));
        says(&world, &id, "3\n");
        gone(&world, &id);
        assert!(dumps(&world).is_empty(), "{script}: {:?}", dumps(&world));
        assert!(world.log()[before..].contains(said_of_it), "{script}: {}", world.log());
    }
    let id = world.id("relative");
    let plugins = required("minidump", &json!({"destinationPath": "dumps"}));
    let error = Way::Spec.try_start(&world, &id, "true", &plugins).unwrap_err();
    assert!(error["data"].as_str().unwrap().contains("is not an absolute path"), "{error}");
}

#[test]
fn a_container_cannot_fill_the_host() {
    leave_the_hosts_dumps();
    let world = world();
    let id = world.id("large");
    let script = "printf MDMP >&3; yes 2>/dev/null | head -c 80000000 >&3 || echo full; sleep 60";
    Way::Bundle.start(&world, &id, script, &by_descriptor(&world));
    world.until("there is no room any more", || said(&world, &id).ends_with("full\n"));
    let file = world.path("state").join(&id).join("minidump/dump");
    assert_eq!(fs::metadata(&file).unwrap().len(), 64 << 20);
    gone(&world, &id);
    let found = dumps(&world);
    assert_eq!(found.len(), 1);
    assert_eq!(fs::metadata(world.path("dumps").join(&found[0])).unwrap().len(), 64 << 20);
    assert!(world.log().contains("truncated minidump"), "{}", world.log());
}

#[test]
fn a_dump_whose_destination_is_none_goes_elsewhere() {
    leave_the_hosts_dumps();
    let world = world();
    let id = world.id("elsewhere");
    fs::write(world.path("dumps"), "no directory").unwrap();
    start_crasher(&world, Way::Spec, &id, "exec /crasher /tmp segv", &by_descriptor(&world));
    world.until("it is gone", || left(&world).is_empty());
    let dir = PathBuf::from("/var/lib/oci-minidump/dumps");
    let found: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(world.log().contains("its dump goes to /var/lib/oci-minidump/dumps"), "{}", world.log());
    assert_eq!(found.len(), 1, "{found:?}");
    Minidump::read_path(&found[0]).unwrap();
}

#[test]
fn a_dump_that_nobody_can_take_stays_with_the_daemon() {
    leave_the_hosts_dumps();
    fs::write("/var/lib/oci-minidump", "no directory").unwrap();
    let mut world = world();
    let id = world.id("nowhere");
    fs::write(world.path("dumps"), "no directory").unwrap();
    start_crasher(&world, Way::Spec, &id, "exec /crasher /tmp segv", &by_descriptor(&world));
    world.until("it is gone", || !left(&world).contains(&world.path("state").join(&id)));
    let dir = world.path("state/+minidumps");
    let found: Vec<_> = fs::read_dir(&dir).unwrap().map(|entry| entry.unwrap().path()).collect();
    assert!(world.log().contains(&format!("its dump goes to {}", dir.display())), "{}", world.log());
    assert_eq!(found.len(), 1, "{found:?}");
    Minidump::read_path(&found[0]).unwrap();
    world.end(Signal::KILL);
    world.start();
    // The directory is no container.
    assert_eq!(world.done("listContainers", &json!({}))["containers"], json!([]));
    assert!(found[0].exists(), "{}", world.log());
    assert!(!world.log().contains("ignoring unknown entry"), "{}", world.log());
}

#[test]
fn a_dump_outlives_the_daemon() {
    leave_the_hosts_dumps();
    let mut world = world();
    for way in WAYS {
        let (id, go) = (world.id(&format!("next-{way:?}")), world.path("rootfs/go/now"));
        let _none = fs::remove_file(&go);
        let script = "while ! test -e /go/now; do sleep 0.02; done; exec /crasher /tmp segv";
        start_crasher(&world, way, &id, script, &by_descriptor(&world));
        let program = PathBuf::from(format!("/proc/{}/stat", crate::daemon::pid(&world, &id)));
        world.end(Signal::KILL);
        fs::write(&go, "").unwrap();
        world.until("it is dead", || fs::read_to_string(&program).map_or(true, |stat| stat.contains(") Z ")));
        assert!(dumps(&world).is_empty());
        world.start();
        world.until("it is gone", || left(&world).is_empty());
        let found = dumps(&world);
        assert!(found.len() == 1 && is_dobbys(&found[0], &id), "{found:?}\n{}", world.log());
        Minidump::read_path(world.path("dumps").join(&found[0])).unwrap();
        fs::remove_file(world.path("dumps").join(&found[0])).unwrap();
    }
}

#[test]
fn dumps_of_a_crash_are_harvested_before_the_restart() {
    leave_the_hosts_dumps();
    let world = DaemonWorld::with(&["--dobby-settings", "/nonexistent"]);
    let path = json!({"image": world.path("dump.img"), "containerSource": "/opt/minidumps",
        "hostDestination": world.path("dumps")});
    let forms = [
        (json!({"destinationPath": world.path("dumps")}), "/tmp"),
        (json!({"paths": [path]}), "/opt/minidumps"),
    ];
    fs::create_dir_all(world.path("rootfs/opt/minidumps")).unwrap();
    fs::create_dir_all(world.path("rootfs/count")).unwrap();
    fs::copy(crasher(), world.path("rootfs/crasher")).unwrap();
    for (n, (data, dir)) in forms.iter().enumerate() {
        let (id, count) = (world.id(&format!("again-{n}")), world.path(&format!("count-{n}")));
        fs::create_dir(&count).unwrap();
        let script = format!(
            "echo >> /count/runs; test $(cat /count/runs | busybox wc -l) -gt 2 && sleep 60; exec /crasher {dir} segv"
        );
        let dir = bundle(&world, &id, &script, |config| {
            let mount =
                json!({"source": count, "destination": "/count", "type": "bind", "options": ["bind"]});
            config["mounts"].as_array_mut().unwrap().push(mount);
            config["annotations"] = json!({"org.rdk.restartOnCrash": "true"});
            config["rdkPlugins"] = required("minidump", data);
        });
        let mut ws = listener(&world);
        world.done("startContainer", &json!({"containerId": id, "bundlePath": dir}));
        let one = ["ContainerStarted", "Minidump", "ContainerStopped"];
        let expected = [&one[..], &one[..], &one[..1]].concat();
        assert_eq!(events(&mut ws, &id, 7), expected, "{}", world.log());
        let found = dumps(&world);
        assert_eq!(found.len(), 2, "{found:?}");
        for name in found {
            Minidump::read_path(world.path("dumps").join(&name)).unwrap();
            fs::remove_file(world.path("dumps").join(&name)).unwrap();
        }
        gone(&world, &id);
    }
}
