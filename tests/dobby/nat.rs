//! `network: nat`, in a network of the test's own with a world outside of it.

use std::io::Write;
use std::net::TcpListener;
use std::process::Command;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::thread::JoinHandle;

use nix::sched::{CloneFlags, unshare};
use rustix::process::Signal;
use serde_json::{Value, json};

use crate::bundles::tmpfs;
use crate::daemon::{end, left, start, world};
use crate::plugins::{Way, required};
use crate::specs::with;
use crate::start::{SLEEP_TEST, cgroups, memory};
use crate::support::daemon_world::{DaemonWorld, leave_the_hosts_mounts};

/// A host outside, at 203.0.113.1, which knows no way back to the containers' addresses.
pub(crate) struct Outside {
    stop: Sender<()>,
    thread: JoinHandle<()>,
}

pub(crate) fn ip(args: &str) {
    let output = Command::new("ip").args(args.split(' ')).output().unwrap();
    assert!(output.status.success(), "ip {args}: {output:?}");
}

/// Gives this thread, and what it starts, a network of its own.
pub(crate) fn leave_the_hosts_network() {
    unshare(CloneFlags::CLONE_NEWNET).unwrap();
    ip("link set lo up");
}

/// Tells whoever connects where the connection comes from.
fn serve(ready: &Receiver<()>, listening: &Sender<()>, stop: &Receiver<()>) {
    ready.recv().unwrap();
    ip("addr add 203.0.113.1/24 dev out1");
    ip("link set out1 up");
    let listener = TcpListener::bind("203.0.113.1:8080").unwrap();
    listener.set_nonblocking(true).unwrap();
    listening.send(()).unwrap();
    while stop.try_recv().is_err() {
        if let Ok((mut stream, from)) = listener.accept() {
            writeln!(stream, "from {}", from.ip()).unwrap();
        }
        std::thread::sleep(std::time::Duration::from_millis(5));
    }
}

impl Outside {
    /// Moves this thread into a network of its own and connects that with the outside.
    pub(crate) fn new() -> Self {
        leave_the_hosts_network();
        let ((said, heard), (ready, is_ready)) = (channel(), channel());
        let ((listening, listens), (stop, is_stopped)) = (channel(), channel());
        let thread = std::thread::spawn(move || {
            leave_the_hosts_network();
            said.send(rustix::thread::gettid()).unwrap();
            serve(&is_ready, &listening, &is_stopped);
        });
        let outside = heard.recv().unwrap().as_raw_nonzero();
        ip(&format!("link add out0 type veth peer name out1 netns {outside}"));
        ip("addr add 203.0.113.2/24 dev out0");
        ip("link set out0 up");
        ready.send(()).unwrap();
        listens.recv().unwrap();
        Self { stop, thread }
    }

    pub(crate) fn end(self) {
        self.stop.send(()).unwrap();
        self.thread.join().unwrap();
    }
}

