//! `network`: private and open.

use std::fs;
use std::path::{Path, PathBuf};

use serde_json::{Value, json};

use crate::daemon::{end, start, world};
use crate::specs::with;
use crate::support::daemon_world::DaemonWorld;

/// Starts a container of this network that says what it sees: its interfaces, whether it reaches itself on loopback,
/// its name servers.
fn sees(world: &DaemonWorld, id: &str, network: &Value) -> String {
    let script = "ls /sys/class/net | tr '\\n' ' '; cat /proc/net/fib_trie | grep -c '127.0.0.1'; \
        cat /etc/resolv.conf; echo end; sleep 60";
    let mut spec = with(&json!({"args": ["sh", "-c", script]}));
    if *network != json!("absent") {
        spec["network"] = network.clone();
    }
    start(world, id, &spec);
    let log =
        || world.done("getContainerLogs", &json!({"containerId": id}))["log"].as_str().unwrap().to_owned();
    world.until("it has said all", || log().ends_with("end\n"));
    log()
}

fn namespace(pid: &str) -> PathBuf {
    fs::read_link(Path::new("/proc").join(pid).join("ns/net")).unwrap()
}

#[test]
fn a_private_network_has_loopback_and_nothing_else() {
    let world = world();
    for network in [json!("private"), json!("absent"), Value::Null] {
        let id = world.id("private");
        let said = sees(&world, &id, &network);
        let (interfaces, rest) = said.split_once(' ').unwrap();
        assert_eq!(interfaces, "lo", "{network}: {said}");
        let addresses: u32 = rest.lines().next().unwrap().trim().parse().unwrap();
        assert!(addresses > 0, "{network}: loopback is down: {said}");
        let pid = crate::daemon::pid(&world, &id).to_string();
        assert_ne!(namespace(&pid), namespace("self"), "{network}");
        end(&world, &id);
    }
}

#[test]
fn an_open_network_is_the_hosts_with_its_name_servers() {
    let world = world();
    let id = world.id("open");
    let said = sees(&world, &id, &json!("open"));
    let pid = crate::daemon::pid(&world, &id).to_string();
    assert_eq!(namespace(&pid), namespace("self"));
    let servers = fs::read_to_string("/etc/resolv.conf").unwrap_or_default();
    assert!(said.ends_with(&format!("{servers}end\n")), "{said}");
    end(&world, &id);
}
