//! `execStream`: the frames of streams beside the calls of one WebSocket, and their limits.

use serde_json::{Value, json};
use tungstenite::Message;

use crate::support::daemon_world::{DaemonWorld, PLUGIN};
use crate::support::wire::Ws;

const INPUT: u8 = 0;
const CREDIT: u8 = 3;
const SIGNAL: u8 = 5;
/// The bytes that may be under way at first.
const WINDOW: usize = 64 * 1024;

/// What the daemon sends.
#[derive(Debug, PartialEq)]
enum Sent {
    Frame(u8, u32, Vec<u8>),
    Text(Value),
    Closed(u16),
}

fn begin(ws: &mut Ws, stream: u32, container: &str, command: &[&str]) {
    call(ws, stream, "execStream", json!({"containerId": container, "command": command}));
}

pub(crate) fn call(ws: &mut Ws, stream: u32, method: &str, mut params: Value) {
    params["stream"] = stream.into();
    let id = format!("stream {stream}");
    ws.send(&json!({"id": id, "method": format!("{PLUGIN}.{method}"), "params": params}).to_string());
}

pub(crate) fn frame(ws: &mut Ws, kind: u8, stream: u32, rest: &[u8]) {
    let bytes = [&[kind][..], &stream.to_be_bytes(), rest].concat();
    ws.socket.send(Message::binary(bytes)).unwrap();
}

fn next(ws: &mut Ws) -> Sent {
    loop {
        match ws.socket.read().unwrap() {
            Message::Binary(bytes) => {
                let stream = u32::from_be_bytes(bytes[1..5].try_into().unwrap());
                return Sent::Frame(bytes[0], stream, bytes[5..].to_vec());
            }
            Message::Text(text) => return Sent::Text(serde_json::from_str(&text).unwrap()),
            Message::Close(frame) => return Sent::Closed(frame.unwrap().code.into()),
            _ => {}
        }
    }
}

/// Waits until a stream says that its command runs.
pub(crate) fn runs(ws: &mut Ws, stream: u32) {
    let window = u32::try_from(WINDOW).unwrap().to_be_bytes().to_vec();
    assert_eq!(next(ws), Sent::Frame(CREDIT, stream, window));
}

/// What comes until the answer to the call of a stream: its outputs, and the answer.
pub(crate) fn rest(ws: &mut Ws, stream: u32) -> ([Vec<u8>; 2], Value) {
    let mut outputs = [Vec::new(), Vec::new()];
    loop {
        match next(ws) {
            Sent::Frame(kind @ (1 | 2), number, bytes) if number == stream => {
                outputs[usize::from(kind) - 1].extend(bytes);
            }
            Sent::Text(answer) if answer["id"] == format!("stream {stream}") => return (outputs, answer),
            _ => {}
        }
    }
}

fn world() -> (DaemonWorld, String) {
    let world = DaemonWorld::new();
    let id = world.id("a");
    world.run(&id, &["sleep", "1000"]);
    (world, id)
}

#[test]
fn a_stream_has_its_frames_and_its_answer_after_them() {
    let (world, id) = world();
    let mut ws = world.ws();
    begin(&mut ws, 4_000_000_000, &id, &["sh", "-c", "cat; echo err >&2; exit 3"]);
    runs(&mut ws, 4_000_000_000);
    frame(&mut ws, INPUT, 4_000_000_000, b"in\xff");
    frame(&mut ws, INPUT, 4_000_000_000, b"");
    let (outputs, answer) = rest(&mut ws, 4_000_000_000);
    assert_eq!(outputs, [b"in\xff".to_vec(), b"err\n".to_vec()]);
    let result =
        json!({"exitCode": 3, "signal": null, "timedOut": false, "errorReason": "", "success": true});
    assert_eq!(answer["result"], result);
    begin(&mut ws, 1, &id, &["sleep", "1000"]);
    runs(&mut ws, 1);
    frame(&mut ws, SIGNAL, 1, &[15]);
    assert_eq!(rest(&mut ws, 1).1["result"]["signal"], 15);
    begin(&mut ws, 1, &id, &["nosuch"]);
    let (outputs, answer) = rest(&mut ws, 1);
    assert!(answer["error"]["data"].as_str().unwrap().contains("nosuch"), "{answer}");
    assert_eq!(outputs.concat(), b"");
    frame(&mut ws, INPUT, 1, b"for a stream that has ended");
    frame(&mut ws, SIGNAL, 77, &[9]);
    assert_eq!(ws.call(&format!("{PLUGIN}.listContainers"), &json!({}))["result"]["success"], true);
}

