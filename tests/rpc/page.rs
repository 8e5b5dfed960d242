//! The page, without a browser: its files, its headers, its guards, what it reads.

use std::io::{Read, Write};
use std::os::unix::fs::PermissionsExt;
use std::os::unix::process::CommandExt;
use std::path::Path;
use std::process::{Command, Stdio};

use serde_json::{Value, json};

use crate::dumps::dumping;
use crate::support::daemon_world::DaemonWorld;
use crate::support::wire::{Answer, Ws, request};

/// The static files.
const FILES: [(&str, &str); 8] = [
    ("/", "text/html; charset=utf-8"),
    ("/page.css", "text/css; charset=utf-8"),
    ("/page.js", "text/javascript; charset=utf-8"),
    ("/page/api.js", "text/javascript; charset=utf-8"),
    ("/page/containers.js", "text/javascript; charset=utf-8"),
    ("/page/crashes.js", "text/javascript; charset=utf-8"),
    ("/page/detail.js", "text/javascript; charset=utf-8"),
    ("/page/text.js", "text/javascript; charset=utf-8"),
];
/// What is read of the box; a dump is not there.
const DATA: [&str; 2] = ["/page/overview", "/page/dumps"];

fn get(world: &DaemonWorld, path: &str, headers: &[(&str, &str)]) -> Answer {
    world.tcp().request("GET", path, headers, "")
}

/// The files' texts, one after the other.
fn sources() -> String {
    let dir = Path::new(env!("CARGO_MANIFEST_DIR")).join("src/server/page");
    let files = std::fs::read_dir(dir).unwrap().map(|file| file.unwrap().path());
    let files = files.filter(|path| path.extension().is_some_and(|kind| kind != "rs"));
    files.map(|path| std::fs::read_to_string(path).unwrap()).collect()
}

/// How large something is when gzip has compressed it.
fn compressed(text: &str) -> usize {
    let mut command = Command::new("gzip");
    let mut gzip = command.arg("-9").stdin(Stdio::piped()).stdout(Stdio::piped()).spawn().unwrap();
    gzip.stdin.take().unwrap().write_all(text.as_bytes()).unwrap();
    let mut bytes = Vec::new();
    gzip.stdout.take().unwrap().read_to_end(&mut bytes).unwrap();
    assert!(gzip.wait().unwrap().success());
    bytes.len()
}

#[test]
fn its_files_are_small_and_come_with_what_keeps_a_browser_safe() {
    let world = DaemonWorld::new();
    let mut size = 0;
    for (path, kind) in FILES {
        let answer = get(&world, path, &[]);
        assert_eq!((answer.status, answer.header("content-type")), (200, Some(kind)), "{path}");
        let policy = answer.header("content-security-policy").unwrap();
        for part in [
            "default-src 'none'",
            "script-src 'self'",
            "style-src 'self'",
            "connect-src 'self'",
            "img-src 'self' data:",
            "frame-ancestors 'none'",
            "base-uri 'none'",
            "form-action 'none'",
            "require-trusted-types-for 'script'",
        ] {
            assert!(policy.split("; ").any(|found| found == part), "{path}: {part} in {policy}");
        }
        assert!(!policy.contains("unsafe"), "{policy}");
        assert_eq!(answer.header("x-content-type-options"), Some("nosniff"));
        assert_eq!(answer.header("referrer-policy"), Some("no-referrer"));
        assert_eq!(answer.header("cross-origin-resource-policy"), Some("same-origin"));
        assert!(answer.header("cache-control").unwrap().contains("no-store"));
        size += compressed(&answer.body);
    }
    assert!(size < 40 * 1024, "{size} bytes");
}

#[test]
fn nothing_becomes_markup_or_comes_from_elsewhere() {
    let sources = sources();
    for word in [
        "innerHTML",
        "outerHTML",
        "insertAdjacentHTML",
        "document.write",
        "DOMParser",
        "createContextualFragment",
        "srcdoc",
        "eval(",
        "new Function",
        "javascript:",
        "<style",
        " style=",
        " onclick=",
        " onload=",
        "@import",
        "url(",
        "https://",
        "localStorage.setItem('token",
        "document.cookie",
    ] {
        assert!(!sources.contains(word), "{word}");
    }
    let addresses: Vec<&str> =
        sources.match_indices("http://").map(|(at, _)| &sources[at..at + 26]).collect();
    assert!(addresses.iter().all(|address| *address == "http://www.w3.org/2000/svg"), "{addresses:?}");
}

