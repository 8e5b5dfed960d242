//! What a container on the bridge asks for, it reaches: ports of the host and of other containers, names, IPv6. Each test
//! is in a network of its own.

use std::net::UdpSocket;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::daemon::{end, start, world};
use crate::isolation::{
    GATEWAY, LONG, SHORT, connected, does_not_reach, heard_in_vain, inside, reaches, ready, serve, server,
};
use crate::nat::{Outside, ip, set_up};
use crate::plugins::says;
use crate::specs::with;
use crate::support::daemon_world::DaemonWorld;

fn delete(world: &DaemonWorld, id: &str) {
    world.done("deleteContainer", &json!({"containerId": id, "force": true}));
}

#[test]
fn a_container_reaches_the_ports_of_the_host_that_it_names() {
    let outside = Outside::new();
    let world = world();
    let (id, other) = (world.id("named"), world.id("other"));
    // Only the host's own programs reach these, and none on port 7358 is named.
    serve("127.0.0.1:7357");
    serve("127.0.0.1:7358");
    let ports = json!({"localhostMasquerade": true, "containerToHost": [{"port": 7357, "protocol": "tcp"}]});
    connected(&world, &id, "", &json!({"portForwarding": ports}));
    connected(&world, &other, "", &json!({}));
    // The other one by localhostMasquerade.
    for address in ["100.64.11.1:7357", "127.0.0.1:7357"] {
        reaches(&world, &id, address, "host, 100.64.11.2");
    }
    for (who, address) in [(&id, "100.64.11.1:7358"), (&id, "127.0.0.1:7358"), (&other, "100.64.11.1:7357")] {
        does_not_reach(&world, who, address);
    }
    // The address of loopback itself is not a way in, whatever routes the container gives itself.
    let sneaked = inside(&world, &other, || {
        std::fs::write("/proc/sys/net/ipv4/conf/eth0/route_localnet", "1").unwrap();
        ip("route del local 127.0.0.0/8 dev lo table local");
        ip("route del local 127.0.0.1 dev lo table local");
        ip("route add 127.0.0.1/32 via 100.64.11.1 src 100.64.11.3");
        ["127.0.0.1:7357", "127.0.0.1:7358"].map(heard_in_vain)
    });
    assert_eq!(sneaked, [None, None]);
    delete(&world, &id);
    end(&world, &other);
    assert_eq!(set_up("100.64.11."), (0, false), "{}", world.log());
    outside.end();
}

#[test]
fn the_grant_of_a_container_goes_with_it() {
    let outside = Outside::new();
    let mut world = world();
    let (id, next) = (world.id("granted"), world.id("next"));
    serve("127.0.0.1:7357");
    let data = json!({"portForwarding": {"containerToHost": [{"port": 7357}]}});
    connected(&world, &id, "", &data);
    reaches(&world, &id, "100.64.11.1:7357", "host, 100.64.11.2");
    // A daemon that is killed leaves the rules as they are, and the next one keeps them.
    world.end(Signal::KILL);
    world.start();
    reaches(&world, &id, "100.64.11.1:7357", "host, 100.64.11.2");
    delete(&world, &id);
    connected(&world, &next, "", &json!({}));
    // It has the same address.
    does_not_reach(&world, &next, "100.64.11.1:7357");
    end(&world, &next);
    outside.end();
}

