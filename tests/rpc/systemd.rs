//! What systemd and the daemon give each other: sockets, readiness, the watchdog.

use std::io::Write;
use std::net::{TcpListener, TcpStream};
use std::os::unix::net::{UnixDatagram, UnixStream};
use std::process::Command;
use std::time::Duration;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;

use crate::support::daemon_world::{DaemonWorld, PLUGIN};
use crate::support::host::{PATIENCE, daemon_program};
use crate::support::syscall_gate::SyscallGate;

/// A daemon in `dir` whose sockets systemd hands over: `handed`, and those in `more`. Its first client is there.
fn activated(dir: &tempfile::TempDir, more: &[&str], options: &[&str]) -> (std::process::Child, UnixStream) {
    let socket = dir.path().join("handed");
    let mut command = Command::new("systemd-socket-activate");
    command.arg("-l").arg(&socket).args(more).arg("--setenv=NOTIFY_SOCKET").arg(daemon_program());
    command.arg("serve").args(options);
    command.arg("--state-dir").arg(dir.path().join("state")).arg("--log-dir").arg(dir.path().join("log"));
    command
        .arg("--socket")
        .arg(dir.path().join("unused"))
        .arg("--runtime-root")
        .arg(dir.path().join("runtime"))
        .arg("--hook")
        .arg(crate::support::hook_wrapper::make(dir.path(), ""));
    let log = std::fs::File::create(dir.path().join("daemon.log")).unwrap();
    command.env("NOTIFY_SOCKET", dir.path().join("notify")).stderr(log);
    let daemon = command.spawn().unwrap();
    let begin = std::time::Instant::now();
    loop {
        match UnixStream::connect(&socket) {
            Ok(stream) => return (daemon, stream),
            Err(_) if begin.elapsed() < PATIENCE => std::thread::sleep(Duration::from_millis(10)),
            Err(error) => panic!("{error}"),
        }
    }
}

