//! What is known of a dump, posted to a socket of this machine: an answer of success counts, and nothing else.

use std::io::{Read, Write};
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::time::Duration;

use oci_minidump::notify::entry::record_of;
use serde_json::Value;

use crate::images::harvest;
use crate::notify::{entries, image_with, program};
use crate::support::hook_world::HookWorld;

/// A request: its first line, its fields, and its document.
struct Request {
    line: String,
    fields: String,
    document: Value,
}

/// Reads one request and answers it.
fn serve(mut stream: impl Read + Write, answer: &[u8]) -> Request {
    let (mut bytes, mut chunk) = (Vec::new(), [0; 1000]);
    loop {
        let text = String::from_utf8_lossy(&bytes).into_owned();
        if let Some((head, body)) = text.split_once("\r\n\r\n") {
            let (line, fields) = head.split_once("\r\n").unwrap();
            let length = fields.split("Content-Length: ").nth(1).unwrap().lines().next().unwrap();
            if body.len() >= length.parse::<usize>().unwrap() {
                stream.write_all(answer).unwrap();
                let document = serde_json::from_str(body).unwrap();
                return Request { line: line.to_owned(), fields: fields.to_owned(), document };
            }
        }
        let count = stream.read(&mut chunk).unwrap();
        assert!(count > 0, "{text}");
        bytes.extend_from_slice(&chunk[..count]);
    }
}

/// Hands over what waits while a listener gives `answer`.
fn notify(world: &HookWorld, listener: &TcpListener, answer: &[u8]) -> (Request, crate::support::run::Run) {
    std::thread::scope(|scope| {
        let served = scope.spawn(|| serve(listener.accept().unwrap().0, answer));
        let run = world.hook(&["notify"]);
        (served.join().unwrap(), run)
    })
}

fn settings(world: &HookWorld, url: &str, more: &str) {
    world.settings(&format!("{more}\n[notify]\nwebhook = {url:?}\nretry = \"0s\"\nattempts = 100\n"));
}

#[test]
fn only_an_answer_of_success_removes_an_entry() {
    let world = HookWorld::new("crun");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let host = listener.local_addr().unwrap();
    settings(&world, &format!("http://{host}/crashes?box=1"), "crash_records = true");
    std::thread::scope(|scope| {
        let made = image_with(&world, &["a.dmp"]);
        let served = scope.spawn(|| serve(listener.accept().unwrap().0, b"HTTP/1.1 500 Oh\r\n\r\n"));
        let run = harvest(&world, &made).expect(0);
        assert!(run.stderr().contains("/crashes?box=1 answered 500"), "{}", run.story());
        served.join().unwrap();
    });
    for (answer, expected) in [
        (b"".as_slice(), "no answer of "),
        (b"HTTP/1.1 2", "no answer of "),
        (b"SSH-2.0-OpenSSH\r\n", "it is not one of HTTP/1.1"),
        (b"HTTP/1.1 302 Found\r\nLocation: http://192.0.2.1/\r\n\r\n", "answered 302"),
        (b"HTTP/1.1 404 Not Found\r\n\r\n", "answered 404"),
        (b"HTTP/1.1 199 x\r\n\r\n", "no answer of "),
    ] {
        let (_, run) = notify(&world, &listener, answer);
        assert!(run.code() == Some(1) && run.stderr().contains(expected), "{}", run.story());
        assert_eq!(entries(&world).len(), 1);
    }
    let (request, run) =
        notify(&world, &listener, b"HTTP/1.1 100 Continue\r\n\r\nHTTP/1.1 202 Accepted\r\n\r\n");
    assert_eq!(run.stdout(), "1 dumps handed over, 0 left, 0 given up\n", "{}", run.story());
    assert!(entries(&world).is_empty());
    assert_eq!(request.line, "POST /crashes?box=1 HTTP/1.1");
    assert!(request.fields.contains(&format!("Host: {host}\r\n")), "{}", request.fields);
    assert!(request.fields.contains("Content-Type: application/json\r\n"), "{}", request.fields);
    let mut document = request.document;
    let path = world.dumps_dir().join("a.dmp");
    assert_eq!(document["path"], path.to_str().unwrap());
    // All else is the crash record.
    document.as_object_mut().unwrap().remove("path");
    let record = std::fs::read(path.with_extension("json")).unwrap();
    assert_eq!(document, serde_json::from_slice::<Value>(&record).unwrap());
}

