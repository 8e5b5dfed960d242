//! Hostile amounts: everything has an end, and nobody else suffers.

use std::io::Write;
use std::net::TcpStream;
use std::time::Duration;

use serde_json::{Value, json};
use tungstenite::Message;

use crate::support::daemon_world::{DaemonWorld, PLUGIN};
use crate::support::wire::{Http, Ws, request};

const LIST: &str = r#"{"id":3,"method":"OCIContainer.1.listContainers"}"#;

#[test]
fn deep_nesting_is_a_parse_error_and_no_more() {
    let world = DaemonWorld::new();
    let cases = [
        "[".repeat(100_000),
        "{\"a\":".repeat(100_000),
        format!("{}{}", "[".repeat(65), "]".repeat(65)),
        format!("{{\"id\":1,\"method\":\"x\",\"params\":{}1{}}}", "[".repeat(100), "]".repeat(100)),
    ];
    let mut ws = world.ws();
    for text in cases {
        let answer = world.post(&text);
        assert_eq!((answer.status, &answer.json()["error"]["code"]), (400, &json!(-32700)));
        let answer: Value = serde_json::from_str(&ws.ask(&text)).unwrap();
        assert_eq!(answer["error"]["code"], -32700);
    }
    assert_eq!(world.post(LIST).status, 200);
}

#[test]
fn bodies_headers_and_messages_have_a_largest_size() {
    let world = DaemonWorld::new();
    let mut client = world.tcp();
    let fits = format!("{LIST}{}", " ".repeat(1024 * 1024 - LIST.len()));
    assert_eq!(client.request("POST", "/jsonrpc", &[], &fits).status, 200, "a body of 1 MiB");
    client.send(b"POST /jsonrpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 1048577\r\n\r\n");
    assert_eq!(client.answer().status, 413, "a larger one, refused by its announced length");
    let mut client = world.tcp();
    client.send(b"POST /jsonrpc HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n");
    let chunk = format!("10000\r\n{}\r\n", "x".repeat(0x10000));
    for _ in 0..16 {
        client.send(chunk.as_bytes());
    }
    client.send(b"1\r\nx\r\n");
    assert_eq!(client.answer().status, 413, "a larger one in chunks");
    let mut client = world.tcp();
    let header = "x".repeat(20 * 1024);
    client.send(format!("POST /jsonrpc HTTP/1.1\r\nHost: localhost\r\nX: {header}\r\n\r\n").as_bytes());
    assert_eq!(client.answer().status, 431, "a header of 20 KiB");
    let mut client = world.tcp();
    let fields = "X: y\r\n".repeat(100);
    client.send(format!("POST /jsonrpc HTTP/1.1\r\nHost: localhost\r\n{fields}\r\n").as_bytes());
    assert_eq!(client.answer().status, 431, "100 header fields");
    let mut ws = world.ws();
    let _broken_pipe = ws.socket.send(Message::text(" ".repeat(1024 * 1024 + 1)));
    match ws.socket.read() {
        Ok(Message::Close(Some(frame))) => assert_eq!(u16::from(frame.code), 1009),
        Err(tungstenite::Error::Io(_)) => {} // The farewell can be lost when more was sent than was read.
        other => panic!("{other:?}"),
    }
    assert_eq!(world.post(LIST).status, 200);
}

#[test]
fn a_clients_text_fills_neither_answers_nor_the_log() {
    let world = DaemonWorld::new();
    let long = "x".repeat(500_000);
    for body in [
        json!({"id": 1, "method": format!("{long}.1.y")}),
        json!({"id": 1, "method": format!("Controller.1.status@{long}")}),
        json!({"id": 1, "method": format!("{PLUGIN}.stopContainer"), "params": {"containerId": long}}),
        json!({"id": 1, "method": format!("{PLUGIN}.startContainer"), "params": {"containerId": "a", "bundlePath": long}}),
        json!({"id": 1, "method": format!("{PLUGIN}.executeCommand"), "params": {"containerId": "a", "command": long}}),
    ] {
        let answer = world.post(&body.to_string());
        assert!(answer.body.len() < 6000, "{}", answer.body.len());
    }
    assert!(world.log().len() < 10_000, "{}", world.log().len());
}

#[test]
fn half_a_header_is_not_waited_for_for_ever() {
    let world = DaemonWorld::new();
    let mut client = world.tcp();
    client.send(b"POST /jsonrpc HTTP/1.1\r\nHost: loc");
    let mut good = world.tcp();
    assert_eq!(good.request("POST", "/jsonrpc", &[], LIST).status, 200, "others are served meanwhile");
    assert!(client.is_closed(), "the server gives up after 5 s, before this client loses patience");
}

