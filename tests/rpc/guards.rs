//! Who may call: each guard refuses what it must, and lets through what it may.

use std::io::Write;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::process::{Command, Stdio};

use serde_json::json;

use crate::support::daemon_world::DaemonWorld;
use crate::support::host::daemon_program;
use crate::support::wire::{Http, Ws, request};

const LIST: &str = r#"{"id":3,"method":"OCIContainer.1.listContainers"}"#;
const NOBODY: u32 = 65534;

/// The statuses of a POST and of a WebSocket upgrade with these headers.
fn statuses(world: &DaemonWorld, headers: &[(&str, &str)]) -> (u16, u16) {
    let post = world.tcp().request("POST", "/jsonrpc", headers, LIST);
    let upgrade = [
        ("Upgrade", "websocket"),
        ("Connection", "Upgrade"),
        ("Sec-WebSocket-Version", "13"),
        ("Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ=="),
    ];
    let all: Vec<_> = upgrade.into_iter().chain(headers.iter().copied()).collect();
    (post.status, world.tcp().request("GET", "/jsonrpc", &all, "").status)
}

#[test]
fn only_this_host_may_be_meant() {
    let world = DaemonWorld::with(&["--allow-host", "box.local"]);
    let own = format!("127.0.0.1:{}", world.port);
    let cases = [
        (own.as_str(), true),
        ("127.0.0.1", true),
        ("localhost", true),
        ("[::1]", true),
        ("box.local", true),
        ("evil.example", false),
        ("127.0.0.1:1", false),
        ("localhost.evil.example", false),
        ("", false),
    ];
    for (host, allowed) in cases {
        let expected = if allowed { (200, 101) } else { (403, 403) };
        assert_eq!(statuses(&world, &[("Host", host)]), expected, "{host:?}");
    }
    let refused = world.tcp().request("POST", "/jsonrpc", &[("Host", "evil.example")], LIST).json();
    assert_eq!((&refused["id"], &refused["error"]["code"]), (&json!(null), &json!(-32604)));
    assert!(refused["error"]["data"].as_str().unwrap().contains("--allow-host"), "{refused}");
    assert!(world.log().contains("refused a request"), "{}", world.log());
    let absolute = request("POST", "http://evil.example/jsonrpc", &[], LIST);
    let mut client = world.tcp();
    client.send(absolute.as_bytes());
    assert_eq!(client.answer().status, 403, "an absolute target counts too");
    let mut client = world.tcp();
    client.send(format!("POST /jsonrpc HTTP/1.1\r\nContent-Length: {}\r\n\r\n{LIST}", LIST.len()).as_bytes());
    assert_eq!(client.answer().status, 403, "no Host at all");
    let unix = world.unix().request("POST", "/jsonrpc", &[("Host", "whatever")], LIST);
    assert_eq!(unix.status, 200, "the Unix socket has its file's permissions");
}

#[test]
fn only_allowed_pages_may_call() {
    let page = "http://localhost:50050";
    let world = DaemonWorld::with(&["--allow-origin", page]);
    let own = format!("http://127.0.0.1:{}", world.port);
    let cases: [(&[(&str, &str)], bool); 10] = [
        (&[("Origin", page)], true),
        (&[("Origin", &own)], true),
        (&[("Origin", "http://evil.example")], false),
        (&[("Origin", "http://localhost")], false),
        (&[("Origin", "null")], false),
        (&[("Origin", "file://")], false),
        (&[("Sec-Fetch-Site", "cross-site")], false),
        (&[("Sec-Fetch-Site", "same-origin")], true),
        (&[("Referer", "http://evil.example/page")], false),
        (&[("Origin", "http://evil.example"), ("Content-Type", "text/plain")], false),
    ];
    for (headers, allowed) in cases {
        let expected = if allowed { (200, 101) } else { (403, 403) };
        assert_eq!(statuses(&world, headers), expected, "{headers:?}");
        let preflight = world.tcp().request("OPTIONS", "/jsonrpc", headers, "");
        let asked = headers.iter().any(|(name, _)| *name == "Origin");
        let expected = if !allowed {
            403
        } else if asked {
            204
        } else {
            405
        };
        assert_eq!(preflight.status, expected, "OPTIONS {headers:?}");
    }
    let answer = world.tcp().request("POST", "/jsonrpc", &[("Origin", page)], LIST);
    assert_eq!(answer.header("access-control-allow-origin"), Some(page));
    assert_eq!(answer.header("vary"), Some("Origin"));
    let answer = world.tcp().request("POST", "/jsonrpc", &[], LIST);
    assert_eq!(answer.header("access-control-allow-origin"), None, "never a star");
}