/// Also if the program moves the dump first.
#[test]
fn a_record_in_an_attribute_is_in_the_document() {
    let world = HookWorld::new("crun");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let upload = program(&world, "mv \"$1\" moved");
    let exec = format!("exec = [{upload:?}, \"{{path}}\"]");
    world.settings(&format!("crash_records = \"xattr\"\n[notify]\n{exec}\nwebhook = {url:?}\n"));
    let made = image_with(&world, &["a.dmp"]);
    std::thread::scope(|scope| {
        let served = scope.spawn(|| serve(listener.accept().unwrap().0, b"HTTP/1.1 200 OK\r\n\r\n"));
        let run = harvest(&world, &made).expect(0);
        let mut document = served.join().unwrap().document;
        assert_eq!(document["path"], world.dumps_dir().join("a.dmp").to_str().unwrap());
        document.as_object_mut().unwrap().remove("path");
        let record = record_of(&world.path("moved")).unwrap();
        assert_eq!(document, serde_json::from_slice::<Value>(&record).unwrap(), "{}", run.story());
        assert!(document["sha256"].is_string(), "{document}");
    });
    assert!(entries(&world).is_empty());
}

#[test]
fn without_a_record_the_document_says_what_is_known() {
    let world = HookWorld::new("crun");
    let listener = UnixListener::bind(world.path("socket")).unwrap();
    settings(&world, &format!("unix:{}", world.path("socket").display()), "");
    let made = image_with(&world, &["a.dmp"]);
    std::thread::scope(|scope| {
        let served = scope.spawn(|| serve(listener.accept().unwrap().0, b"HTTP/1.1 200 OK\r\n\r\n"));
        harvest(&world, &made).expect(0);
        let Request { line, document, .. } = served.join().unwrap();
        assert_eq!(line, "POST / HTTP/1.1");
        assert_eq!(document["path"], world.dumps_dir().join("a.dmp").to_str().unwrap());
        assert_eq!((&document["container"], &document["size"]), (&"app".into(), &3000.into()), "{document}");
        assert!(document["time"].as_str().unwrap().starts_with("2026-"), "{document}");
        assert!(document.get("name").is_none(), "what is not known is absent: {document}");
    });
    assert!(entries(&world).is_empty());
}

#[test]
fn a_listener_that_is_silent_or_away_holds_nothing_up_for_longer_than_the_deadline() {
    let world = HookWorld::new("crun");
    let listener = UnixListener::bind(world.path("socket")).unwrap();
    let url = format!("unix:{}", world.path("socket").display());
    world.settings(&format!("[notify]\nwebhook = {url:?}\nretry = \"0s\"\ndeadline = \"1s\"\n"));
    let run = harvest(&world, &image_with(&world, &["a.dmp"])).expect(0);
    assert!(run.stderr().contains("no answer of unix:"), "{}", run.story());
    // It trickles: each byte in time, and the answer never ends.
    std::thread::scope(|scope| {
        let served = scope.spawn(|| {
            // The first is that of the harvest.
            drop(listener.accept().unwrap());
            let mut stream = listener.accept().unwrap().0;
            while stream.write_all(b"H").is_ok() {
                std::thread::sleep(Duration::from_millis(50));
            }
        });
        let run = world.hook(&["notify"]).expect(1);
        assert!(run.stderr().contains("no answer of unix:"), "{}", run.story());
        served.join().unwrap();
    });
    drop(listener);
    let run = world.hook(&["notify"]).expect(1);
    assert!(run.stderr().contains("cannot connect to unix:"), "{}", run.story());
    assert_eq!(entries(&world)[0]["attempts"], 3);
}

#[test]
fn of_a_program_and_a_socket_each_is_tried_until_it_succeeds_itself() {
    for does in ["echo $1 >> calls", "echo $1 >> calls; rm $1"] {
        each_is_tried(does);
    }
}

/// The program `does` this with the dump, and the first post fails.
fn each_is_tried(does: &str) {
    let world = HookWorld::new("crun");
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let upload = program(&world, does);
    let url = format!("http://{}/", listener.local_addr().unwrap());
    let exec = format!("exec = [{upload:?}, \"{{path}}\"]");
    world.settings(&format!("[notify]\n{exec}\nwebhook = {url:?}\nretry = \"0s\"\n"));
    std::thread::scope(|scope| {
        let made = image_with(&world, &["a.dmp"]);
        let served = scope.spawn(|| serve(listener.accept().unwrap().0, b"HTTP/1.1 503 Busy\r\n\r\n"));
        harvest(&world, &made).expect(0);
        served.join().unwrap();
    });
    let (_, run) = notify(&world, &listener, b"HTTP/1.1 204 Done\r\n\r\n");
    run.expect(0);
    assert_eq!(std::fs::read_to_string(world.path("calls")).unwrap().lines().count(), 1);
    assert!(entries(&world).is_empty());
}