#[test]
fn containers_share_the_ports_that_both_name() {
    let outside = Outside::new();
    let world = world();
    let (serves, client, stranger) = (world.id("serves"), world.id("client"), world.id("stranger"));
    let between =
        |direction: &str, port: u16| json!({"direction": direction, "port": port, "protocol": "tcp"});
    let script = format!("{} {}", server("open", 8001), server("closed", 8002));
    connected(
        &world,
        &serves,
        &script,
        &json!({"interContainer": [between("in", 8001), between("in", 8003)]}),
    );
    let mut out = [between("out", 8001), between("out", 8002)];
    out[0]["localhostMasquerade"] = json!(true);
    connected(&world, &client, "", &json!({"interContainer": out}));
    connected(&world, &stranger, "", &json!({"interContainer": [between("out", 8003)]}));
    ready(&world, "100.64.11.2:8001", "open\n");
    ready(&world, "100.64.11.2:8002", "closed\n");
    for address in ["100.64.11.1:8001", "127.0.0.1:8001"] {
        reaches(&world, &client, address, "open\n");
    }
    for address in ["100.64.11.2:8001", "100.64.11.2:8002", "100.64.11.1:8002"] {
        does_not_reach(&world, &client, address);
    }
    for address in ["100.64.11.1:8001", "100.64.11.2:8001"] {
        does_not_reach(&world, &stranger, address);
    }
    // The port goes with the container that serves it.
    delete(&world, &serves);
    does_not_reach(&world, &client, "100.64.11.1:8001");
    delete(&world, &client);
    end(&world, &stranger);
    outside.end();
}

#[test]
fn a_server_on_its_own_localhost_is_reached_by_others() {
    let outside = Outside::new();
    let world = world();
    let (serves, client) = (world.id("local"), world.id("client"));
    let port = |direction: &str| json!([{"direction": direction, "port": 8001, "localhostMasquerade": direction == "in"}]);
    connected(&world, &serves, "", &json!({"interContainer": port("in")}));
    inside(&world, &serves, || serve("127.0.0.1:8001"));
    connected(&world, &client, "", &json!({"interContainer": port("out")}));
    // Servers see the bridge: the address of the other container leads nowhere from there.
    reaches(&world, &client, "100.64.11.1:8001", "host, 100.64.11.1");
    delete(&world, &serves);
    end(&world, &client);
    outside.end();
}

/// A daemon with settings of Dobby.
fn world_with(settings: &Value) -> (DaemonWorld, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("dobby.json");
    std::fs::write(&file, settings.to_string()).unwrap();
    (DaemonWorld::with(&["--dobby-settings", file.to_str().unwrap()]), dir)
}

#[test]
fn the_administrator_chooses_addresses_and_interfaces() {
    let outside = Outside::new();
    let settings =
        json!({"network": {"addressRange": "10.213.7.0", "externalInterfaces": ["out0", "absent0"]}});
    let (world, _dir) = world_with(&settings);
    let id = world.id("chosen");
    connected(&world, &id, "ip -4 -o addr show dev eth0 | tr -s ' ' | cut -d ' ' -f 4;", &json!({}));
    says(&world, &id, "10.213.7.2/24\n");
    reaches(&world, &id, "203.0.113.1:8080", "from 203.0.113.2\n");
    end(&world, &id);

    let (elsewhere, _dir) = world_with(&json!({"network": {"externalInterfaces": "absent0"}}));
    let id = elsewhere.id("elsewhere");
    connected(&elsewhere, &id, "", &json!({}));
    does_not_reach(&elsewhere, &id, "203.0.113.1:8080");
    end(&elsewhere, &id);

    let (wrong, _dir) = world_with(&json!({"network": {"addressRange": "10.213.7.9"}}));
    let spec = with(&json!({"network": "nat"}));
    let params = json!({"containerId": wrong.id("wrong"), "dobbySpec": spec});
    let error = wrong.call("startContainerFromDobbySpec", &params).unwrap_err();
    assert!(error["data"].as_str().unwrap().contains("network.addressRange"), "{error}");
    drop((world, elsewhere, wrong));
    outside.end();
}

