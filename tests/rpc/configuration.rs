//! Settings, sockets, and one daemon at a time.

use std::fs;
use std::process::Command;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::daemon_world::{DaemonWorld, PLUGIN};
use crate::support::host::daemon_program;

fn status(world: &DaemonWorld) -> Value {
    let request = r#"{"id":1,"method":"Controller.1.status"}"#;
    world.post(request).json()["result"][0].clone()
}

#[test]
fn a_thunder_plugin_file_names_the_plugin() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("OCIContainer.json");
    let text = r#"{"locator":"libMine.so","classname":"Mine","callsign":"org.mine.Containers","precondition":["Platform"],
        "autostart":true,"configuration":{"x":1}}"#;
    std::fs::write(&file, text).unwrap();
    let world = DaemonWorld::with(&["--plugin-config", file.to_str().unwrap()]);
    let told = status(&world);
    let told = ["callsign", "classname", "locator", "autostart"].map(|name| told[name].clone());
    assert_eq!(told, [json!("org.mine.Containers"), json!("Mine"), json!("libMine.so"), json!(true)]);
    for (callsign, code) in [("org.mine.Containers", 0), ("OCIContainer", 0), ("org.rdk.OCIContainer", 2)] {
        let answer = world.post(&format!(r#"{{"id":1,"method":"{callsign}.1.listContainers"}}"#)).json();
        assert_eq!(answer["error"]["code"].as_i64().unwrap_or(0), code, "{callsign}");
    }
    let world = DaemonWorld::with(&["--plugin-config", file.to_str().unwrap(), "--callsign", "flag.wins"]);
    assert_eq!(status(&world)["callsign"], "flag.wins");
}

#[test]
fn without_autostart_the_plugin_waits_for_its_activation() {
    let world = DaemonWorld::with(&["--autostart", "false"]);
    assert_eq!(
        (&status(&world)["state"], &status(&world)["startmode"]),
        (&json!("deactivated"), &json!("Deactivated"))
    );
    for method in ["listContainers", "register", "versions", "nope"] {
        let error = world.call(method, &json!({})).unwrap_err();
        assert_eq!(
            (&error["code"], &error["message"]),
            (&json!(5), &json!("The service is in an illegal state!!!."))
        );
    }
    let mut ws = world.ws();
    let events = json!({"event": "statechange", "id": "me"});
    assert_eq!(ws.call("Controller.1.register", &events)["result"], 0);
    let activate = r#"{"jsonrpc":"2.0","id":1,"method":"Controller.1.activate","params":{"callsign":"org.rdk.OCIContainer"}}"#;
    for _ in 0..2 {
        assert_eq!(world.post(activate).body, r#"{"jsonrpc":"2.0","id":1,"result":null}"#);
    }
    let expected = r#"{"jsonrpc":"2.0","method":"me.statechange","params":{"callsign":"org.rdk.OCIContainer","state":"Activated","reason":"Requested"}}"#;
    assert_eq!(ws.text(), expected);
    assert_eq!(status(&world)["state"], "activated");
    assert_eq!(world.done("listContainers", &json!({}))["containers"], json!([]));
}

#[test]
fn the_settings_file_counts_below_the_flags() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("ocicontainer.toml");
    let path = file.to_str().unwrap().to_owned();
    let roots = dir.path().join("bundles");
    std::fs::create_dir(&roots).unwrap();
    std::fs::write(&file, format!("callsign = 'from.file'\nbundle_roots = ['{}']\n", roots.display()))
        .unwrap();
    let world = DaemonWorld::with(&["--config", &path]);
    assert_eq!(status(&world)["callsign"], "from.file");
    let bundle = world.bundle("b", &["true"]);
    let params = json!({"containerId": world.id("a"), "bundlePath": bundle});
    let request = json!({"id": 1, "method": "from.file.1.startContainer", "params": params});
    let answer = world.post(&request.to_string()).json();
    assert!(answer["error"]["data"].as_str().unwrap().contains("bundle"), "{answer}");
    let world = DaemonWorld::with(&["--config", &path, "--callsign", "from.flag"]);
    assert_eq!(status(&world)["callsign"], "from.flag");
    let bad = [("calsign = 'x'", "calsign"), ("stop_timeout = 'x'", "stop_timeout"), ("=", "cannot parse")];
    for (text, reason) in bad {
        std::fs::write(&file, text).unwrap();
        let output = Command::new(daemon_program()).args(["serve", "--config", &path]).output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(reason) && output.status.code() == Some(4), "{text}: {error}");
    }
    let output =
        Command::new(daemon_program()).args(["serve", "--config", "/nowhere.toml"]).output().unwrap();
    assert_eq!(output.status.code(), Some(1), "a file that was named must be there: {output:?}");
}

