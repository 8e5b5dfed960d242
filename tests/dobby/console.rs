//! `console`: where the output of a container goes.

use std::fs;
use std::os::unix::fs::{MetadataExt, symlink};

use serde_json::json;

use crate::daemon::{end, pid, start, world};
use crate::specs::with;

/// Says 2000 numbered lines of about 100 bytes.
const CHATTER: &str = "i=0; while [ $i -lt 2000 ]; do i=$((i+1)); printf '%s %090d\\n' $i 0; done";
/// And goes on: what is written at the moment of a cut may be lost.
const LAST: &str = "while :; do echo last; sleep 0.1; done";

#[test]
fn a_console_file_keeps_the_newest_output() {
    let world = world();
    for limit in [10_000, -1] {
        let (id, file) = (world.id("file"), world.path("console.log"));
        fs::write(&file, "of an earlier start\n").unwrap();
        let (console, script) = (json!({"path": file, "limit": limit}), format!("{CHATTER}; {LAST}"));
        start(&world, &id, &with(&json!({"args": ["sh", "-c", script], "console": console})));
        let read = || fs::read_to_string(&file).unwrap();
        world.until("it has said all", || read().ends_with("last\n"));
        if limit > 0 {
            world.until("the file is cut", || read().len() <= 10_000);
            assert!(!read().starts_with("1 ") && !read().contains("\n2 "), "{}", read());
        } else {
            assert!(read().starts_with("1 ") && read().lines().count() > 2000);
        }
        let logs = world.done("getContainerLogs", &json!({"containerId": id}));
        assert!(logs["log"].as_str().unwrap().ends_with("last\n"), "{logs}");
        world.done("executeCommand", &json!({"containerId": id, "command": "echo more", "options": ""}));
        world.until("a command's output is there, too", || read().contains("last\nmore\n"));
        end(&world, &id);
        assert!(read().contains("more\n"), "the file outlives the container");
    }
    assert_eq!(fs::read_dir(world.path("log")).unwrap().count(), 0, "no output went elsewhere");
}

#[test]
fn a_limit_is_kept_by_the_next_daemon() {
    let mut world = world();
    let (id, file) = (world.id("next"), world.path("console.log"));
    let go = world.path("go");
    let script = format!("while ! test -e /go/now; do sleep 0.02; done; {CHATTER}; {LAST}");
    fs::create_dir(&go).unwrap();
    let fields = json!({
        "args": ["sh", "-c", script],
        "console": {"path": file, "limit": 10_000},
        "mounts": [{"source": go, "destination": "/go", "type": "bind", "options": ["bind", "ro"]}],
    });
    start(&world, &id, &with(&fields));
    world.end(rustix::process::Signal::KILL);
    world.start();
    fs::write(go.join("now"), "").unwrap();
    let read = || fs::read_to_string(&file).unwrap();
    world.until("the file is cut", || read().ends_with("last\n") && read().len() <= 10_000);
    end(&world, &id);
}

#[test]
fn a_null_console_discards_and_takes_every_byte() {
    let world = world();
    let id = world.id("null");
    let script = format!("set -e; {CHATTER}; echo complaint >&2; exit 7");
    start(&world, &id, &with(&json!({"args": ["sh", "-c", script], "console": null})));
    let ended = world.done("waitContainer", &json!({"containerId": id}));
    assert_eq!(ended["exitCode"], 7, "{ended}");
    start(&world, &id, &with(&json!({"console": null})));
    let output = fs::metadata(format!("/proc/{}/fd/1", pid(&world, &id))).unwrap();
    let null = fs::metadata("/dev/null").unwrap();
    assert_eq!(output.rdev(), null.rdev());
    assert!(world.call("getContainerLogs", &json!({"containerId": id})).is_err());
    end(&world, &id);
    assert_eq!(fs::read_dir(world.path("log")).unwrap().count(), 0);

    let spec = with(&json!({"args": ["/nonexistent/program"], "console": null}));
    let error = world
        .call("startContainerFromDobbySpec", &json!({"containerId": id, "dobbySpec": spec}))
        .unwrap_err();
    assert!(error["data"].as_str().unwrap().contains("/nonexistent/program"), "{error}");
}

#[test]
fn a_console_that_leads_elsewhere_is_not_followed() {
    let world = world();
    let (victim, link) = (world.path("victim"), world.path("link"));
    fs::write(&victim, "precious").unwrap();
    symlink(&victim, &link).unwrap();
    for path in [link, world.path("no/such/dir"), "/dev/null".into()] {
        let id = world.id("leads");
        let script = "echo out; sleep 60";
        start(
            &world,
            &id,
            &with(&json!({"args": ["sh", "-c", script], "console": {"path": path, "limit": 5}})),
        );
        world.until("it is logged", || world.log().contains(&path.display().to_string()));
        end(&world, &id);
    }
    assert_eq!(fs::read_to_string(&victim).unwrap(), "precious");
}
