//! Each method and signal, with good and with bad arguments.

use serde_json::json;

use crate::bus::{BusWorld, Monitor, path};
use crate::support::daemon_world::DaemonWorld;

#[test]
fn a_container_lives_through_every_method_of_its_own() {
    let world = BusWorld::new();
    let bus = &world.bus;
    let monitor = Monitor::new(bus);
    let id = world.daemon.id("a");
    let descriptor = world.sleeper(&id);
    let d = descriptor.as_str();
    let number: i64 = d.parse().unwrap();
    assert_eq!(bus.answer("ctrl1", "List", &[]), json!([[number], [id]]));
    assert_eq!(bus.one("ctrl1", "GetState", &["i", d]), 2);
    assert_eq!(bus.one("ctrl1", "Pause", &["i", d]), true);
    assert_eq!(bus.one("ctrl1", "GetState", &["i", d]), 4);
    assert_eq!(bus.one("ctrl1", "Pause", &["i", d]), false, "it is paused already");
    assert_eq!(bus.one("ctrl1", "Resume", &["i", d]), true);
    assert_eq!(bus.one("ctrl1", "Exec", &["iss", d, "--cwd=/tmp", "echo 'a  b'"]), true);
    world.daemon.until("the command has written", || {
        String::from_utf8_lossy(&world.daemon.cli(&["logs", &id]).stdout).contains("a  b\n")
    });
    let text = |answer: serde_json::Value| -> serde_json::Value {
        serde_json::from_str(answer.as_str().unwrap()).unwrap()
    };
    let info = text(bus.one("ctrl1", "GetInfo", &["i", d]));
    assert_eq!((info["id"].as_str(), info["state"].as_str()), (Some(id.as_str()), Some("running")));
    let config = text(bus.one("debug1", "GetOCIConfig", &["i", d]));
    assert_eq!(config["process"]["args"], json!(["sleep", "100"]));
    assert_eq!(bus.one("ctrl1", "Stop", &["ib", d, "true"]), true);
    monitor.until("Stopped", &id);
    let expected = [
        ("Started", json!([number, id])),
        ("StoppedWithStatus", json!([number, id, 9])),
        ("Stopped", json!([number, id])),
    ];
    assert_eq!(monitor.signals(), expected.map(|(name, members)| (name.to_owned(), members)));
    assert_eq!(bus.one("ctrl1", "GetState", &["i", d]), 0);
    assert_eq!(bus.answer("ctrl1", "List", &[]), json!([[], []]));
}

#[test]
fn a_bundle_starts_in_all_three_forms_of_the_call() {
    let world = BusWorld::new();
    let monitor = Monitor::new(&world.bus);
    let bundle = world.daemon.bundle("b", &["false"]);
    let script = "sh -c 'exit $X'";
    let forms: [(&str, &[&str], i64); 3] = [
        ("ssah", &[], 1),
        ("ssahssas", &[script, "", "1", "X=7"], 7),
        ("ssahssasuu", &[script, "", "1", "X=139", "0", "0"], 139),
    ];
    for (n, (types, rest, code)) in forms.into_iter().enumerate() {
        let id = world.daemon.id(&format!("n{n}"));
        let args = [&[types, id.as_str(), path(&bundle), "0"], rest].concat();
        assert!(world.bus.one("ctrl1", "StartFromBundle", &args).as_i64().unwrap() > 0, "{types}");
        monitor.until("Stopped", &id);
        let signals = monitor.signals();
        let status =
            signals.iter().find(|(name, with)| name == "StoppedWithStatus" && with[1] == id.as_str());
        // As DobbyInit has it: 128 + 11 is a SIGSEGV that left a core.
        let word = if code == 139 { 11 | 0x80 } else { code << 8 };
        assert_eq!(status.unwrap().1[2], word, "{types}");
    }
}

#[test]
fn a_spec_starts_in_both_names_of_the_call() {
    let world = BusWorld::with(&["--dobby-settings", "/nonexistent/dobby.json"]);
    let spec = json!({
        "version": "1.0",
        "args": ["sleep", "60"],
        "user": {"uid": 1000, "gid": 1000},
        "memLimit": 41_943_040,
        "network": "private",
    });
    for method in ["StartFromSpec", "Start"] {
        let id = world.daemon.id("s");
        let args = ["ssah", &id, &spec.to_string(), "0"];
        let descriptor = world.bus.one("ctrl1", method, &args);
        assert!(descriptor.as_i64().unwrap() > 0, "{method}: {}", world.daemon.log());
        assert_eq!(world.bus.one("ctrl1", "Stop", &["ib", &descriptor.to_string(), "true"]), true);
    }
}