/// What is set up for containers on the host's side: ports of the bridge, and rules that name one address.
pub(crate) fn set_up(address: &str) -> (usize, bool) {
    let said = |program: &str, args: &[&str]| {
        let output = Command::new(program).args(args).output().unwrap();
        assert!(output.status.success(), "{program} {args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let ports = said("ip", &["-o", "link", "show", "type", "veth"]);
    let rules = said("iptables-save", &[]);
    (ports.lines().filter(|line| line.contains("master dobby0")).count(), rules.contains(address))
}

/// A spec whose container says its address and what the server outside says, and goes on.
fn caller() -> Value {
    let script = "ip -4 -o addr show dev eth0 | tr -s ' ' | cut -d ' ' -f 4; \
        busybox nc 203.0.113.1 8080 < /dev/null; sleep 60";
    with(&json!({"args": ["sh", "-c", script], "network": "nat"}))
}

fn log(world: &DaemonWorld, id: &str) -> String {
    world.done("getContainerLogs", &json!({"containerId": id}))["log"].as_str().unwrap().to_owned()
}

#[test]
fn containers_reach_the_outside_under_the_hosts_address() {
    let outside = Outside::new();
    let mut world = world();
    let (first, second) = (world.id("first"), world.id("second"));
    start(&world, &first, &caller());
    world.until("the first was answered", || log(&world, &first) == "100.64.11.2/24\nfrom 203.0.113.2\n");
    start(&world, &second, &caller());
    world.until("the second was answered", || log(&world, &second) == "100.64.11.3/24\nfrom 203.0.113.2\n");
    assert_eq!(set_up("100.64.11.1").0, 2);
    world.done("deleteContainer", &json!({"containerId": first, "force": true}));
    assert_eq!(set_up("100.64.11.1").0, 1);
    start(&world, &first, &caller());
    world.until("its address is free again", || log(&world, &first).starts_with("100.64.11.2/24\n"));

    // The containers die while no daemon is there.
    let pids = [&first, &second].map(|id| crate::daemon::pid(&world, id));
    world.end(Signal::KILL);
    for pid in pids {
        let pid = rustix::process::Pid::from_raw(i32::try_from(pid).unwrap()).unwrap();
        rustix::process::kill_process(pid, Signal::KILL).unwrap();
    }
    world.start();
    world.until("the next daemon took all down", || left(&world).is_empty());
    assert_eq!(set_up("100.64.11.0/24"), (0, false), "{}", world.log());
    let mounts = std::fs::read_to_string("/proc/thread-self/mountinfo").unwrap();
    assert!(!mounts.contains(world.dir.path().to_str().unwrap()), "{mounts}");
    drop(world);
    outside.end();
}

#[test]
fn the_example_that_everybody_tries_first_runs_with_its_limits() {
    // It names a file in `/tmp`.
    leave_the_hosts_mounts();
    tmpfs("/tmp");
    let outside = Outside::new();
    let world = world();
    let id = world.id("SleepTest");
    let request = SLEEP_TEST.replace("SleepTest", &id);
    let answer = world.tcp().request("POST", "/jsonrpc/", &[], &request).json();
    assert_eq!(answer["result"]["success"], true, "{answer}");
    assert!(answer["result"]["descriptor"].as_i64().unwrap() > 0, "{answer}");
    let pid = u32::try_from(crate::daemon::pid(&world, &id)).unwrap();
    let text = |file: &str| std::fs::read_to_string(format!("/proc/{pid}/{file}")).unwrap();
    world.until("it sleeps", || text("cmdline") == "sleep\x0060\0");
    assert_eq!(text("uid_map").split_whitespace().collect::<Vec<_>>(), ["0", "1000", "1"]);
    assert_eq!(memory(&cgroups(pid), "memory.limit_in_bytes", "memory.max"), "41943040");
    assert_eq!(set_up("100.64.11.1").0, 1);
    // Up, with an address, and a way to the bridge.
    let inside = |args: &[&str]| {
        let pid = pid.to_string();
        let output = Command::new("nsenter").args(["-n", "-t", &pid]).args(args).output().unwrap();
        assert!(output.status.success(), "{args:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    };
    let address = inside(&["ip", "-4", "-o", "addr", "show", "dev", "eth0", "up"]);
    assert!(address.contains("100.64.11.2/24"), "{address}");
    assert!(inside(&["ip", "route"]).contains("default via 100.64.11.1"));
    end(&world, &id);
    assert!(std::path::Path::new("/tmp/container.log").exists());
    outside.end();
}

#[test]
fn a_bundle_reaches_the_outside_by_its_plugin() {
    let outside = Outside::new();
    let world = world();
    let id = world.id("bundle");
    let ports = json!({"containerToHost": [{"port": 7357}], "hostToContainer": []});
    let groups = json!([{"ip": "239.255.255.250", "port": 1900}]);
    let data = json!({"type": "nat", "ipv4": true, "dnsmasq": true, "portForwarding": ports, "multicastForwarding": groups});
    let script = "busybox nc 203.0.113.1 8080 < /dev/null; grep -c . /etc/resolv.conf; sleep 60";
    let servers = std::fs::read_to_string("/etc/resolv.conf").unwrap();
    let servers = servers.lines().filter(|line| !line.is_empty()).count();
    Way::Bundle.start(&world, &id, script, &required("networking", &data));
    world.until("it was answered", || log(&world, &id) == format!("from 203.0.113.2\n{servers}\n"));
    assert!(
        world.log().contains("multicastForwarding of the plugin networking is not supported"),
        "{}",
        world.log()
    );
    assert!(world.log().contains("nothing answers for names on 127.0.0.1"), "{}", world.log());
    end(&world, &id);
    assert_eq!(set_up("100.64.11.0/24"), (0, false), "{}", world.log());
    outside.end();
}

#[test]
fn a_port_of_the_host_leads_into_the_container() {
    let outside = Outside::new();
    let world = world();
    let id = world.id("port");
    let forwarding = json!({"hostToContainer": [{"port": 7357, "protocol": "tcp"}]});
    let spec = with(&json!({
        "args": ["sh", "-c", "echo inside | busybox nc -l -p 7357; sleep 60"],
        "network": "nat",
        "rdkPlugins": {"networking": {"required": true, "data": {"portForwarding": forwarding}}},
    }));
    start(&world, &id, &spec);
    let mut said = String::new();
    world.until("the container answers", || {
        let stream = std::net::TcpStream::connect("203.0.113.2:7357");
        stream.is_ok_and(|mut stream| std::io::Read::read_to_string(&mut stream, &mut said).is_ok())
    });
    assert_eq!(said, "inside\n");
    end(&world, &id);
    outside.end();
}

#[test]
fn a_network_that_cannot_be_set_up_fails_the_start() {
    leave_the_hosts_network();
    // Somebody else's interface has the bridge's name.
    ip("link add dobby0 type veth peer name other");
    let world = world();
    let id = world.id("fails");
    let params = json!({"containerId": id, "dobbySpec": caller()});
    let error = world.call("startContainerFromDobbySpec", &params).unwrap_err();
    let data = error["data"].as_str().unwrap();
    assert!(data.contains("netavark setup failed") && data.contains("iptables"), "{data}");
    assert!(left(&world).is_empty() && world.runtime_list().is_empty(), "{}", world.log());
}
