//! WebSockets: handshake, frames, calls side by side.

use std::io::{Read, Write};

use serde_json::{Value, json};
use tungstenite::protocol::frame::coding::{Data, OpCode};
use tungstenite::protocol::frame::{Frame, FrameHeader};
use tungstenite::{Bytes, Message};

use crate::support::daemon_world::{DaemonWorld, PLUGIN};
use crate::support::wire::{Ws, request};

const VERSIONS: &str = r#"{"id":1,"method":"OCIContainer.versions"}"#;
const ANSWER: &str = r#"{"jsonrpc":"2.0","id":1,"result":[]}"#;

#[test]
fn the_first_subprotocol_is_echoed_whatever_it_is() {
    let world = DaemonWorld::new();
    let cases = [
        (None, None),
        (Some("notification"), Some("notification")),
        (Some("json"), Some("json")),
        (Some("jsonrpc"), Some("jsonrpc")),
        (Some("never-heard-of"), Some("never-heard-of")),
        (Some("json, notification"), Some("json")),
    ];
    for (offered, echoed) in cases {
        let headers: Vec<_> = offered.iter().map(|name| ("Sec-WebSocket-Protocol", *name)).collect();
        let mut ws = Ws::connect(world.port, "/jsonrpc", &headers).unwrap();
        assert_eq!(ws.protocol.as_deref(), echoed, "{offered:?}");
        assert_eq!(ws.ask(VERSIONS), ANSWER, "{offered:?}");
    }
}

#[test]
fn paths_lead_to_the_plugin_or_nowhere() {
    let world = DaemonWorld::new();
    let full = "org.rdk.OCIContainer.1.listContainers";
    let cases = [
        ("/jsonrpc", full, Ok(true)),
        ("/jsonrpc/", full, Ok(true)),
        ("/jsonrpc?token=anything", full, Ok(true)),
        ("/jsonrpc/org.rdk.OCIContainer", "listContainers", Ok(true)),
        ("/jsonrpc/org.rdk.OCIContainer.1", "1.listContainers", Ok(true)),
        ("/jsonrpc", "listContainers", Ok(false)),
        ("/jsonrpc/unknown", full, Err(404)),
        ("/jsonrpc/org.rdk.OCIContainer.2", full, Err(400)),
        ("/nope", full, Err(404)),
    ];
    for (path, method, expected) in cases {
        let outcome = Ws::connect(world.port, path, &[])
            .map(|mut ws| ws.call(method, &json!({})).get("result").is_some());
        assert_eq!(outcome, expected, "{path} {method}");
    }
}