#[test]
fn what_fails_is_answered_as_dobby_does_and_explained_in_the_log() {
    let world = BusWorld::new();
    let d = world.sleeper(&world.daemon.id("a"));
    let id = world.daemon.id("b");
    let bundle = world.daemon.bundle("b", &["sleep", "100"]);
    let bundle = path(&bundle);
    let cases: &[(&str, &str, &[&str], serde_json::Value)] = &[
        ("ctrl1", "StartFromBundle", &["ssah", &id, "/missing", "0"], json!(-1)),
        ("ctrl1", "StartFromBundle", &["ssah", "../x", bundle, "0"], json!(-1)),
        (
            "ctrl1",
            "StartFromBundle",
            &["ssahssasuu", &id, bundle, "0", "", "", "0", "1000", "1000"],
            json!(-1),
        ),
        ("ctrl1", "StartFromBundle", &["ss", &id, bundle], json!(-1)),
        ("ctrl1", "StartFromBundle", &[], json!(-1)),
        ("ctrl1", "StartFromSpec", &["ssah", &id, "{", "0"], json!(-1)),
        ("ctrl1", "StartFromSpec", &["ssah", &id, "/etc/passwd", "0"], json!(-1)),
        ("ctrl1", "Stop", &["ib", "4711", "false"], json!(false)),
        ("ctrl1", "Stop", &["i", &d], json!(false)),
        ("ctrl1", "Stop", &["sb", &d, "true"], json!(false)),
        ("ctrl1", "Pause", &["i", "-1"], json!(false)),
        ("ctrl1", "Resume", &["i", &d], json!(false)),
        ("ctrl1", "Exec", &["iss", &d, "--cap=all", "true"], json!(false)),
        ("ctrl1", "Exec", &["iss", &d, "", "'open"], json!(false)),
        ("ctrl1", "GetState", &["s", &d], json!(-1)),
        ("ctrl1", "GetState", &["i", "4711"], json!(0)),
        ("ctrl1", "GetInfo", &["i", "4711"], json!("")),
        ("ctrl1", "Mount", &["issass", &d, "/a", "/b", "1", "bind", "data"], json!(false)),
        ("ctrl1", "Mount", &["iss", &d, "/a", "/b"], json!(false)),
        ("ctrl1", "Unmount", &["is", "4711", "/b"], json!(false)),
        ("ctrl1", "Hibernate", &["is", "4711", ""], json!(false)),
        ("ctrl1", "Wakeup", &["i", "4711"], json!(false)),
        ("ctrl1", "Annotate", &["iss", "4711", "k", "v"], json!(false)),
        ("ctrl1", "RemoveAnnotation", &["is", "4711", "k"], json!(false)),
        ("admin1", "SetLogLevel", &["i", "6"], json!(false)),
        ("admin1", "SetLogLevel", &["u", "1"], json!(false)),
        ("admin1", "SetAIDbusAddress", &["bs", "true", "unix:path=/x"], json!(false)),
        ("admin1", "SetLogMethod", &["u", "1"], json!(false)),
        ("debug1", "GetOCIConfig", &["i", "4711"], json!("")),
        ("debug1", "GetSpec", &["i", &d], json!("")),
        ("debug1", "CreateBundle", &["ss", "x", "{}"], json!(false)),
    ];
    for (interface, method, args, expected) in cases {
        assert_eq!(world.bus.one(interface, method, args), *expected, "{method} {args:?}");
    }
    // GetState answers for a container that does not exist, too.
    let log = world.daemon.log();
    for (_, method, args, _) in cases.iter().filter(|(.., expected)| *expected != json!(0)) {
        assert!(log.contains(&format!(": {method}: ")), "{method} {args:?}: {log}");
    }
    assert_eq!(world.bus.one("ctrl1", "GetState", &["i", &d]), 2, "the container runs on");
}

#[test]
fn a_bus_error_names_what_does_not_exist() {
    let world = BusWorld::new();
    let call = |object: &str, interface: &str, method: &str| {
        let output = world.bus.busctl(["call", "org.rdk.dobby", object, interface, method]).output().unwrap();
        assert!(!output.status.success(), "{output:?}");
        String::from_utf8(output.stderr).unwrap()
    };
    let message = call("/org/rdk/dobby", "org.rdk.dobby.ctrl1", "Fly");
    assert!(message.contains("there is no method Fly in org.rdk.dobby.ctrl1"), "{message}");
    let message = call("/org/rdk/dobby", "org.rdk.dobby.admin1", "List");
    assert!(message.contains("there is no method List"), "{message}");
    let message = call("/other", "org.rdk.dobby.ctrl1", "List");
    assert!(message.contains("the object /other does not exist"), "{message}");
}