#[test]
fn a_second_daemon_is_refused() {
    let world = DaemonWorld::new();
    let output = world.serve_command().output().unwrap();
    let error = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(6), "{error}");
    assert_eq!(world.done("listContainers", &json!({}))["success"], true, "the first one is unharmed");
}

#[test]
fn an_address_that_is_taken_is_named() {
    let world = DaemonWorld::new();
    let other = tempfile::tempdir().unwrap();
    let serve = |socket: &std::path::Path, listen: &str| {
        let mut command = Command::new(daemon_program());
        command.arg("serve").args(["--listen", listen]).arg("--socket").arg(socket);
        command
            .arg("--state-dir")
            .arg(other.path().join("state"))
            .arg("--log-dir")
            .arg(other.path().join("log"))
            .arg("--hook")
            .arg(world.path("oci-minidump-hook"));
        let output = command.output().unwrap();
        (output.status.code(), String::from_utf8(output.stderr).unwrap())
    };
    let port = format!("127.0.0.1:{}", world.port);
    let (code, error) = serve(&other.path().join("socket"), &port);
    assert!(code == Some(6) && error.contains(&port) && error.contains("--listen"), "{code:?} {error}");
    let (code, error) = serve(&world.path("socket"), "127.0.0.1:0");
    assert!(code == Some(6) && error.contains("another daemon answers"), "{code:?} {error}");
    let file = other.path().join("file");
    std::fs::write(&file, "precious").unwrap();
    let link = other.path().join("link");
    std::os::unix::fs::symlink(world.path("socket"), &link).unwrap();
    for path in [&file, &link] {
        let (code, error) = serve(path, "127.0.0.1:0");
        assert!(code == Some(5) && error.contains("not a socket of ours"), "{code:?} {error}");
    }
    assert_eq!(std::fs::read_to_string(&file).unwrap(), "precious");
    assert_eq!(world.done("listContainers", &json!({}))["success"], true);
}

#[test]
fn a_stale_socket_is_replaced_and_a_restart_keeps_the_containers() {
    let mut world = DaemonWorld::new();
    let id = world.id("a");
    world.run(&id, &["sleep", "100"]);
    world.end(Signal::KILL);
    assert!(world.path("socket").exists(), "a killed daemon leaves its socket");
    world.start();
    let state = world.done("getContainerState", &json!({"containerId": id}));
    assert_eq!(state["state"], "Running");
    assert_eq!(world.end(Signal::TERM), Some(0));
    assert!(!world.path("socket").exists(), "one that ends removes it");
    assert_eq!(world.runtime_list(), [id.as_str()], "and no container");
    world.start();
    world.done("deleteContainer", &json!({"containerId": id, "force": true}));
}

