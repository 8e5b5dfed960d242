//! Containers on the bridge `dobby0` reach each other and the host as their configurations say, and not otherwise. Each
//! test is in a network of its own.

use std::io::{Read, Write};
use std::net::{IpAddr, SocketAddr, TcpListener, TcpStream, UdpSocket};
use std::time::Duration;

use nix::sched::{CloneFlags, setns};
use serde_json::{Value, json};

use crate::daemon::{end, pid, start, world};
use crate::nat::{Outside, ip, set_up};
use crate::plugins::required;
use crate::specs::with;
use crate::support::daemon_world::DaemonWorld;

/// How long a connection may take that must not come about.
pub(crate) const SHORT: Duration = Duration::from_millis(700);
/// How long one may take that must come about, before another one is tried.
pub(crate) const LONG: Duration = Duration::from_secs(20);
pub(crate) const GATEWAY: &str = "100.64.11.1";

/// Starts a container on the bridge that runs a script and goes on.
pub(crate) fn connected(world: &DaemonWorld, id: &str, script: &str, data: &Value) {
    let mut all = json!({"type": "nat"});
    for (key, value) in data.as_object().unwrap() {
        all[key] = value.clone();
    }
    start(
        world,
        id,
        &with(&json!({
            "args": ["sh", "-c", format!("{script} sleep 60")],
            "rdkPlugins": required("networking", &all),
        })),
    );
}

/// Does something in the network of a container.
pub(crate) fn inside<T: Send>(world: &DaemonWorld, id: &str, work: impl FnOnce() -> T + Send) -> T {
    let namespace = std::fs::File::open(format!("/proc/{}/ns/net", pid(world, id))).unwrap();
    let there = move || {
        setns(namespace, CloneFlags::CLONE_NEWNET).unwrap();
        work()
    };
    std::thread::scope(|scope| scope.spawn(there).join().unwrap())
}

/// What a server says, if it can be reached within a time.
fn heard(address: &str, patience: Duration) -> Option<String> {
    let mut stream = TcpStream::connect_timeout(&address.parse().unwrap(), patience).ok()?;
    stream.set_read_timeout(Some(patience)).unwrap();
    let mut said = String::new();
    stream.read_to_string(&mut said).ok()?;
    Some(said)
}

/// From here, nothing must be heard of a server; what is, if something is.
pub(crate) fn heard_in_vain(address: &str) -> Option<String> {
    heard(address, SHORT)
}

/// Waits until a container hears this from a server, which may be away for a moment after each caller.
pub(crate) fn reaches(world: &DaemonWorld, id: &str, address: &str, expected: &str) {
    world.until(&format!("{id} hears {expected:?} from {address}"), || {
        inside(world, id, || heard(address, LONG)).as_deref() == Some(expected)
    });
}

/// A container hears nothing from a server.
pub(crate) fn does_not_reach(world: &DaemonWorld, id: &str, address: &str) {
    assert_eq!(inside(world, id, || heard_in_vain(address)), None, "{id} reaches {address}");
}

/// A server in this network that says where each caller is.
pub(crate) fn serve(address: &str) {
    let listener = TcpListener::bind(address).unwrap();
    std::thread::spawn(move || {
        // It ends with the test's process.
        while let Ok((mut stream, from)) = listener.accept() {
            let _gone = write!(stream, "host, {}", from.ip());
        }
    });
}

pub(crate) fn server(word: &str, port: u16) -> String {
    format!("while :; do echo {word} | busybox nc -l -p {port}; done &")
}

/// Waits until a container's server answers the host.
pub(crate) fn ready(world: &DaemonWorld, address: &str, word: &str) {
    world.until("the container's server answers", || heard(address, LONG).as_deref() == Some(word));
}

#[test]
fn containers_do_not_reach_each_other_unasked() {
    let outside = Outside::new();
    let world = world();
    let (first, second) = (world.id("first"), world.id("second"));
    connected(&world, &first, &server("first", 3333), &json!({}));
    connected(&world, &second, "", &json!({}));
    ready(&world, "100.64.11.2:3333", "first\n");
    does_not_reach(&world, &second, "100.64.11.2:3333");
    // Nor through the host, whatever routes the container gives itself.
    inside(&world, &second, || ip("route add 100.64.11.2/32 via 100.64.11.1"));
    does_not_reach(&world, &second, "100.64.11.2:3333");
    reaches(&world, &second, "203.0.113.1:8080", "from 203.0.113.2\n");
    // On the bridge itself, its frames get to the host only.
    let arp = inside(&world, &second, || {
        ip("route del 100.64.11.2/32");
        let _none = heard_in_vain("100.64.11.2:3333");
        let output =
            std::process::Command::new("ip").args(["neigh", "show", "100.64.11.2"]).output().unwrap();
        String::from_utf8(output.stdout).unwrap()
    });
    assert!(!arp.contains("lladdr"), "{arp}");
    world.done("deleteContainer", &json!({"containerId": first, "force": true}));
    end(&world, &second);
    outside.end();
}

#[test]
fn the_hosts_ports_are_closed_to_containers() {
    let outside = Outside::new();
    let world = world();
    let id = world.id("closed");
    serve("0.0.0.0:7357");
    connected(&world, &id, "", &json!({}));
    for address in [GATEWAY, "203.0.113.2", "127.0.0.1"] {
        does_not_reach(&world, &id, &format!("{address}:7357"));
    }
    reaches(&world, &id, "203.0.113.1:8080", "from 203.0.113.2\n");
    end(&world, &id);
    assert_eq!(set_up("100.64.11."), (0, false), "{}", world.log());
    outside.end();
}

/// Sends a word from an address.
fn send(from: &str, word: &str) {
    let socket = UdpSocket::bind(SocketAddr::new(from.parse::<IpAddr>().unwrap(), 0)).unwrap();
    socket.send_to(word.as_bytes(), format!("{GATEWAY}:7357")).unwrap();
}

#[test]
fn a_container_cannot_use_the_address_of_another() {
    let outside = Outside::new();
    let world = world();
    let (first, second) = (world.id("liar"), world.id("trusted"));
    let port = json!({"containerToHost": [{"port": 7357, "protocol": "UDP"}]});
    connected(&world, &first, "", &json!({}));
    connected(&world, &second, "", &json!({"portForwarding": port}));
    let host = UdpSocket::bind("127.0.0.1:7357").unwrap();
    host.set_read_timeout(Some(LONG)).unwrap();
    inside(&world, &first, || {
        send("0.0.0.0", "own address");
        ip("addr add 100.64.11.3/32 dev eth0");
        send("100.64.11.3", "lie");
    });
    inside(&world, &second, || send("100.64.11.3", "truth"));
    let mut word = [0; 64];
    let length = host.recv(&mut word).unwrap();
    assert_eq!(std::str::from_utf8(&word[..length]).unwrap(), "truth");
    world.done("deleteContainer", &json!({"containerId": first, "force": true}));
    end(&world, &second);
    outside.end();
}