#[test]
fn systemd_hands_over_sockets_and_hears_of_readiness() {
    let dir = tempfile::tempdir().unwrap();
    let notify = UnixDatagram::bind(dir.path().join("notify")).unwrap();
    notify.set_read_timeout(Some(PATIENCE)).unwrap();
    let (mut daemon, stream) = activated(&dir, &[], &[]);
    let body = r#"{"id":1,"method":"OCIContainer.versions"}"#;
    let answer = crate::support::wire::Http::over(stream).request("POST", "/jsonrpc", &[], body);
    assert_eq!(answer.body, r#"{"jsonrpc":"2.0","id":1,"result":[]}"#);
    let mut message = [0; 100];
    let length = notify.recv(&mut message).unwrap();
    assert_eq!(std::str::from_utf8(&message[..length]).unwrap().trim(), "READY=1");
    assert!(!dir.path().join("unused").exists(), "no socket beside those handed over");
    kill_process(Pid::from_child(&daemon), Signal::TERM).unwrap();
    assert!(daemon.wait().unwrap().success());
    assert!(dir.path().join("handed").exists(), "a socket of systemd's is left to systemd");
}

/// What the socket unit says must not open what the settings close.
#[test]
fn no_tcp_closes_what_systemd_hands_over() {
    let dir = tempfile::tempdir().unwrap();
    let port = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let (mut daemon, stream) = activated(&dir, &["-l", &port.to_string()], &["--no-tcp"]);
    let body = r#"{"id":1,"method":"OCIContainer.versions"}"#;
    let answer = crate::support::wire::Http::over(stream).request("POST", "/jsonrpc", &[], body);
    assert_eq!(answer.status, 200, "{}", answer.body);
    let log = std::fs::read_to_string(dir.path().join("daemon.log")).unwrap();
    assert!(log.contains("is closed: no_tcp is set"), "{log}");
    assert_eq!(TcpStream::connect(port).unwrap_err().kind(), std::io::ErrorKind::ConnectionRefused);
    kill_process(Pid::from_child(&daemon), Signal::TERM).unwrap();
    assert!(daemon.wait().unwrap().success());
}

/// A daemon that systemd's watchdog watches, and the socket on which systemd listens.
fn watched(microseconds: &str, pid: &str) -> (DaemonWorld, UnixDatagram, tempfile::TempDir) {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("notify");
    let notify = UnixDatagram::bind(&path).unwrap();
    notify.set_read_timeout(Some(PATIENCE)).unwrap();
    let environment = [
        ("NOTIFY_SOCKET", path.clone().into_os_string()),
        ("WATCHDOG_USEC", microseconds.into()),
        ("WATCHDOG_PID", pid.into()),
    ];
    let world = DaemonWorld::with_environment(&environment);
    assert_eq!(heard(&notify).as_deref(), Some("READY=1"));
    (world, notify, dir)
}

/// The next message to systemd.
fn heard(notify: &UnixDatagram) -> Option<String> {
    let mut message = [0; 100];
    let length = notify.recv(&mut message).ok()?;
    Some(String::from_utf8(message[..length].to_vec()).unwrap().trim().to_owned())
}

#[test]
fn the_watchdog_hears_of_a_daemon_that_works_and_not_of_one_that_hangs() {
    let (world, notify, _dir) = watched("100000", "self");
    for _ in 0..5 {
        assert_eq!(heard(&notify).as_deref(), Some("WATCHDOG=1"));
    }
    let pid = Pid::from_raw(i32::try_from(world.pid()).unwrap()).unwrap();
    kill_process(pid, Signal::STOP).unwrap();
    world.until("it is stopped", || {
        std::fs::read_to_string(format!("/proc/{}/stat", world.pid())).unwrap().contains(") T ")
    });
    notify.set_nonblocking(true).unwrap();
    while heard(&notify).is_some() {}
    notify.set_nonblocking(false).unwrap();
    notify.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    assert_eq!(heard(&notify), None);
    kill_process(pid, Signal::CONT).unwrap();
    notify.set_read_timeout(Some(PATIENCE)).unwrap();
    assert_eq!(heard(&notify).as_deref(), Some("WATCHDOG=1"));
}

/// The daemon's one thread hangs in a system call, as on a disk that does not answer, and its other threads do not: systemd
/// hears nothing.
#[test]
fn the_watchdog_does_not_hear_of_a_loop_that_is_blocked() {
    let (mut world, notify, _dir) = watched("100000", "self");
    assert_eq!(heard(&notify).as_deref(), Some("WATCHDOG=1"));
    let bundle = world.bundle("held", &["sleep", "60"]);
    let gate = SyscallGate::behind(&world, 1, "openat", &bundle.join("config.json"));
    let params = json!({"containerId": world.id("held"), "bundlePath": bundle});
    let call =
        json!({"jsonrpc": "2.0", "id": 1, "method": format!("{PLUGIN}.startContainer"), "params": params});
    let mut client = TcpStream::connect(("127.0.0.1", world.port)).unwrap();
    let (length, call) = (call.to_string().len(), call.to_string());
    write!(client, "POST /jsonrpc HTTP/1.1\r\nHost: 127.0.0.1\r\nContent-Length: {length}\r\n\r\n{call}")
        .unwrap();
    world.until("it is held", || {
        std::fs::read_to_string(world.path("strace.out")).unwrap_or_default().contains("config.json")
    });
    notify.set_nonblocking(true).unwrap();
    while heard(&notify).is_some() {}
    notify.set_nonblocking(false).unwrap();
    notify.set_read_timeout(Some(Duration::from_millis(500))).unwrap();
    assert_eq!(heard(&notify), None);
    gate.kill(&mut world);
}

#[test]
fn a_watchdog_of_another_process_is_left_alone() {
    let (world, notify, _dir) = watched("1000", "1");
    assert!(world.log().contains("answering on"));
    notify.set_read_timeout(Some(Duration::from_millis(300))).unwrap();
    assert_eq!(heard(&notify), None);
}

/// A runtime that finds systemd's socket would report for the daemon.
#[test]
fn programs_that_the_daemon_runs_do_not_find_the_socket() {
    let (world, _notify, _dir) = watched("100000", "self");
    let id = world.id("a");
    world.run(&id, &["sh", "-c", "env; sleep 1000"]);
    world.until("it shows its environment", || {
        String::from_utf8_lossy(&world.cli(&["logs", &id]).stdout).contains("PATH=")
    });
    let log = String::from_utf8_lossy(&world.cli(&["logs", &id]).stdout).into_owned();
    assert!(!log.contains("NOTIFY_SOCKET") && !log.contains("WATCHDOG"), "{log}");
}