#[test]
fn requests_under_way_are_finished_when_the_daemon_ends() {
    let mut world = DaemonWorld::new();
    let id = world.id("a");
    world.run(&id, &["sleep", "100"]);
    let mut client = world.tcp();
    let body = json!({"id": 1, "method": format!("{PLUGIN}.runCommand"),
        "params": {"containerId": id, "command": "sh -c 'echo begun; sleep 1; echo done'"}});
    client.send(crate::support::wire::request("POST", "/jsonrpc", &[], &body.to_string()).as_bytes());
    let (mut ws, mut busy, mut waiting) = (world.ws(), world.ws(), world.ws());
    busy.send(&body.to_string());
    let wait = json!({"id": 2, "method": format!("{PLUGIN}.waitContainer"), "params": {"containerId": id}});
    waiting.send(&wait.to_string());
    let info = json!({"containerId": id});
    world.until("the command runs", || {
        world.done("getContainerInfo", &info)["info"]["pids"].as_array().is_some_and(|pids| pids.len() > 4)
    });
    assert_eq!(world.end(Signal::TERM), Some(0));
    assert_eq!(client.answer().json()["result"]["stdout"], "begun\ndone\n");
    let answer: Value = serde_json::from_str(&busy.text()).unwrap();
    assert_eq!(answer["result"]["stdout"], "begun\ndone\n", "a call under way is answered first");
    for ws in [&mut ws, &mut busy, &mut waiting] {
        assert!(
            matches!(ws.socket.read(), Ok(tungstenite::Message::Close(Some(_)))),
            "WebSockets are closed"
        );
    }
    world.start();
    world.done("deleteContainer", &json!({"containerId": id, "force": true}));
}

#[test]
fn hanging_up_ends_nothing() {
    let world = DaemonWorld::new();
    let pid = rustix::process::Pid::from_raw(world.pid().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::HUP).unwrap();
    world.until("it is logged", || world.log().contains("SIGHUP: the log level is info"));
    assert_eq!(world.done("listContainers", &json!({}))["success"], true);
}

#[test]
fn the_log_level_changes_while_the_daemon_runs() {
    let dir = tempfile::tempdir_in(crate::support::test_dir::test_dir()).unwrap();
    let file = dir.path().join("settings.toml");
    fs::write(&file, "log_level = 'warn'").unwrap();
    let world = DaemonWorld::with(&["--config", file.to_str().unwrap(), "--log-level", "info"]);
    let id = world.id("a");
    let pid = rustix::process::Pid::from_raw(world.pid().try_into().unwrap()).unwrap();
    let hang_up = || rustix::process::kill_process(pid, Signal::HUP).unwrap();
    let calls = |method: &str| {
        let _not_there = world.call(method, &json!({"containerId": id}));
        world.log().contains(&format!("calls {method}"))
    };
    hang_up();
    world.until("the flag wins", || world.log().contains("SIGHUP: the log level is info"));
    assert!(calls("pauseContainer"));
    fs::write(&file, "log_level = 5").unwrap();
    hang_up();
    world.until("the mistake is logged", || world.log().contains("SIGHUP changes nothing"));
    assert!(calls("resumeContainer"));
}

#[test]
fn the_settings_file_sets_the_log_level_again_on_sighup() {
    let dir = tempfile::tempdir_in(crate::support::test_dir::test_dir()).unwrap();
    let file = dir.path().join("settings.toml");
    fs::write(&file, "log_level = 'info'").unwrap();
    let world = DaemonWorld::with(&["--config", file.to_str().unwrap()]);
    let id = world.id("a");
    let pid = rustix::process::Pid::from_raw(world.pid().try_into().unwrap()).unwrap();
    let logs_calls = || {
        let before = world.log().len();
        let _not_there = world.call("pauseContainer", &json!({"containerId": id}));
        world.log()[before..].contains("calls pauseContainer")
    };
    for (level, logged) in [("error", false), ("debug", true), ("warn", false)] {
        fs::write(&file, format!("log_level = '{level}'")).unwrap();
        rustix::process::kill_process(pid, Signal::HUP).unwrap();
        world.until(level, || logs_calls() == logged);
    }
}

#[cfg(not(feature = "dbus"))]
#[test]
fn a_program_without_dbus_says_so() {
    let dir = tempfile::tempdir_in(crate::support::test_dir::test_dir()).unwrap();
    crate::support::hook_wrapper::make(dir.path(), "");
    let mut command = std::process::Command::new(crate::support::host::daemon_program());
    command.args(["serve", "--no-tcp", "--dbus"]);
    crate::support::hook_wrapper::live_in(&mut command, dir.path());
    let output = command.output().unwrap();
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(9), "{message}");
    assert!(message.contains("build it with --features dbus"), "{message}");
}