#[test]
fn half_a_body_is_not_waited_for_for_ever() {
    let world = DaemonWorld::new();
    let mut client = world.tcp();
    client.send(b"POST /jsonrpc HTTP/1.1\r\nHost: localhost\r\nContent-Length: 100\r\n\r\n{");
    assert_eq!(client.answer().status, 408);
}

#[test]
fn too_many_connections_are_turned_away_and_room_comes_back() {
    let world = DaemonWorld::new();
    let mut kept: Vec<Http> = (0..64).map(|_| world.tcp()).collect();
    for client in &mut kept {
        assert_eq!(client.request("POST", "/jsonrpc", &[], LIST).status, 200);
    }
    let mut one_more = world.tcp();
    assert_eq!(one_more.try_answer().map(|answer| answer.status), Some(503));
    assert_eq!(
        world.unix().request("POST", "/jsonrpc", &[], LIST).status,
        200,
        "the Unix socket has its own room"
    );
    kept.truncate(10);
    world.until("there is room again", || {
        let mut client = world.tcp();
        client.send(request("POST", "/jsonrpc", &[], LIST).as_bytes());
        client.try_answer().is_some_and(|answer| answer.status == 200)
    });
}

#[test]
fn too_many_websockets_are_turned_away() {
    let world = DaemonWorld::new();
    let kept: Vec<Ws> = (0..16).map(|_| world.ws()).collect();
    assert_eq!(Ws::connect(world.port, "/jsonrpc", &[]).map(drop), Err(503));
    assert_eq!(world.post(LIST).status, 200);
    drop(kept);
    world.until("there is room again", || Ws::connect(world.port, "/jsonrpc", &[]).is_ok());
}

#[test]
fn a_connection_has_a_bounded_number_of_subscriptions_and_calls() {
    let world = DaemonWorld::new();
    let mut ws = world.ws();
    let mut register = |n: u32| {
        let params = json!({"event": "onContainerStarted", "id": n});
        ws.call(&format!("{PLUGIN}.register"), &params).get("result").is_some()
    };
    assert!((0..64).all(&mut register));
    assert!(!register(64));
    let id = world.id("a");
    world.run(&id, &["sleep", "100"]);
    let mut ws = world.ws();
    let wait = json!({"method": format!("{PLUGIN}.waitContainer"), "params": {"containerId": id}});
    for _ in 0..100 {
        ws.send(&wait.to_string());
    }
    ws.send(LIST);
    world.done("stopContainer", &json!({"containerId": id, "force": true}));
    // The call behind the hundred is answered once there is room for it.
    let answer: Value = serde_json::from_str(&ws.text()).unwrap();
    assert_eq!(answer["id"], 3);
}