#[test]
fn the_object_describes_itself() {
    let world = BusWorld::new();
    let output = world.bus.busctl(["tree", "--list", "org.rdk.dobby"]).output().unwrap();
    assert!(String::from_utf8_lossy(&output.stdout).contains("/org/rdk/dobby"), "{output:?}");
    let args = ["introspect", "--xml-interface", "org.rdk.dobby", "/org/rdk/dobby"];
    let output = world.bus.busctl(args).output().unwrap();
    let text = String::from_utf8(output.stdout).unwrap();
    let names = [
        "Ping Shutdown SetLogMethod SetLogLevel SetAIDbusAddress Start StartFromSpec StartFromBundle Stop Pause",
        "Resume Hibernate Wakeup Exec Mount Unmount Annotate RemoveAnnotation GetState GetInfo List CreateBundle",
        "GetSpec GetOCIConfig",
    ];
    for name in names.join(" ").split(' ') {
        assert!(text.contains(&format!("<method name=\"{name}\">")), "{name}: {text}");
    }
    for name in ["Peer", "Introspectable", "Properties"] {
        assert!(
            text.contains(&format!("<interface name=\"org.freedesktop.DBus.{name}\">")),
            "{name}: {text}"
        );
    }
    for name in ["Ready", "Started", "Stopped", "StoppedWithStatus", "Hibernated", "Awoken"] {
        assert!(text.contains(&format!("<signal name=\"{name}\">")), "{name}: {text}");
    }
    let properties = |method: &str, args: &[&str]| {
        let words = ["call", "org.rdk.dobby", "/org/rdk/dobby", "org.freedesktop.DBus.Properties", method];
        world.bus.busctl(words.iter().chain(args)).output().unwrap()
    };
    let all = properties("GetAll", &["s", "org.rdk.dobby.ctrl1"]);
    assert_eq!(serde_json::from_slice::<serde_json::Value>(&all.stdout).unwrap()["data"], json!([{}]));
    let one = properties("Get", &["ss", "org.rdk.dobby.ctrl1", "Version"]);
    assert!(String::from_utf8_lossy(&one.stderr).contains("it has no properties"), "{one:?}");
    let peer = ["call", "org.rdk.dobby", "/", "org.freedesktop.DBus.Peer", "Ping"];
    assert!(world.bus.busctl(peer).output().unwrap().status.success());
}

#[test]
fn the_daemon_itself_answers_and_ends_while_containers_go_on() {
    let mut world = BusWorld::new();
    let id = world.daemon.id("a");
    let d = world.sleeper(&id);
    assert_eq!(world.bus.answer("admin1", "Ping", &[]), json!([]));
    assert_eq!(world.bus.one("admin1", "SetLogLevel", &["i", "1"]), true);
    let quiet = world.daemon.log();
    assert_eq!(world.bus.one("ctrl1", "Pause", &["i", &d]), true);
    assert_eq!(world.daemon.log(), quiet, "calls are logged at level info");
    assert_eq!(world.bus.one("admin1", "SetLogLevel", &["i", "5"]), true);
    assert_eq!(world.bus.one("ctrl1", "Resume", &["i", &d]), true);
    assert!(world.daemon.log().contains("user 0 over D-Bus"), "{}", world.daemon.log());
    assert_eq!(world.bus.answer("admin1", "Shutdown", &[]), json!([]));
    world.daemon.until("the daemon ends", || world.daemon.log().contains("shutting down"));
    assert_eq!(world.daemon.join(), Some(0));
    // The next one finds the container, and announces itself and what its clients have missed.
    let monitor = Monitor::new(&world.bus);
    world.daemon.start();
    monitor.until("Started", &id);
    assert_eq!(monitor.signals()[0], ("Ready".to_owned(), json!([])));
    assert_eq!(world.bus.one("ctrl1", "GetState", &["i", &d]), 2);
}

#[test]
fn without_the_flag_the_daemon_is_on_no_bus() {
    let world = DaemonWorld::new();
    assert!(!world.log().contains("D-Bus"));
}