#[test]
fn names_are_answered_by_the_hosts_own_server() {
    let outside = Outside::new();
    let world = world();
    let (id, without) = (world.id("names"), world.id("without"));
    let server = UdpSocket::bind("127.0.0.1:53").unwrap();
    std::thread::spawn(move || {
        let mut query = [0; 512];
        while let Ok((length, from)) = server.recv_from(&mut query) {
            let _gone = server.send_to(&query[..length], from);
        }
    });
    let script = "cat /etc/resolv.conf;";
    start(&world, &id, &with(&json!({"network": "nat", "args": ["sh", "-c", format!("{script} sleep 60")]})));
    says(&world, &id, &format!("nameserver {GATEWAY}\n"));
    connected(&world, &without, script, &json!({}));
    let ask = |patience: Duration| {
        let socket = UdpSocket::bind("0.0.0.0:0").unwrap();
        socket.set_read_timeout(Some(patience)).unwrap();
        socket.send_to(b"query", (GATEWAY, 53)).unwrap();
        let mut answer = [0; 16];
        socket.recv(&mut answer).is_ok_and(|length| &answer[..length] == b"query")
    };
    assert!(inside(&world, &id, || ask(LONG)), "{}", world.log());
    assert!(!inside(&world, &without, || ask(SHORT)), "it did not ask for dnsmasq");
    says(&world, &without, &std::fs::read_to_string("/etc/resolv.conf").unwrap());
    delete(&world, &id);
    end(&world, &without);
    outside.end();
}

#[test]
fn containers_have_ipv6_and_are_as_confined_there() {
    let outside = Outside::new();
    let mut world = world();
    let (both, only, old) = (world.id("both"), world.id("only"), world.id("old"));
    serve("[::]:7357");
    serve("[::]:7358");
    // The first one makes the bridge, and has IPv4 only.
    connected(&world, &old, "", &json!({}));
    let between = |direction: &str| json!([{"direction": direction, "port": 8001}]);
    let servers = format!("{} {}", server("six", 8001), server("closed", 8002));
    connected(&world, &both, &servers, &json!({"ipv4": true, "ipv6": true, "interContainer": between("in")}));
    let ports = json!({"containerToHost": [{"port": 7357}]});
    connected(
        &world,
        &only,
        "",
        &json!({"ipv6": true, "portForwarding": ports, "interContainer": between("out")}),
    );
    let address = |id: &str, family: &str| {
        inside(&world, id, || {
            let output = Command::new("ip")
                .args([family, "-o", "addr", "show", "dev", "eth0", "scope", "global"])
                .output();
            String::from_utf8(output.unwrap().stdout).unwrap()
        })
    };
    assert!(address(&both, "-6").contains("2080:d0bb:1e::6440:b03/64"), "{}", address(&both, "-6"));
    assert!(address(&both, "-4").contains("100.64.11.3/24"));
    assert!(address(&only, "-6").contains("2080:d0bb:1e::6440:b04/64") && address(&only, "-4").is_empty());
    assert!(address(&old, "-6").is_empty());
    ready(&world, "[2080:d0bb:1e::6440:b03]:8001", "six\n");
    ready(&world, "[2080:d0bb:1e::6440:b03]:8002", "closed\n");
    let gateway = "[2080:d0bb:1e::6440:b01]";
    reaches(&world, &only, &format!("{gateway}:7357"), "host, 2080:d0bb:1e::6440:b04");
    reaches(&world, &only, &format!("{gateway}:8001"), "six\n");
    for (id, place) in [
        (&only, format!("{gateway}:7358")),
        (&both, format!("{gateway}:7357")),
        (&only, "[2080:d0bb:1e::6440:b03]:8001".to_owned()),
        (&only, "[2080:d0bb:1e::6440:b03]:8002".to_owned()),
    ] {
        does_not_reach(&world, id, &place);
    }
    world.end(Signal::TERM);
    world.start();
    delete(&world, &both);
    delete(&world, &only);
    end(&world, &old);
    assert_eq!(set_up("100.64.11."), (0, false), "{}", world.log());
    let output = Command::new("ip6tables-save").output().unwrap();
    let rules = String::from_utf8(output.stdout).unwrap();
    assert!(!rules.contains("OCICONTAINER") && !rules.contains("2080:d0bb"), "{rules}");
    outside.end();
}