#[test]
fn other_loopback_addresses_work_as_well() {
    for (listen, host) in [("[::1]:0", "[::1]"), ("127.0.0.2:0", "127.0.0.2")] {
        let world = DaemonWorld::with(&["--listen", listen]);
        let log = world.log();
        let (_, rest) = log.split_once("http://").unwrap();
        let address = rest.split('/').next().unwrap();
        let body = r#"{"id":1,"method":"OCIContainer.versions"}"#;
        for host in [host, address] {
            let mut client = crate::support::wire::Http::over(std::net::TcpStream::connect(address).unwrap());
            assert_eq!(
                client.request("POST", "/jsonrpc", &[("Host", host)], body).status,
                200,
                "{listen} {host}"
            );
        }
    }
}

#[test]
fn the_socket_can_be_given_to_a_group() {
    use std::os::unix::fs::MetadataExt;
    let world = DaemonWorld::with(&["--socket-group", "65534"]);
    let metadata = std::fs::metadata(world.path("socket")).unwrap();
    assert_eq!((metadata.gid(), metadata.mode() & 0o777), (65534, 0o660));
}

#[test]
fn changes_are_logged_with_who_asked() {
    let world = DaemonWorld::new();
    let id = world.id("a\u{1b}");
    let _refused = world.call("stopContainer", &json!({"containerId": id}));
    world.cli(&["delete", "nobody"]);
    world.done("listContainers", &json!({}));
    let log = world.log();
    assert!(log.contains("user 0 over TCP calls stopContainer for"), "{log}");
    assert!(
        log.contains("user 0 (process ") && log.contains("calls deleteContainer for \"nobody\""),
        "{log}"
    );
    assert!(!log.contains("listContainers") && !log.contains('\u{1b}'), "{log}");
}

#[test]
fn no_tcp_means_none() {
    let world = DaemonWorld::with(&["--no-tcp"]);
    assert!(!world.log().contains("http://"), "{}", world.log());
    let body = r#"{"id":1,"method":"OCIContainer.listContainers"}"#;
    assert_eq!(world.unix().request("POST", "/jsonrpc", &[], body).status, 200);
    let sockets = std::fs::read_dir(format!("/proc/{}/fd", world.pid())).unwrap();
    let inodes: Vec<String> = sockets
        .filter_map(|entry| std::fs::read_link(entry.unwrap().path()).ok()?.to_str().map(str::to_owned))
        .filter_map(|link| link.strip_prefix("socket:[").map(|rest| rest.trim_end_matches(']').to_owned()))
        .collect();
    let tcp = std::fs::read_to_string("/proc/net/tcp").unwrap();
    for line in tcp.lines().skip(1) {
        let inode = line.split_ascii_whitespace().nth(9).unwrap();
        assert!(inode == "0" || !inodes.iter().any(|known| known == inode), "{line}");
    }
}

#[test]
fn a_runtime_that_is_missing_is_named_at_the_start() {
    for (runtime, dir) in
        [("nosuch", tempfile::tempdir().unwrap()), ("/nowhere/crun", tempfile::tempdir().unwrap())]
    {
        let mut command = Command::new(daemon_program());
        command.args(["serve", "--no-tcp", "--runtime", runtime]);
        crate::support::hook_wrapper::live_in(&mut command, dir.path());
        let output = command.output().unwrap();
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(4), "{message}");
        assert!(message.contains(&format!("the runtime {runtime} is missing; install crun")), "{message}");
    }
}

#[test]
fn the_socket_can_be_named_by_the_environment() {
    let world = DaemonWorld::new();
    let list = |socket: &str| {
        Command::new(daemon_program()).arg("list").env("OCICONTAINER_SOCKET", socket).output().unwrap()
    };
    assert!(list(world.path("socket").to_str().unwrap()).status.success());
    let output = list("/nowhere/socket");
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nowhere/socket"), "{output:?}");
    // Before the verb, too.
    let mut command = Command::new(daemon_program());
    let output = command.arg("--socket").arg(world.path("socket")).args(["--json", "list"]).output().unwrap();
    assert!(output.stdout.starts_with(b"{\"containers\":[]"), "{output:?}");
}
