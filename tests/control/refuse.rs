//! Starts and commands that must be refused, each with its reason, and without a trace.

use std::fs;
use std::os::unix::fs::{PermissionsExt, chown, symlink};
use std::os::unix::net::UnixListener;
use std::path::PathBuf;

use oci_minidump::control::{Event, ExecRequest, StartRequest};
use oci_minidump::error::ErrorKind;
use serde_json::json;

use crate::support::manager_world::ManagerWorld;
use crate::support::test_runtimes::runtimes;

/// A start that must fail with `kind`, and with `reason` in its report.
struct Case {
    request: StartRequest,
    kind: ErrorKind,
    reason: &'static str,
}

#[tokio::test]
async fn bad_bundles() {
    let mut world = ManagerWorld::new("bundles", "crun");
    world.settings.bundle_roots = vec![world.dir.join("allowed")];
    fs::create_dir(world.dir.join("allowed")).unwrap();
    symlink("..", world.dir.join("allowed/up")).unwrap();
    let manager = world.open().await;
    let inside = |name: &str, prepare: &dyn Fn(&PathBuf)| {
        let bundle = world.script(&format!("allowed/{name}"), "true");
        prepare(&bundle);
        bundle
    };
    let config =
        |text: &'static str| move |bundle: &PathBuf| fs::write(bundle.join("config.json"), text).unwrap();
    let chmod =
        |bundle: &PathBuf, mode| fs::set_permissions(bundle, PermissionsExt::from_mode(mode)).unwrap();
    world.script("outside", "true");
    let cases = [
        (PathBuf::from("relative"), ErrorKind::Bundle, "not absolute"),
        (world.dir.join("allowed/none"), ErrorKind::Bundle, "No such file"),
        (world.dir.join("outside"), ErrorKind::Bundle, "outside the allowed"),
        (world.dir.join("allowed/../outside"), ErrorKind::Bundle, "outside the allowed"),
        (world.dir.join("allowed/up/outside"), ErrorKind::Bundle, "outside the allowed"),
        (inside("open", &|b| chmod(b, 0o777)), ErrorKind::Attack, "writable by everybody"),
        (
            inside("open2", &|b| chmod(&b.join("config.json"), 0o666)),
            ErrorKind::Attack,
            "writable by everybody",
        ),
        (
            inside("owner", &|b| chown(b, Some(1000), None).unwrap()),
            ErrorKind::Attack,
            "belongs to user 1000",
        ),
        (
            inside("link", &|b| {
                fs::rename(b.join("config.json"), b.join("real.json")).unwrap();
                symlink("real.json", b.join("config.json")).unwrap();
            }),
            ErrorKind::Attack,
            "symbolic link",
        ),
        (
            inside("missing", &|b| fs::remove_file(b.join("config.json")).unwrap()),
            ErrorKind::Bundle,
            "No such file",
        ),
        (inside("text", &config("no json")), ErrorKind::Bundle, "not valid JSON"),
        (inside("array", &config("[]")), ErrorKind::Bundle, "not a JSON object"),
        (inside("empty", &config("{}")), ErrorKind::Bundle, "has no root"),
        (inside("noprocess", &config(r#"{"root":{"path":"."}}"#)), ErrorKind::Bundle, "no object 'process'"),
        (
            inside("noroot", &config(r#"{"root":{"path":"x"},"process":{}}"#)),
            ErrorKind::Bundle,
            "bundle's root",
        ),
        (
            inside("fileroot", &config(r#"{"root":{"path":"config.json"}}"#)),
            ErrorKind::Bundle,
            "not a directory",
        ),
        (
            inside("huge", &|b| {
                fs::File::options()
                    .write(true)
                    .open(b.join("config.json"))
                    .unwrap()
                    .set_len(50 << 20)
                    .unwrap();
            }),
            ErrorKind::Bundle,
            "larger than",
        ),
        (
            inside("deep", &|b| {
                fs::write(b.join("config.json"), "[".repeat(1_000_000)).unwrap();
            }),
            ErrorKind::Bundle,
            "not valid JSON",
        ),
    ];
    let id = world.id("a");
    let cases = cases.map(|(bundle, kind, reason)| Case {
        request: StartRequest::new(id.clone(), bundle),
        kind,
        reason,
    });
    refuse(&world, cases).await;
    drop(manager);
}

#[tokio::test]
async fn bad_wishes() {
    let world = ManagerWorld::new("wrong", "crun");
    let bundle = world.script("b", "true");
    let id = world.id("a");
    let plain = || StartRequest::new(id.clone(), &bundle);
    let env = |variable: &str, reason| Case {
        request: StartRequest { env: vec!["FINE=1".to_owned(), variable.to_owned()], ..plain() },
        kind: ErrorKind::Input,
        reason,
    };
    let command = |command: &str, reason| Case {
        request: StartRequest { command: Some(command.to_owned()), ..plain() },
        kind: ErrorKind::Input,
        reason,
    };
    let socket = |path: PathBuf, kind, reason| Case {
        request: StartRequest { westeros_socket: Some(path), ..plain() },
        kind,
        reason,
    };
    let at = |name: &str| world.dir.join(name);
    let _listeners = [UnixListener::bind(at("real")).unwrap(), UnixListener::bind(at("foreign")).unwrap()];
    chown(at("foreign"), Some(1234), None).unwrap();
    symlink("real", at("link")).unwrap();
    fs::write(at("file"), "").unwrap();
    let cases = [
        env("NOVALUE", "no '='"),
        env("=x", "no name"),
        env("A=b\0c", "NUL byte"),
        env("A=b\nLD_PRELOAD=x", "line break"),
        Case {
            request: StartRequest { env: vec!["A=b".to_owned(); 1025], ..plain() },
            kind: ErrorKind::Input,
            reason: "more than 1024",
        },
        command("", "the command is empty"),
        command(" ", "the command is empty"),
        command("echo 'open", "a quote is open"),
        socket("real".into(), ErrorKind::Config, "not absolute"),
        socket(at("none"), ErrorKind::System, "No such file"),
        socket(at("link"), ErrorKind::Config, "not a socket"),
        socket(at("file"), ErrorKind::Config, "not a socket"),
        socket(at("foreign"), ErrorKind::Config, "belongs to user 1234"),
    ];
    refuse(&world, cases).await;
}

async fn refuse(world: &ManagerWorld, cases: impl IntoIterator<Item = Case>) {
    // A world of bundles may have a manager already; this one has a state of its own.
    let mut settings = world.settings.clone();
    settings.state_dir = world.dir.join("other-state");
    let manager = oci_minidump::control::Manager::open(settings).await.unwrap();
    let mut events = manager.subscribe();
    for Case { request, kind, reason } in cases {
        let shown = format!("{request:?}");
        let error = manager.start(request).await.unwrap_err();
        assert_eq!(error.kind(), kind, "{shown}: {}", error.report());
        assert!(error.report().contains(reason), "{shown}: {}", error.report());
        assert_eq!(manager.list(), []);
    }
    assert!(crate::support::manager_world::is_quiet(&mut events), "a start that failed is no event");
    assert_eq!(crate::support::manager_world::names(&world.dir.join("other-state")), [""; 0]);
}

#[tokio::test]
async fn the_runtimes_reason_is_told() {
    for (runtime, reason) in [("crun", "nosuch"), ("runc", "nosuch")] {
        let world = ManagerWorld::new("reason", runtime);
        let manager = world.open().await;
        let mut events = manager.subscribe();
        let (id, bundle) = (world.id("a"), world.bundle("b", &["nosuch"], |_| {}));
        let error = manager.start(StartRequest::new(id, bundle)).await.unwrap_err().report();
        assert!(error.contains(reason) && error.contains("not found"), "{error}");
        assert!(!error.contains("level=error"), "without the runtime's decoration: {error}");
        assert!(crate::support::manager_world::is_quiet(&mut events));
        world.nothing_is_left(&manager).await;
    }
}

#[tokio::test]
async fn a_failing_hook_of_the_bundle_fails_the_start() {
    for runtime in runtimes() {
        let world = ManagerWorld::new("hook", runtime);
        let manager = world.open().await;
        let bundle = world.bundle("b", &["true"], |config| {
            config["hooks"] = json!({"prestart": [{"path": "/bin/false"}]});
        });
        let error = manager.start(StartRequest::new(world.id("a"), bundle)).await.unwrap_err().report();
        assert!(error.contains("hook"), "{error}");
        world.nothing_is_left(&manager).await;
    }
}

#[tokio::test]
async fn a_hanging_hook_of_the_bundle_fails_the_start_in_time() {
    for runtime in runtimes() {
        for stage in ["prestart", "poststart"] {
            let mut world = ManagerWorld::new(&format!("hang-{stage}"), runtime);
            world.settings.runtime_timeout = std::time::Duration::from_secs(1);
            let manager = world.open().await;
            let bundle = world.bundle("b", &["sleep", "1000"], |config| {
                config["hooks"] = json!({stage: [{"path": "/bin/sleep", "args": ["sleep", "1000"]}]});
            });
            let error = manager.start(StartRequest::new(world.id("a"), bundle)).await.unwrap_err();
            assert_eq!(error.kind(), ErrorKind::Timeout, "{runtime} {stage}: {}", error.report());
            world.nothing_is_left(&manager).await;
        }
    }
}

/// A container of this name in the same runtime is somebody else's: it must survive our failure.
#[tokio::test]
async fn a_strangers_container_is_left_alone() {
    let world = ManagerWorld::new("stranger", "crun");
    let manager = world.open().await;
    let (id, bundle) = (world.id("a"), world.sleeper("b"));
    let mut config: serde_json::Value =
        serde_json::from_slice(&fs::read(bundle.join("config.json")).unwrap()).unwrap();
    config["process"]["terminal"] = false.into();
    fs::write(bundle.join("config.json"), config.to_string()).unwrap();
    world.runtime(&["run", "--detach", "--bundle", bundle.to_str().unwrap(), id.as_str()]).await;

    let error = manager.start(StartRequest::new(id.clone(), &bundle)).await.unwrap_err().report();
    assert!(error.contains("already exists"), "{error}");
    assert!(world.runtime(&["state", id.as_str()]).await.contains("\"running\""));
    world.runtime(&["delete", "--force", id.as_str()]).await;
    world.nothing_is_left(&manager).await;
}

#[tokio::test]
async fn bad_commands() {
    let world = ManagerWorld::new("commands", "crun");
    let manager = world.open().await;
    let mut events = manager.subscribe();
    let (id, bundle) = (world.id("a"), world.sleeper("b"));
    world.start(&manager, &id, &bundle).await;
    let evil = world.dir.join("evil");
    let cases = [
        ("", "", ErrorKind::Input, "it is empty"),
        ("true", &*format!("--pid-file {}", evil.display()), ErrorKind::Input, "not allowed"),
        ("true", "--process=/x", ErrorKind::Input, "not allowed"),
        ("true", "--cwd=relative", ErrorKind::Input, "must be absolute"),
        ("nosuch", "", ErrorKind::System, "not found"),
        ("; touch /x", "", ErrorKind::System, "not found"),
        ("--help", "", ErrorKind::System, "not found"),
        ("true", "--cwd=/nosuch", ErrorKind::System, "exec"),
    ];
    for (command, options, kind, reason) in cases {
        let request = ExecRequest::parse(command, options).unwrap();
        let waited = manager.exec_wait(&id, request.clone(), Default::default()).await.map(drop);
        for result in [manager.exec(&id, request).await, waited] {
            let error = result.expect_err(command);
            assert_eq!(error.kind(), kind, "{command} {options}: {}", error.report());
            assert!(error.report().contains(reason), "{command} {options}: {}", error.report());
        }
    }
    assert!(!evil.exists());
    let mut left = crate::support::manager_world::names(&world.settings.state_dir.join(id.as_str()));
    // What the commands complained of may have been read already.
    left.retain(|name| name != "output.times");
    assert_eq!(
        left,
        ["config.json", "container.pid", "mark", "output", "output.place", "record.json"],
        "no file of a command is left"
    );
    assert!(matches!(crate::support::manager_world::next(&mut events).await, Event::Started { .. }));
    assert!(crate::support::manager_world::is_quiet(&mut events));
    manager.delete(&id, true).await.unwrap();
    world.nothing_is_left(&manager).await;
}