#[test]
fn it_takes_nothing_from_the_other_paths_and_goes_with_a_flag() {
    let world = DaemonWorld::new();
    for path in FILES.iter().map(|(path, _)| *path).chain(DATA) {
        for (verb, status) in [("GET", 200), ("HEAD", 200), ("POST", 405), ("PUT", 405), ("OPTIONS", 405)] {
            let mut client = world.tcp();
            client.send(request(verb, path, &[], "").as_bytes());
            assert_eq!(client.head().unwrap().status, status, "{verb} {path}");
        }
    }
    for path in ["/page", "/page/", "/index.html", "/page.html", "/favicon.ico", "/page/dumps/x.dmp", "//"] {
        assert_eq!(get(&world, path, &[]).status, 404, "{path}");
    }
    for path in ["/page/dumps/00", "/page/dumps/00/stack"] {
        assert_eq!(get(&world, path, &[]).status, 404, "a dump that is not there");
    }
    let without = DaemonWorld::with(&["--no-page"]);
    let of_a_dump = ["/page/dumps/00", "/page/dumps/00/stack"];
    for path in FILES.iter().map(|(path, _)| *path).chain(DATA).chain(of_a_dump) {
        for verb in ["GET", "POST"] {
            let answer = without.tcp().request(verb, path, &[], "");
            assert_eq!((answer.status, answer.body.as_str()), (404, ""), "{verb} {path}");
        }
    }
    assert_eq!(get(&without, "/healthz", &[]).status, 200);
    let file = without.path("settings.toml");
    std::fs::write(&file, "no_page = true\n").unwrap();
    let by_file = DaemonWorld::with(&["--config", file.to_str().unwrap()]);
    assert_eq!(get(&by_file, "/", &[]).status, 404);
}

#[test]
fn it_is_guarded_like_everything_else() {
    let world = DaemonWorld::new();
    let own = format!("http://127.0.0.1:{}", world.port);
    let cases: [(&[(&str, &str)], u16); 8] = [
        (&[], 200),
        (&[("Origin", &own), ("Sec-Fetch-Site", "same-origin")], 200),
        (&[("Sec-Fetch-Site", "none")], 200),
        (&[("Sec-Fetch-Site", "cross-site")], 403),
        (&[("Sec-Fetch-Site", "same-site")], 403),
        (&[("Origin", "http://evil.example")], 403),
        (&[("Referer", "http://evil.example/")], 403),
        (&[("Host", "evil.example")], 403),
    ];
    for path in FILES.iter().map(|(path, _)| *path).chain(DATA) {
        for (headers, status) in cases {
            assert_eq!(get(&world, path, headers).status, status, "{path} {headers:?}");
        }
    }
    for path in ["/", "/page/dumps"] {
        let mut curl = Command::new("curl");
        curl.args(["-s", "-m", "20", "-o", "/dev/null", "-w", "%{http_code}"]);
        curl.arg(format!("{own}{path}")).uid(65534).gid(65534).current_dir("/").stdin(Stdio::null());
        assert_eq!(curl.output().unwrap().stdout, b"403", "another user's {path}");
    }
}

#[test]
fn what_it_reads_wants_the_token_and_its_files_hold_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let (file, token) = (dir.path().join("token"), "a+b/c=&#%41-0123456789");
    std::fs::write(&file, token).unwrap();
    std::fs::set_permissions(&file, std::fs::Permissions::from_mode(0o600)).unwrap();
    let world = DaemonWorld::with(&["--token-file", file.to_str().unwrap()]);
    let bearer = format!("Bearer {token}");
    for (path, _) in FILES {
        assert_eq!(get(&world, path, &[]).status, 200, "{path}");
    }
    for path in DATA {
        assert_eq!(get(&world, path, &[]).status, 401, "{path}");
        assert_eq!(get(&world, &format!("{path}?token=a"), &[]).status, 401, "{path}");
        assert_eq!(get(&world, path, &[("Authorization", &bearer)]).status, 200, "{path}");
    }
    for path in ["/page/dumps/00", "/page/dumps/00/stack"] {
        assert_eq!(get(&world, path, &[]).status, 401, "{path}");
    }
    // As a browser encodes it.
    let encoded = "a%2Bb%2Fc%3D%26%23%2541-0123456789";
    assert!(Ws::connect(world.port, &format!("/jsonrpc?token={encoded}"), &[]).is_ok());
    assert_eq!(Ws::connect(world.port, "/jsonrpc?token=a%2Bb", &[]).err(), Some(403));
    assert!(!world.log().contains(token) && !world.log().contains(encoded));
}

