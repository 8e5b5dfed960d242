//! The walls between containers on the bridge hold against containers that lie, and whatever else the host's firewall
//! does. Each test is in a network of its own.

use std::path::Path;
use std::process::Command;

use nix::mount::{MsFlags, mount};
use serde_json::json;

use crate::daemon::{end, left, world};
use crate::isolation::{connected, does_not_reach, heard_in_vain, inside, reaches, ready, serve, server};
use crate::nat::{Outside, ip, leave_the_hosts_network, set_up};
use crate::specs::with;
use crate::support::daemon_world::{DaemonWorld, leave_the_hosts_mounts};

fn delete(world: &DaemonWorld, id: &str) {
    world.done("deleteContainer", &json!({"containerId": id, "force": true}));
}

/// The output of a program that must succeed.
fn output(program: &str, args: &[&str]) -> String {
    let output = Command::new(program).args(args).output().unwrap();
    assert!(output.status.success(), "{program} {args:?}: {output:?}");
    String::from_utf8(output.stdout).unwrap()
}

fn hardware(world: &DaemonWorld, id: &str) -> String {
    let link = inside(world, id, || output("ip", &["-o", "link", "show", "dev", "eth0"]));
    link.split("link/ether ").nth(1).unwrap().split(' ').next().unwrap().to_owned()
}

#[test]
fn a_container_cannot_take_the_hardware_address_of_another() {
    let outside = Outside::new();
    let world = world();
    let (liar, victim) = (world.id("liar"), world.id("victim"));
    let between = |direction: &str| json!({"interContainer": [{"direction": direction, "port": 9}]});
    connected(&world, &liar, "", &between("out"));
    connected(&world, &victim, &server("victim", 8001), &between("in"));
    ready(&world, "100.64.11.3:8001", "victim\n");
    let (own, gateway) = (hardware(&world, &victim), inside(&world, &victim, || output("ip", &["neigh"])));
    assert!(gateway.starts_with("100.64.11.1 ") && gateway.contains("PERMANENT"), "{gateway}");
    inside(&world, &liar, || {
        ip(&format!("link set eth0 address {own}"));
        ip("addr add 100.64.11.1/32 dev eth0");
        ip("addr add 100.64.11.3/32 dev eth0");
        // Frames and questions that say: this is where that address is.
        for from in ["100.64.11.1", "100.64.11.3"] {
            let mut ping = Command::new("busybox");
            ping.args(["arping", "-A", "-c", "3", "-I", "eth0", from]);
            let _answer = ping.output().unwrap();
        }
        serve("0.0.0.0:8001");
    });
    ready(&world, "100.64.11.3:8001", "victim\n");
    assert_eq!(heard_in_vain("100.64.11.2:8001"), None, "it is cut off from its own answers");
    reaches(&world, &victim, "203.0.113.1:8080", "from 203.0.113.2\n");
    delete(&world, &liar);
    end(&world, &victim);
    outside.end();
}

#[test]
fn a_port_for_the_outside_is_not_one_for_other_containers() {
    let outside = Outside::new();
    let world = world();
    let (serves, other) = (world.id("serves"), world.id("other"));
    let ports = json!({"portForwarding": {"hostToContainer": [{"port": 8001, "protocol": "tcp"}]}});
    connected(&world, &serves, &server("outside", 8001), &ports);
    connected(&world, &other, "", &json!({}));
    ready(&world, "203.0.113.2:8001", "outside\n");
    for address in ["203.0.113.2:8001", "100.64.11.1:8001", "100.64.11.2:8001"] {
        does_not_reach(&world, &other, address);
    }
    delete(&world, &serves);
    end(&world, &other);
    outside.end();
}

#[test]
fn the_hosts_link_local_address_is_closed_too() {
    let outside = Outside::new();
    let world = world();
    let id = world.id("local");
    connected(&world, &id, "", &json!({"ipv4": true, "ipv6": true}));
    serve("[::]:7357");
    let links = output("ip", &["-6", "-o", "addr", "show", "dev", "dobby0", "scope", "link"]);
    let address = links.split("inet6 ").nth(1).unwrap().split('/').next().unwrap();
    let index = inside(&world, &id, || output("ip", &["-o", "link", "show", "dev", "eth0"]));
    let index = index.split(':').next().unwrap();
    does_not_reach(&world, &id, &format!("[{address}%{index}]:7357"));
    end(&world, &id);
    outside.end();
}

#[test]
fn a_firewall_that_refuses_everything_lets_through_what_is_granted() {
    let outside = Outside::new();
    for chain in ["INPUT", "FORWARD"] {
        output("iptables", &["-P", chain, "DROP"]);
    }
    output("iptables", &["-A", "INPUT", "-i", "lo", "-j", "ACCEPT"]);
    let world = world();
    let (serves, client) = (world.id("serves"), world.id("client"));
    serve("127.0.0.1:7357");
    let between = |direction: &str| json!([{"direction": direction, "port": 8001}]);
    let host = json!({"containerToHost": [{"port": 7357}]});
    connected(&world, &serves, "", &json!({"interContainer": between("in")}));
    connected(&world, &client, "", &json!({"interContainer": between("out"), "portForwarding": host}));
    inside(&world, &serves, || serve("0.0.0.0:8001"));
    for (address, expected) in [
        ("100.64.11.1:7357", "host, 100.64.11.3"),
        ("100.64.11.1:8001", "host, 100.64.11.1"),
        ("203.0.113.1:8080", "from 203.0.113.2\n"),
    ] {
        reaches(&world, &client, address, expected);
    }
    delete(&world, &serves);
    end(&world, &client);
    outside.end();
}

#[test]
fn containers_that_start_at_once_are_all_confined() {
    let outside = Outside::new();
    let world = world();
    let ids: Vec<_> = (0..6).map(|number| world.id(&format!("many{number}"))).collect();
    std::thread::scope(|scope| {
        for id in &ids {
            scope.spawn(|| connected(&world, id, "", &json!({})));
        }
    });
    let rules = output("iptables-save", &["-t", "raw"]);
    assert_eq!(rules.lines().filter(|line| line.contains("physdev-in") && line.ends_with("DROP")).count(), 6);
    assert_eq!(rules.matches("-A PREROUTING").count(), 1, "{rules}");
    std::thread::scope(|scope| {
        for id in &ids {
            scope.spawn(|| delete(&world, id));
        }
    });
    assert_eq!((set_up("100.64.11."), left(&world).len()), ((0, false), 0), "{}", world.log());
    outside.end();
}

#[test]
fn without_rules_nothing_starts() {
    leave_the_hosts_mounts();
    leave_the_hosts_network();
    for name in ["iptables-restore", "ip6tables-restore"] {
        let place = Path::new("/usr/sbin").join(name);
        mount(Some("/dev/null"), &place, None::<&str>, MsFlags::MS_BIND, None::<&str>).unwrap();
    }
    let world = world();
    let params = json!({"containerId": world.id("open"), "dobbySpec": with(&json!({"network": "nat"}))});
    let error = world.call("startContainerFromDobbySpec", &params).unwrap_err();
    assert!(error["data"].as_str().unwrap().contains("install the package iptables"), "{error}");
    assert!(left(&world).is_empty() && world.runtime_list().is_empty(), "{}", world.log());
    let links = output("ip", &["-o", "link"]);
    assert!(!links.contains("dobby0") && !links.contains("veth"), "{links}");
}