#[test]
fn every_page_may_call_where_the_administrator_says_so() {
    let world = DaemonWorld::with(&["--allow-origin", "*"]);
    for headers in
        [[("Origin", "http://any.example")], [("Origin", "null")], [("Sec-Fetch-Site", "cross-site")]]
    {
        assert_eq!(statuses(&world, &headers), (200, 101), "{headers:?}");
    }
    let answer = world.tcp().request("POST", "/jsonrpc", &[("Origin", "http://any.example")], LIST);
    assert_eq!(answer.header("access-control-allow-origin"), Some("http://any.example"));
    assert_eq!(statuses(&world, &[("Origin", "http://evil.example"), ("Host", "evil.example")]), (403, 403));
}

/// Runs `sh`-less curl as another user and gives the HTTP status.
fn curl_as(uid: u32, args: &[&str]) -> String {
    let mut command = Command::new("curl");
    command.args(["-s", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}", "-d", LIST]).args(args);
    let output = command.uid(uid).gid(uid).current_dir("/").stdin(Stdio::null()).output().unwrap();
    String::from_utf8(output.stdout).unwrap()
}

#[test]
fn other_users_are_refused_over_tcp_and_by_the_sockets_mode() {
    let world = DaemonWorld::new();
    let url = format!("http://127.0.0.1:{}/jsonrpc", world.port);
    assert_eq!(curl_as(0, &[&url]), "200");
    assert_eq!(curl_as(NOBODY, &[&url]), "403");
    let socket = world.path("socket");
    let mode = std::fs::metadata(&socket).unwrap().permissions().mode();
    assert_eq!(mode & 0o7777, 0o660);
    std::fs::set_permissions(world.dir.path(), std::fs::Permissions::from_mode(0o755)).unwrap();
    assert_eq!(curl_as(NOBODY, &["--unix-socket", socket.to_str().unwrap(), &url]), "000");
    let world = DaemonWorld::with(&["--tcp-allow-uid", "65534"]);
    let url = format!("http://127.0.0.1:{}/jsonrpc", world.port);
    assert_eq!(curl_as(NOBODY, &[&url]), "200");
    assert_eq!(curl_as(NOBODY - 1, &[&url]), "403");
}

/// A program that writes a request and is gone before anyone can ask who it was.
fn write_then_close_as(uid: u32, port: u16, text: &str) {
    let script = format!("exec 3<>/dev/tcp/127.0.0.1/{port} && printf %s \"$REQUEST\" >&3");
    let mut command = Command::new("bash");
    command.args(["-c", &script]).env("REQUEST", text).uid(uid).gid(uid).current_dir("/");
    assert!(command.status().unwrap().success());
}

#[test]
fn a_request_whose_sender_has_closed_is_nobodys_and_refused() {
    let world = DaemonWorld::new();
    let bundle = world.bundle("b", &["sleep", "100"]);
    let call = json!({"id": 1, "method": "OCIContainer.1.startContainer",
        "params": {"containerId": world.id("trap"), "bundlePath": bundle}});
    let text = request("POST", "/jsonrpc", &[("Connection", "close")], &call.to_string());
    // The daemon sleeps while the trap is laid, so that it finds an orphaned socket.
    let pid = rustix::process::Pid::from_raw(world.pid().try_into().unwrap()).unwrap();
    rustix::process::kill_process(pid, rustix::process::Signal::STOP).unwrap();
    for _ in 0..3 {
        write_then_close_as(NOBODY, world.port, &text);
    }
    rustix::process::kill_process(pid, rustix::process::Signal::CONT).unwrap();
    world.until("the trap is seen", || world.log().contains("the other end of the connection is closed"));
    assert_eq!(world.done("listContainers", &json!({}))["containers"], json!([]));
    assert!(world.runtime_list().is_empty());
}

#[test]
fn a_token_is_wanted_where_one_is_set() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("token");
    let token = "0123456789abcdef-token";
    let mut made = std::fs::File::options().write(true).create(true).truncate(true).open(&file).unwrap();
    writeln!(made, "{token}").unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let world = DaemonWorld::with(&["--token-file", file.to_str().unwrap()]);
    let right = format!("Bearer {token}");
    let cases = [
        (Some(right.as_str()), (200, 101)),
        (Some("Bearer 0123456789abcdef-tokem"), (401, 403)),
        (Some("Bearer 0123456789abcdef-toke"), (401, 403)),
        (Some("Bearer "), (401, 403)),
        (Some(token), (401, 403)),
        (None, (401, 403)),
    ];
    for (value, expected) in cases {
        let headers: Vec<_> = value.iter().map(|value| ("Authorization", *value)).collect();
        assert_eq!(statuses(&world, &headers), expected, "{value:?}");
    }
    let query = |path: &str| Ws::connect(world.port, path, &[]).map(drop);
    assert_eq!(query(&format!("/jsonrpc?token={token}")), Ok(()));
    assert_eq!(query("/jsonrpc?token=wrong"), Err(403));
    let post = world.tcp().request("POST", &format!("/jsonrpc?token={token}"), &[], LIST);
    assert_eq!((post.status, post.body.as_str()), (401, ""), "a query ends up in logs: for WebSockets only");
    assert_eq!(world.unix().request("POST", "/jsonrpc", &[], LIST).status, 200);
    assert_eq!(world.tcp().request("GET", "/healthz", &[], "").status, 200);
    assert!(!world.log().contains(token), "the token is never logged");
}

