//! The files that put the daemon in the place of Dobby.

use std::fs;
use std::path::Path;
use std::process::{Command, Output};

use crate::bus::{Bus, as_user};
use crate::client::Client;
use crate::support::daemon_world::DaemonWorld;
use crate::support::host::daemon_program;
use crate::support::test_dir::test_dir;

const ROOT: &str = env!("CARGO_MANIFEST_DIR");
const POLICY: &str = "scripts/dbus/org.rdk.dobby.conf";

fn read(name: &str) -> String {
    fs::read_to_string(Path::new(ROOT).join(name)).unwrap()
}

/// The policy of a system bus, with ours in it.
fn system_policy() -> String {
    let ours = read(POLICY);
    let (_, ours) = ours.split_once("<busconfig>").unwrap();
    let (ours, _) = ours.split_once("</busconfig>").unwrap();
    format!(
        "<policy context=\"default\">\n<allow user=\"*\"/>\n<deny own=\"*\"/><deny send_type=\"method_call\"/>\n\
         <allow send_type=\"signal\"/><allow send_requested_reply=\"true\" send_type=\"method_return\"/>\n\
         <allow send_requested_reply=\"true\" send_type=\"error\"/>\n\
         <allow receive_type=\"method_call\"/><allow receive_type=\"method_return\"/>\n\
         <allow receive_type=\"error\"/><allow receive_type=\"signal\"/>\n\
         <allow send_destination=\"org.freedesktop.DBus\"/>\n</policy>\n{ours}"
    )
}

#[test]
fn with_the_policy_root_serves_and_calls_and_other_users_do_not() {
    let bus = Bus::with(&system_policy());
    let daemon = DaemonWorld::with(&["--dbus", &bus.address(), "--dbus-allow-uid", "65534"]);
    daemon.until("the daemon is on the bus", || daemon.log().contains("answering on D-Bus"));
    assert!(bus.call("admin1", "Ping", &[]).status.success());
    // The daemon would let that user call; the bus does not.
    let output = as_user(bus.call_command("admin1", "Ping", &[]), 65_534);
    assert!(!output.status.success() && !daemon.log().contains("refused"), "{output:?}\n{}", daemon.log());
}

#[test]
fn with_the_policy_dobbys_clients_take_their_own_names() {
    let bus = Bus::with(&system_policy());
    let client = Client::new(&bus);
    for name in ["org.rdk.dobby.test.pid4711", "com.sky.dobby.thunder", "com.sky.dobby.processcontainers"] {
        client.own(name).unwrap();
    }
    assert!(client.own("org.rdk.other").is_err());
}

#[test]
fn without_the_policy_the_daemon_explains_that_it_is_missing() {
    let policy = system_policy();
    let (system, _) = policy.split_once("</policy>").unwrap();
    let bus = Bus::with(&format!("{system}</policy>"));
    let daemon = DaemonWorld::with(&["--dbus", &bus.address()]);
    daemon.until("it is logged", || daemon.log().contains("the policy file org.rdk.dobby.conf"));
}

fn install(prefix: &Path, args: &[&str]) -> Output {
    let mut command = Command::new(Path::new(ROOT).join("scripts/install"));
    command.env("OCICONTAINER", daemon_program()).arg("--prefix").arg(prefix).args(args).output().unwrap()
}

#[test]
fn the_package_is_installed_and_removed_and_replaces_nothing_of_dobbys() {
    let dir = tempfile::tempdir_in(test_dir()).unwrap();
    let prefix = dir.path().join("usr");
    let files = [
        "bin/DobbyTool",
        "lib/systemd/system/ocicontainer.service.d/dobby.conf",
        "share/dbus-1/system-services/org.rdk.dobby.service",
        "share/dbus-1/system.d/org.rdk.dobby.conf",
    ];
    let output = install(&prefix, &["--dobby"]);
    assert!(output.status.success(), "{output:?}");
    let installed = |name: &&str| prefix.join(name).symlink_metadata().is_ok();
    assert!(files.iter().all(installed), "{output:?}");
    let help = Command::new(prefix.join("bin/DobbyTool")).arg("-h").output().unwrap();
    assert!(String::from_utf8_lossy(&help.stdout).starts_with("Usage: DobbyTool "), "{help:?}");
    let unit = fs::read_to_string(prefix.join(files[1])).unwrap();
    let program = format!("ExecStart=\"{}\" serve --dbus system", prefix.join("bin/ocicontainer").display());
    assert!(unit.contains(&program), "{unit}");
    assert!(install(&prefix, &["--dobby", "--remove"]).status.success());
    assert!(!files.iter().any(installed));
    fs::create_dir_all(prefix.join("bin")).unwrap();
    fs::write(prefix.join("bin/DobbyTool"), "Dobby's own").unwrap();
    assert_eq!(install(&prefix, &["--dobby"]).status.code(), Some(1));
    assert!(install(&prefix, &["--daemon"]).status.success());
    assert!(install(&prefix, &["--daemon", "--remove"]).status.success());
    assert_eq!(fs::read_to_string(prefix.join("bin/DobbyTool")).unwrap(), "Dobby's own");
}

#[test]
fn a_call_starts_the_unit_that_there_is() {
    let service = read("scripts/dbus/org.rdk.dobby.service");
    assert!(service.contains("\nName=org.rdk.dobby\n") && service.contains("\nUser=root\n"), "{service}");
    let unit = service.lines().find_map(|line| line.strip_prefix("SystemdService=")).unwrap();
    assert!(Path::new(ROOT).join("scripts/systemd").join(unit).exists(), "{unit}");
}