#[test]
fn a_client_that_reads_nothing_holds_up_nobody() {
    let world = DaemonWorld::new();
    let mut deaf = TcpStream::connect(("127.0.0.1", world.port)).unwrap();
    deaf.set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let batch = format!("[{}]", vec![r#"{"id":1,"method":"Controller.1.status"}"#; 32].join(","));
    let raw = request("POST", "/jsonrpc", &[], &batch);
    // Requests without end, until the answers that nobody reads have filled every buffer.
    while deaf.write_all(raw.as_bytes()).is_ok() {}
    assert_eq!(world.post(LIST).status, 200);
    world.until("the deaf client is dropped", || {
        let gone = deaf.write_all(b"x");
        gone.is_err_and(|error| !matches!(error.kind(), std::io::ErrorKind::WouldBlock))
    });
}

#[test]
fn a_websocket_that_reads_nothing_holds_up_nobody() {
    let world = DaemonWorld::new();
    let mut deaf = world.ws();
    deaf.socket.get_ref().set_write_timeout(Some(Duration::from_millis(500))).unwrap();
    let batch = format!("[{}]", vec![r#"{"id":1,"method":"Controller.1.status"}"#; 32].join(","));
    while deaf.socket.send(Message::text(batch.as_str())).is_ok() {}
    let mut other = world.ws();
    for event in ["onContainerStarted", "onContainerStopped"] {
        other.call(&format!("{PLUGIN}.register"), &json!({"event": event, "id": "e"}));
    }
    world.run(&world.id("a"), &["true"]);
    assert!(other.text().contains("onContainerStarted"));
    assert!(other.text().contains("onContainerStopped"));
    world.until("the deaf client is dropped", || {
        let gone = deaf.socket.get_mut().write_all(b"x");
        gone.is_err_and(|error| !matches!(error.kind(), std::io::ErrorKind::WouldBlock))
    });
}

#[test]
fn running_out_of_descriptors_is_survived_quietly() {
    let world = DaemonWorld::new();
    let pid = rustix::process::Pid::from_raw(world.pid().try_into().unwrap());
    let open = std::fs::read_dir(format!("/proc/{}/fd", world.pid())).unwrap().count() as u64;
    let limit = rustix::process::Rlimit { current: Some(open + 3), maximum: Some(open + 3) };
    rustix::process::prlimit(pid, rustix::process::Resource::Nofile, limit).unwrap();
    let kept: Vec<Http> = (0..20).map(|_| world.unix()).collect();
    world.until("there is trouble", || world.log().contains("cannot accept a connection"));
    std::thread::sleep(Duration::from_secs(1));
    let complaints = world.log().matches("cannot accept a connection").count();
    assert_eq!(complaints, 1, "{}", world.log());
    drop(kept);
    assert_eq!(world.unix().request("POST", "/jsonrpc", &[], LIST).status, 200);
}

#[test]
fn a_client_that_sends_all_before_it_reads_gets_its_413() {
    let world = DaemonWorld::new();
    let body = "x".repeat(5 * 1024 * 1024);
    for mut client in [world.tcp(), world.unix()] {
        // Sending fails when the daemon closes the connection before all is read.
        client.send(request("POST", "/jsonrpc", &[], &body).as_bytes());
        assert_eq!(client.answer().status, 413);
        assert_eq!(client.request("POST", "/jsonrpc", &[], LIST).status, 200, "and may go on");
    }
}

#[test]
fn without_descriptors_the_daemon_is_degraded_and_a_start_says_why() {
    let world = DaemonWorld::new();
    let bundle = world.bundle("bundle", &["sleep", "100"]);
    let id = world.id("a");
    let start = json!({"id": 1, "method": format!("{PLUGIN}.startContainer"), "params": {"containerId": id, "bundlePath": bundle}});
    let mut client = world.unix();
    assert_eq!(client.request("GET", "/healthz", &[], "").status, 200);
    let pid = rustix::process::Pid::from_raw(world.pid().try_into().unwrap());
    let open = std::fs::read_dir(format!("/proc/{}/fd", world.pid())).unwrap().count() as u64;
    let limit = rustix::process::Rlimit { current: Some(open + 6), maximum: Some(4096) };
    let before = rustix::process::prlimit(pid, rustix::process::Resource::Nofile, limit).unwrap();
    let answer = client.request("GET", "/healthz", &[], "");
    assert_eq!(answer.status, 503);
    assert!(answer.json()["reasons"].to_string().contains("file descriptors"), "{}", answer.json());
    let answer = client.request("POST", "/jsonrpc", &[], &start.to_string()).json();
    assert!(answer["error"].to_string().contains("fewer than 16 free file descriptors"), "{answer}");
    assert!(world.runtime_list().is_empty());
    let roomy = rustix::process::Rlimit { current: Some(1024), maximum: before.maximum.min(Some(4096)) };
    rustix::process::prlimit(pid, rustix::process::Resource::Nofile, roomy).unwrap();
    assert_eq!(client.request("GET", "/healthz", &[], "").status, 200);
    assert!(client.request("POST", "/jsonrpc", &[], &start.to_string()).json().get("result").is_some());
}

#[test]
fn strangers_cannot_take_the_room_of_those_who_may_call() {
    use std::os::unix::process::CommandExt;
    let world = DaemonWorld::new();
    let connect = format!("exec {{fd}}<>/dev/tcp/127.0.0.1/{}", world.port);
    let script = format!("for n in {{1..80}}; do {connect}; done; echo ready; read _");
    let mut command = std::process::Command::new("bash");
    command.args(["-c", &script]).uid(65534).gid(65534).current_dir("/");
    command.stdin(std::process::Stdio::piped()).stdout(std::process::Stdio::piped());
    let mut stranger = command.spawn().unwrap();
    let mut ready = [0; 5];
    std::io::Read::read_exact(stranger.stdout.as_mut().unwrap(), &mut ready).unwrap();
    for _ in 0..10 {
        assert_eq!(world.post(LIST).status, 200);
    }
    drop(stranger.stdin.take());
    stranger.wait().unwrap();
}