#[test]
fn a_read_only_address_refuses_what_changes_something() {
    let world = DaemonWorld::with(&["--tcp-read-only"]);
    let call = |client: &mut Http, method: &str| {
        let body =
            json!({"id": 1, "method": format!("OCIContainer.1.{method}"), "params": {"containerId": "x"}});
        client.request("POST", "/jsonrpc", &[], &body.to_string()).json()["error"]["code"].as_i64()
    };
    for method in ["startContainer", "stopContainer", "deleteContainer", "runCommand", "executeCommand"] {
        assert_eq!(call(&mut world.tcp(), method), Some(-32604), "{method}");
        assert_eq!(call(&mut world.unix(), method), Some(1), "{method}");
    }
    assert_eq!(call(&mut world.tcp(), "listContainers"), None);
    assert_eq!(call(&mut world.tcp(), "getContainerState"), Some(1));
}

#[test]
fn what_would_open_the_door_to_everyone_is_refused_at_the_start() {
    let dir = tempfile::tempdir().unwrap();
    let token = |name: &str, text: &str, mode| {
        let path = dir.path().join(name);
        std::fs::write(&path, text).unwrap();
        std::fs::set_permissions(&path, std::fs::Permissions::from_mode(mode)).unwrap();
        path.to_str().unwrap().to_owned()
    };
    let open = token("open", "0123456789abcdef", 0o644);
    let short = token("short", "0123", 0o600);
    let cases: [(&[&str], &str); 4] = [
        (&["--listen", "0.0.0.0:0"], "refused to listen on 0.0.0.0:0"),
        (&["--listen", "[::]:0"], "refused to listen"),
        (&["--token-file", &open], "others may read"),
        (&["--token-file", &short], "at least 16"),
    ];
    for (flags, reason) in cases {
        let mut command = Command::new(daemon_program());
        command.arg("serve").args(flags).arg("--socket").arg(dir.path().join("s"));
        command.arg("--state-dir").arg(dir.path().join("state")).arg("--log-dir").arg(dir.path().join("log"));
        let output = command.output().unwrap();
        let error = String::from_utf8(output.stderr).unwrap();
        assert!(error.contains(reason) && output.status.code() == Some(4), "{flags:?}: {error}");
    }
}