#[test]
fn the_overview_shows_containers_health_and_limits() {
    let world = DaemonWorld::with(&["--tcp-read-only", "--log-limit", "4096"]);
    let overview = || get(&world, "/page/overview", &[]).json();
    let idle = overview();
    assert_eq!((&idle["status"], &idle["containers"]), (&json!("ok"), &json!([])));
    assert_eq!((&idle["version"], &idle["readOnly"]), (&json!(env!("CARGO_PKG_VERSION")), &json!(true)));
    assert_eq!((&idle["limits"]["logBytes"], &idle["limits"]["stopSeconds"]), (&json!(4096), &json!(2)));
    let id = world.id("a");
    let bundle = world.bundle("b", &["sleep", "100"]);
    let bundle = bundle.to_str().unwrap();
    assert!(world.cli(&["start", &id, bundle]).status.success(), "{}", world.log());
    let container = overview()["containers"][0].clone();
    assert_eq!((&container["id"], &container["state"]), (&json!(id), &json!("Running")));
    assert_eq!(container["restarts"], Value::Null);
    let age = |container: &Value| container["age"].as_u64().unwrap();
    assert!(age(&overview()["containers"][0]) >= age(&container));
}

#[test]
fn a_dump_is_listed_and_comes_as_a_file_to_keep() {
    let world = DaemonWorld::new();
    let sample = Path::new(env!("CARGO_MANIFEST_DIR")).join("tests/data/minidumps/breakpad-segv-uid0.dmp");
    let id = world.id("a");
    let bundle = dumping(&world, "cat /crash >/opt/minidumps/crash.dmp; exit 9");
    std::fs::copy(&sample, world.path("rootfs/crash")).unwrap();
    std::fs::create_dir(world.path("dumps")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", world.path("dumps/link.dmp")).unwrap();
    world.done("startContainer", &json!({"containerId": id, "bundlePath": bundle}));
    world.done("waitContainer", &json!({"containerId": id}));
    let listed = get(&world, "/page/dumps", &[]).json()["dumps"].clone();
    assert_eq!(listed.as_array().unwrap().len(), 1, "a link is not a dump: {listed}");
    let dump = &listed[0];
    assert_eq!((&dump["container"], &dump["signal"]), (&json!(id), &json!("SIGSEGV")), "{dump}");
    assert!(dump["place"].as_str().unwrap().starts_with("crashbp+0x"), "{dump}");
    let about = |id: &str| world.done("listMinidumps", &json!({"containerId": id}))["minidumps"].clone();
    assert_eq!(about(&id)[0]["path"], dump["path"]);
    assert_eq!(about("another"), json!([]));
    assert_eq!(world.done("listMinidumps", &json!({}))["minidumps"].as_array().unwrap().len(), 1);
    let path = format!("/page/dumps/{}", dump["key"].as_str().unwrap());
    let mut client = world.tcp();
    client.send(request("GET", &path, &[], "").as_bytes());
    let answer = client.head().unwrap();
    assert_eq!(client.body_of(&answer), std::fs::read(&sample).unwrap());
    assert_eq!(client.request("GET", "/healthz", &[], "").status, 200, "the connection is kept");
    assert_eq!(answer.header("content-type"), Some("application/octet-stream"));
    assert_eq!(answer.header("content-disposition"), Some("attachment; filename=\"crash.dmp\""));
    assert!(world.log().contains("reads the dump crash.dmp"), "{}", world.log());
    // Where it crashed, as the program for stacks says.
    let stack = format!("{path}/stack");
    let shown = get(&world, &stack, &[]).json()["stack"].clone();
    let shown = shown.as_str().unwrap();
    assert!(shown.starts_with("thread 1, crashed\n   0  context       crashbp+0x56036\n"), "{shown}");
    std::fs::write(world.path("dumps/text.dmp"), "no dump").unwrap();
    let listed = get(&world, "/page/dumps", &[]).json();
    assert_eq!(listed["stacks"], true);
    let text = listed["dumps"].as_array().unwrap().iter().find(|dump| dump["file"] == "text.dmp").unwrap();
    let refused = get(&world, &format!("/page/dumps/{}/stack", text["key"].as_str().unwrap()), &[]);
    let why = refused.json()["error"].clone();
    assert!(why.as_str().unwrap().starts_with("cannot show a stack of text.dmp: "), "{why}");
    assert!(!refused.body.contains("/proc/self"), "{why}");
    // What has taken its place meanwhile is not followed.
    std::fs::remove_file(world.path("dumps/crash.dmp")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", world.path("dumps/crash.dmp")).unwrap();
    assert_eq!([&path, &stack].map(|path| get(&world, path, &[]).status), [404, 404]);
}
