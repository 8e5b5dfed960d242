//! Specs, started by the daemon.

use std::fs;
use std::os::unix::process::ExitStatusExt;
use std::path::{Path, PathBuf};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::specs::with;
use crate::support::daemon_world::DaemonWorld;

/// A daemon whose conversions do not depend on this host's settings.
pub(crate) fn world() -> DaemonWorld {
    DaemonWorld::with(&["--dobby-settings", "/nonexistent/dobby.json"])
}

/// Starts a container from a spec and gives its descriptor.
pub(crate) fn start(world: &DaemonWorld, id: &str, spec: &Value) -> i64 {
    let params = json!({"containerId": id, "dobbySpec": spec});
    world.done("startContainerFromDobbySpec", &params)["descriptor"].as_i64().unwrap()
}

/// The process id of a container's program.
pub(crate) fn pid(world: &DaemonWorld, id: &str) -> u64 {
    world.done("getContainerInfo", &json!({"containerId": id}))["info"]["pids"][0].as_u64().unwrap()
}

/// What is in the state directory; the daemon's own files included.
pub(crate) fn left(world: &DaemonWorld) -> Vec<PathBuf> {
    crate::support::state::kept(&world.path("state"))
}

/// Deletes a container; nothing may be left.
pub(crate) fn end(world: &DaemonWorld, id: &str) {
    world.done("deleteContainer", &json!({"containerId": id, "force": true}));
    assert!(left(world).is_empty(), "{:?}\n{}", left(world), world.log());
}

#[test]
fn every_form_of_a_spec_starts() {
    let world = world();
    let spec = with(&json!({"network": "private"}));
    let file = world.path("spec.json");
    fs::write(&file, format!("// a comment\n{spec}")).unwrap();
    for form in [spec.clone(), json!(spec.to_string()), json!(file)] {
        let id = world.id("form");
        assert!((1..=1023).contains(&start(&world, &id, &form)), "{form}");
        let pid = pid(&world, &id);
        let map = fs::read_to_string(format!("/proc/{pid}/uid_map")).unwrap();
        assert_eq!(map.split_whitespace().collect::<Vec<_>>(), ["0", "1000", "1"]);
        let host_name = fs::read_to_string(world.path("state").join(&id).join("config.json")).unwrap();
        assert!(host_name.contains(&format!("\"hostname\":\"{id}\"")), "{host_name}");
        end(&world, &id);
    }
}

#[test]
fn every_mistake_of_a_spec_is_told_and_nothing_is_left() {
    let world = world();
    let id = world.id("bad");
    let spec = with(&json!({"cpu": {"shares": 101}, "memLimit": "much", "network": "wide", "unknown": 1}));
    for form in [spec.clone(), json!(spec.to_string())] {
        let params = json!({"containerId": id, "dobbySpec": form});
        let error = world.call("startContainerFromDobbySpec", &params).unwrap_err();
        let data = error["data"].as_str().unwrap();
        for part in [id.as_str(), "cpu.shares: 101", "memLimit: \"much\"", "network: \"wide\""] {
            assert!(data.contains(part), "{part}: {data}");
        }
    }
    let no_program = with(&json!({"args": ["/nonexistent/program"]}));
    let params = json!({"containerId": id, "dobbySpec": no_program});
    let error = world.call("startContainerFromDobbySpec", &params).unwrap_err();
    assert!(error["data"].as_str().unwrap().contains("/nonexistent/program"), "{error}");
    assert!(left(&world).is_empty(), "{:?}", left(&world));
    assert_eq!(world.done("listContainers", &json!({}))["containers"], json!([]));
}

#[test]
fn a_killed_daemon_leaves_nothing_that_the_next_one_does_not_remove() {
    let mut world = world();
    let (runs, ended) = (world.id("runs"), world.id("ended"));
    start(&world, &runs, &with(&json!({})));
    start(&world, &ended, &with(&json!({})));
    let pid = pid(&world, &ended);
    world.end(Signal::KILL);
    let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
    rustix::process::kill_process(pid, Signal::KILL).unwrap();
    // What a daemon leaves that is killed in the middle of a conversion.
    let half = world.path("state").join(world.id("half"));
    fs::create_dir_all(half.join("spec/rootfs/etc")).unwrap();
    fs::write(half.join("mark"), "").unwrap();
    fs::create_dir_all(half.join(".bundle-1-0.tmp/rootfs")).unwrap();
    world.start();
    world.until("only one is left", || left(&world) == [world.path("state").join(&runs)]);
    end(&world, &runs);
}

#[test]
fn the_command_line_starts_and_converts() {
    let world = world();
    let id = world.id("cli");
    let (spec, bad, bundle) = (world.path("spec.json"), world.path("bad.json"), world.path("bundle"));
    fs::write(&spec, format!("/* a spec */ {}", with(&json!({})))).unwrap();
    fs::write(&bad, with(&json!({"cpu": {"shares": 101}, "userNs": 1})).to_string()).unwrap();
    let text = |path: &Path| path.to_str().unwrap().to_owned();
    let output = world.cli(&["start-spec", &id, &text(&spec), "--", "sleep", "77"]);
    assert!(output.status.success(), "{output:?}");
    let program = || fs::read(format!("/proc/{}/cmdline", pid(&world, &id))).unwrap();
    world.until("it runs the command", || program() == b"sleep\x0077\0");
    end(&world, &id);
    let words = ["start-spec", &id, &text(&spec), "--env", "A=b c", "--", "sh", "-c", "echo $A; sleep 60"];
    let output = world.cli(&words);
    assert!(output.status.success(), "{output:?}");
    crate::plugins::says(&world, &id, "b c\n");
    end(&world, &id);
    let output = world.cli(&["start-spec", &id, &text(&spec), "--westeros", "/nonexistent/socket"]);
    assert!(String::from_utf8_lossy(&output.stderr).contains("/nonexistent/socket"), "{output:?}");
    let output = world.cli(&["start-spec", &id, &text(&bad)]);
    assert_eq!(output.status.code(), Some(3), "{output:?}");

    let convert = |from: &Path, to: &Path| {
        let mut command = std::process::Command::new(crate::support::host::daemon_program());
        command.args(["convert-spec", "--dobby-settings", "/nonexistent", "--to"]).arg(to).arg(from);
        command.output().unwrap()
    };
    let output = convert(&bad, &bundle);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!((output.status.code(), output.status.signal()), (Some(3), None), "{said}");
    assert!(said.contains("cpu.shares: 101") && said.contains("userNs: 1"), "{said}");
    assert!(!bundle.exists());
    let output = convert(&spec, &bundle);
    assert!(output.status.success(), "{output:?}");
    let config: Value = serde_json::from_slice(&fs::read(bundle.join("config.json")).unwrap()).unwrap();
    assert_eq!(config["process"]["cwd"], "/");
    assert!(bundle.join("rootfs/etc/hosts").is_file());
    assert_eq!(convert(&spec, &bundle).status.code(), Some(6), "the bundle is there already");
}
