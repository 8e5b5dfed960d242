//! Paths, verbs, headers and content types.

use crate::support::daemon_world::DaemonWorld;
use crate::support::wire::request;

const LIST: &str = r#"{"jsonrpc":"2.0","id":3,"method":"org.rdk.OCIContainer.1.listContainers"}"#;
const EMPTY_LIST: &str =
    r#"{"jsonrpc":"2.0","id":3,"result":{"containers":[],"errorReason":"","success":true}}"#;

#[test]
fn paths_and_verbs_answer_as_thunder_does() {
    let world = DaemonWorld::new();
    let cases = [
        ("POST", "/jsonrpc", LIST, 200),
        ("POST", "/jsonrpc/", LIST, 200),
        ("POST", "/jsonrpc?x=y", LIST, 200),
        ("POST", "/jsonrpc/Controller", LIST, 200),
        ("POST", "/jsonrpc/org.rdk.OCIContainer", LIST, 200),
        ("POST", "/jsonrpc/org.rdk.OCIContainer/", LIST, 200),
        ("POST", "/jsonrpc/org.rdk.OCIContainer/any/thing", LIST, 200),
        ("POST", "/jsonrpc/org.rdk.OCIContainer.1", LIST, 200),
        ("POST", "/jsonrpc/OCIContainer", LIST, 200),
        ("POST", "/jsonrpc/org.rdk.OCIContainer.2", LIST, 400),
        ("POST", "/jsonrpc/unknown.callsign", LIST, 404),
        ("POST", "/jsonrpcx", LIST, 404),
        ("POST", "/JSONRPC", LIST, 404),
        ("POST", "/nope", LIST, 404),
        ("POST", "/Service", LIST, 404),
        ("GET", "/nope", "", 404),
        ("GET", "/jsonrpc", "", 405),
        ("GET", "/jsonrpc", LIST, 405),
        ("PUT", "/jsonrpc", LIST, 405),
        ("DELETE", "/jsonrpc", "", 405),
        ("HEAD", "/jsonrpc", "", 405),
        ("OPTIONS", "/jsonrpc", "", 405),
        ("POST", "/jsonrpc", "", 400),
        ("GET", "/healthz", "", 200),
        ("POST", "/healthz", LIST, 405),
    ];
    for (verb, path, body, status) in cases {
        for mut client in [world.tcp(), world.unix()] {
            let raw = request(verb, path, &[], body);
            client.send(raw.as_bytes());
            let answer = client.answer();
            assert_eq!(answer.status, status, "{verb} {path} {body}: {answer:?}");
            if body == LIST && status == 200 {
                assert_eq!(answer.body, EMPTY_LIST, "{verb} {path}");
            } else if path != "/healthz" {
                assert_eq!(answer.body, "", "{verb} {path}");
            }
        }
    }
}

#[test]
fn bare_methods_work_on_the_plugins_own_path_only() {
    let world = DaemonWorld::new();
    let cases = [
        ("/jsonrpc/org.rdk.OCIContainer", "listContainers", "result"),
        ("/jsonrpc/org.rdk.OCIContainer", "1.listContainers", "result"),
        ("/jsonrpc/org.rdk.OCIContainer", "2.listContainers", "45"),
        ("/jsonrpc/org.rdk.OCIContainer", "Controller.1.version", "-32601"),
        ("/jsonrpc/Controller", "org.rdk.OCIContainer.1.listContainers", "result"),
        ("/jsonrpc/Controller", "version", "result"),
        ("/jsonrpc", "listContainers", "-32601"),
        ("/jsonrpc", "status@org.rdk.OCIContainer", "result"),
    ];
    for (path, method, expected) in cases {
        let body = format!(r#"{{"id":1,"method":"{method}"}}"#);
        let answer = world.tcp().request("POST", path, &[], &body);
        let json = answer.json();
        let got = json.get("error").map_or("result".to_owned(), |error| error["code"].to_string());
        assert_eq!(got, expected, "{path} {method}: {answer:?}");
    }
}

#[test]
fn content_types_are_ignored_but_for_form_uploads() {
    let world = DaemonWorld::new();
    let cases = [
        (None, 200),
        (Some("application/json"), 200),
        (Some("application/json; charset=utf-8"), 200),
        (Some("application/json-rpc"), 200),
        (Some("application/x-www-form-urlencoded"), 200),
        (Some("text/plain"), 200),
        (Some("multipart/form-data; boundary=x"), 415),
    ];
    for (kind, status) in cases {
        let headers: Vec<_> = kind.iter().map(|kind| ("Content-Type", *kind)).collect();
        assert_eq!(world.tcp().request("POST", "/jsonrpc", &headers, LIST).status, status, "{kind:?}");
    }
}

#[test]
fn answers_have_thunders_headers() {
    let world = DaemonWorld::new();
    let answer = world.post(LIST);
    assert_eq!(answer.header("content-type"), Some("application/json"));
    let no_cache = "no-cache, private, no-store, must-revalidate, max-stale=0, post-check=0, pre-check=0";
    assert_eq!(answer.header("cache-control"), Some(no_cache));
    assert_eq!(answer.headers.len(), 3, "{answer:?}");
}

#[test]
fn every_way_to_send_a_body_works_and_the_connection_is_kept() {
    let world = DaemonWorld::new();
    let mut client = world.tcp();
    let chunked = format!(
        "POST /jsonrpc HTTP/1.1\r\nHost: localhost\r\nTransfer-Encoding: chunked\r\n\r\n{:x}\r\n{LIST}\r\n0\r\n\r\n",
        LIST.len()
    );
    for _ in 0..3 {
        client.send(chunked.as_bytes());
        assert_eq!(client.answer().body, EMPTY_LIST);
        // An error in between does not bring the connection out of step.
        assert_eq!(client.request("POST", "/nope", &[], LIST).status, 404);
        assert_eq!(client.request("POST", "/jsonrpc", &[], "hello").status, 400);
        assert_eq!(client.request("POST", "/jsonrpc", &[], LIST).body, EMPTY_LIST);
    }
    let expecting = request("POST", "/jsonrpc", &[("Expect", "100-continue")], LIST);
    let (head, body) = expecting.split_once("\r\n\r\n").unwrap();
    client.send(format!("{head}\r\n\r\n").as_bytes());
    assert_eq!(client.answer().status, 100);
    client.send(body.as_bytes());
    assert_eq!(client.answer().body, EMPTY_LIST);
    let old = format!("POST /jsonrpc HTTP/1.0\r\nContent-Length: {}\r\n\r\n{LIST}", LIST.len());
    let mut client = world.tcp();
    client.send(old.as_bytes());
    assert_eq!(client.answer().body, EMPTY_LIST);
    assert!(client.is_closed(), "HTTP/1.0 keeps no connection");
    let mut client = world.tcp();
    assert_eq!(client.request("POST", "/jsonrpc", &[("Connection", "close")], LIST).body, EMPTY_LIST);
    assert!(client.is_closed(), "the client asked for an end");
}

#[test]
fn health_tells_that_all_is_well() {
    let world = DaemonWorld::new();
    for mut client in [world.tcp(), world.unix()] {
        let answer = client.request("GET", "/healthz", &[], "");
        assert_eq!(answer.body, r#"{"status":"ok","reasons":[],"containers":0}"#);
    }
}