#[test]
fn no_more_comes_than_the_client_takes_and_calls_go_on_meanwhile() {
    let (world, id) = world();
    let mut ws = world.ws();
    begin(&mut ws, 1, &id, &["head", "-c", "200000", "/dev/zero"]);
    runs(&mut ws, 1);
    let mut came = 0;
    while came < WINDOW {
        match next(&mut ws) {
            Sent::Frame(1, 1, bytes) => came += bytes.len(),
            other => panic!("{other:?}"),
        }
    }
    assert_eq!(came, WINDOW);
    for _ in 0..3 {
        ws.send(r#"{"id": 5, "method": "OCIContainer.versions"}"#);
        assert!(matches!(next(&mut ws), Sent::Text(answer) if answer["id"] == 5), "and nothing else");
    }
    frame(&mut ws, CREDIT, 1, &10_u32.to_be_bytes());
    assert!(matches!(next(&mut ws), Sent::Frame(1, 1, bytes) if bytes.len() == 10));
    frame(&mut ws, CREDIT, 1, &u32::MAX.to_be_bytes());
    let (outputs, answer) = rest(&mut ws, 1);
    assert_eq!((outputs[0].len(), &answer["result"]["exitCode"]), (200_000 - WINDOW - 10, &json!(0)));
}

#[test]
fn streams_have_limits_and_one_over_them_is_refused() {
    let (world, id) = world();
    let mut ws = world.ws();
    for stream in 0..8 {
        begin(&mut ws, stream, &id, &["cat"]);
        runs(&mut ws, stream);
    }
    let mut refused = |stream: u32, why: &str| {
        begin(&mut ws, stream, &id, &["cat"]);
        let answer = rest(&mut ws, stream).1;
        assert!(answer["error"]["data"].as_str().is_some_and(|data| data.contains(why)), "{answer}");
    };
    refused(8, "8 streams at a time");
    refused(0, "is in use");
    let mut others: Vec<Ws> = (0..7).map(|_| world.ws()).collect();
    for other in &mut others {
        for stream in 0..8 {
            begin(other, stream, &id, &["cat"]);
            runs(other, stream);
        }
    }
    let mut last = world.ws();
    begin(&mut last, 1, &id, &["cat"]);
    let answer = rest(&mut last, 1).1;
    assert!(answer["error"]["data"].as_str().unwrap().contains("as many streams"), "{answer}");
    drop(others);
    world.until("the streams of clients that went are free", || {
        begin(&mut last, 1, &id, &["true"]);
        rest(&mut last, 1).1["result"]["exitCode"] == 0
    });
    frame(&mut ws, INPUT, 3, b"");
    assert_eq!(rest(&mut ws, 3).1["result"]["exitCode"], 0);
    begin(&mut ws, 3, &id, &["true"]);
    assert_eq!(rest(&mut ws, 3).1["result"]["exitCode"], 0, "the number is free again");
}

#[test]
fn a_client_that_breaks_the_rules_ends_its_own_stream() {
    let (world, id) = world();
    let mut ws = world.ws();
    begin(&mut ws, 1, &id, &["sleep", "1000"]);
    runs(&mut ws, 1);
    begin(&mut ws, 2, &id, &["cat"]);
    runs(&mut ws, 2);
    for _ in 0..4 {
        frame(&mut ws, INPUT, 1, &vec![b'x'; WINDOW]);
    }
    let answer = rest(&mut ws, 1).1;
    assert!(answer["error"]["data"].as_str().unwrap().contains("credit"), "{answer}");
    frame(&mut ws, INPUT, 2, b"");
    assert_eq!(rest(&mut ws, 2).1["result"]["exitCode"], 0, "and no other");
    for (bad, params) in [
        ("stream", json!({"containerId": id, "command": "true"})),
        ("stream", json!({"containerId": id, "command": "true", "stream": -1})),
        (
            "terminal",
            json!({"containerId": id, "command": "true", "stream": 1, "terminal": {"rows": 70_000}}),
        ),
        ("options", json!({"containerId": id, "command": "true", "stream": 1, "options": "--tty"})),
        ("command", json!({"containerId": id, "command": [], "stream": 1})),
    ] {
        let answer = ws.call(&format!("{PLUGIN}.execStream"), &params);
        let data = answer["error"]["data"].as_str().unwrap();
        assert!(data.contains(bad) || data.contains("option"), "{params}: {answer}");
    }
    let call = json!({"containerId": id, "command": "true", "stream": 1});
    let by_http = world.call("execStream", &call).unwrap_err();
    assert!(by_http["data"].as_str().unwrap().contains("WebSocket"), "{by_http}");
    let batch = json!([{"id": 1, "method": format!("{PLUGIN}.execStream"), "params": call}]);
    assert!(ws.ask(&batch.to_string()).contains("outside of batches"));
    frame(&mut ws, 6, 1, b"");
    assert_eq!(next(&mut ws), Sent::Closed(1008), "a kind that does not exist");
}

#[test]
fn a_read_only_address_gives_no_stream() {
    let world = DaemonWorld::with(&["--tcp-read-only"]);
    let id = world.id("a");
    let bundle = world.bundle("b", &["sleep", "1000"]);
    assert!(world.cli(&["start", &id, bundle.to_str().unwrap()]).status.success());
    let mut ws = world.ws();
    begin(&mut ws, 1, &id, &["true"]);
    let answer = rest(&mut ws, 1).1;
    assert_eq!(answer["error"]["code"], -32604, "{answer}");
    assert!(world.cli(&["exec", &id, "true"]).status.success());
}

#[test]
fn a_container_has_a_stream_for_the_one_that_feeds_it_and_some_for_those_who_look_on() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    let bundle = world.bundle("b", &["cat"]);
    let start = json!({"containerId": id, "bundlePath": bundle, "interactive": true});
    let mut ws = world.ws();
    call(&mut ws, 1, "runContainer", start.clone());
    runs(&mut ws, 1);
    for (params, why) in [
        (json!({"containerId": id}), "another client has the input"),
        (json!({"containerId": id, "readOnly": 1}), "readOnly"),
        (json!({"containerId": world.id("none")}), "no container"),
        (json!({"containerId": id, "terminal": {"rows": 1}}), "terminal"),
    ] {
        call(&mut ws, 2, "attachContainer", params.clone());
        let answer = rest(&mut ws, 2).1;
        assert!(
            answer["error"]["data"].as_str().is_some_and(|data| data.contains(why)),
            "{params}: {answer}"
        );
    }
    let mut other = world.ws();
    for stream in 0..7 {
        call(&mut other, stream, "attachContainer", json!({"containerId": id, "readOnly": true}));
        runs(&mut other, stream);
    }
    call(&mut other, 7, "attachContainer", json!({"containerId": id, "readOnly": true}));
    let answer = rest(&mut other, 7).1;
    assert!(answer["error"]["data"].as_str().unwrap().contains("7 clients look on"), "{answer}");
    for looks_on in 0..7 {
        frame(&mut other, INPUT, looks_on, b"not for it");
        frame(&mut other, INPUT, looks_on, b"");
        frame(&mut other, SIGNAL, looks_on, &[9]);
    }
    frame(&mut ws, SIGNAL, 1, &[9]);
    frame(&mut ws, INPUT, 1, b"for it\xff");
    frame(&mut ws, INPUT, 1, b"");
    let result = json!({"exitCode": 0, "signal": null, "lost": 0, "errorReason": "", "success": true});
    let (outputs, answer) = rest(&mut ws, 1);
    assert_eq!((outputs, &answer["result"]), ([b"for it\xff".to_vec(), Vec::new()], &result), "{answer}");
    let by_http = world.call("runContainer", &start).unwrap_err();
    assert!(by_http["data"].as_str().unwrap().contains("WebSocket"), "{by_http}");
    call(&mut ws, 1, "runContainer", json!({"containerId": id, "bundlePath": "/nosuch"}));
    assert!(rest(&mut ws, 1).1["error"]["data"].as_str().unwrap().contains("cannot start container"));
}