#[test]
fn half_hearted_handshakes_are_refused() {
    let world = DaemonWorld::new();
    let full = [
        ("Upgrade", "websocket"),
        ("Connection", "keep-alive, Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let answer = world.tcp().request("GET", "/jsonrpc", &full, "");
    assert_eq!(answer.status, 101);
    assert_eq!(answer.header("sec-websocket-accept"), Some("s3pPLMBiTxaQ9kYGzzhZRbK+xOo="), "RFC 6455, 1.3");
    for (missing, status) in [(0, 405), (1, 405), (2, 426), (3, 400)] {
        let mut headers = full.to_vec();
        headers.remove(missing);
        assert_eq!(world.tcp().request("GET", "/jsonrpc", &headers, "").status, status, "{headers:?}");
    }
    let bad = [full[0], full[1], full[2], ("Sec-WebSocket-Key", "short")];
    assert_eq!(world.tcp().request("GET", "/jsonrpc", &bad, "").status, 400);
    let raw = request("POST", "/jsonrpc", &full, "");
    let mut client = world.tcp();
    client.send(raw.as_bytes());
    assert_eq!(client.answer().status, 400, "a POST is no handshake, and this one is empty");
}

#[test]
fn frames_of_every_shape_are_understood() {
    let world = DaemonWorld::new();
    let mut ws = world.ws();
    ws.socket.send(Message::binary(VERSIONS.as_bytes().to_vec())).unwrap();
    assert_eq!(ws.text(), ANSWER, "a binary frame");
    let (first, second) = VERSIONS.split_at(10);
    let fragment = |text: &str, code, last| {
        let header = FrameHeader {
            is_final: last,
            opcode: OpCode::Data(code),
            mask: Some([1, 2, 3, 4]),
            ..Default::default()
        };
        Message::Frame(Frame::from_payload(header, Bytes::from(text.to_owned())))
    };
    ws.socket.send(fragment(first, Data::Text, false)).unwrap();
    ws.socket.send(Message::Ping(Bytes::from_static(b"in between"))).unwrap();
    ws.socket.send(fragment(second, Data::Continue, true)).unwrap();
    assert_eq!(
        ws.socket.read().unwrap(),
        Message::Pong(Bytes::from_static(b"in between")),
        "the payload is echoed"
    );
    assert_eq!(ws.text(), ANSWER, "a fragmented message");
    assert_eq!(
        ws.ask(&format!("{VERSIONS}{}", VERSIONS.replace('1', "2"))),
        ANSWER,
        "two objects in one frame"
    );
    let third = r#"{"id":3,"method":"OCIContainer.versions"}"#;
    assert_eq!(ws.ask(third), r#"{"jsonrpc":"2.0","id":3,"result":[]}"#, "and still in step");
    for bad in ["hello", "{}", "[]", "", "{\"id\":1,"] {
        let answer: Value = serde_json::from_str(&ws.ask(bad)).unwrap();
        assert!(answer["error"]["code"].is_i64() && answer["id"].is_null(), "{bad}: {answer}");
    }
    assert_eq!(ws.ask(VERSIONS), ANSWER, "still usable after garbage");
}

#[test]
fn a_close_is_answered_and_the_connection_ends() {
    let world = DaemonWorld::new();
    let mut ws = world.ws();
    ws.socket.close(None).unwrap();
    assert!(matches!(ws.socket.read(), Ok(Message::Close(_))), "the server answers a close");
    let mut rest = Vec::new();
    ws.socket.get_mut().read_to_end(&mut rest).unwrap();
    assert!(rest.is_empty(), "and closes the connection: {rest:?}");
}

#[test]
fn broken_frames_end_the_connection_and_nothing_else() {
    let world = DaemonWorld::new();
    let mut innocent = world.ws();
    let mut header_of_a_gigabyte = vec![0x81, 0xff];
    header_of_a_gigabyte.extend(1_u64.wrapping_shl(30).to_be_bytes());
    header_of_a_gigabyte.extend([1, 2, 3, 4]);
    let cases: [(&str, Vec<u8>, u16); 5] = [
        ("unmasked", vec![0x81, 0x02, b'h', b'i'], 1002),
        ("a reserved bit", vec![0xc1, 0x80, 1, 2, 3, 4], 1002),
        ("an unknown opcode", vec![0x83, 0x80, 1, 2, 3, 4], 1002),
        ("not UTF-8", vec![0x81, 0x81, 0, 0, 0, 0, 0xff], 1007),
        ("a gigabyte", header_of_a_gigabyte, 1009),
    ];
    for (what, bytes, code) in cases {
        let mut ws = world.ws();
        ws.socket.get_mut().write_all(&bytes).unwrap();
        match ws.socket.read() {
            Ok(Message::Close(Some(frame))) => assert_eq!(u16::from(frame.code), code, "{what}: {frame:?}"),
            other => panic!("{what}: {other:?}"),
        }
    }
    assert_eq!(innocent.ask(VERSIONS), ANSWER);
}

#[test]
fn calls_run_side_by_side() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    world.run(&id, &["sleep", "100"]);
    let mut ws = world.ws();
    let wait =
        json!({"id": "wait", "method": format!("{PLUGIN}.waitContainer"), "params": {"containerId": id}});
    ws.send(&wait.to_string());
    assert_eq!(ws.ask(VERSIONS), ANSWER, "a waiting call holds up no other");
    let stopped = ws.call(&format!("{PLUGIN}.stopContainer"), &json!({"containerId": id, "force": true}));
    assert_eq!(stopped["result"]["success"], true);
    let waited: Value = serde_json::from_str(&ws.text()).unwrap();
    assert_eq!((&waited["id"], &waited["result"]["signal"]), (&json!("wait"), &json!(9)));
}
