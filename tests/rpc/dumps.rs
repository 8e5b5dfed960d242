//! Crash dumps: told as events, listed and explained without a daemon.

use std::io::{BufRead, BufReader};
use std::path::PathBuf;
use std::process::{Command, Output, Stdio};

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::daemon_world::{DaemonWorld, PLUGIN};
use crate::support::host::daemon_program;
use crate::support::repository::sample_dump;

fn dumps(args: &[&str]) -> Output {
    Command::new(daemon_program()).arg("dumps").args(args).output().unwrap()
}

/// A bundle that does what `script` says, with `/opt/minidumps` for its dumps, which go to `dumps`.
pub fn dumping(world: &DaemonWorld, script: &str) -> PathBuf {
    let bundle = world.bundle("b", &["sh", "-c", script]);
    std::fs::create_dir_all(world.path("rootfs/opt/minidumps")).unwrap();
    let file = bundle.join("config.json");
    let mut config: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
    let path = json!({"image": world.path("dump.img"), "containerSource": "/opt/minidumps",
        "hostDestination": world.path("dumps")});
    config["rdkPlugins"] = json!({"minidump": {"required": true, "data": {"paths": [path]}}});
    std::fs::write(&file, config.to_string()).unwrap();
    bundle
}

#[test]
fn a_harvested_dump_is_told_before_the_end_of_its_container() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    let bundle = dumping(&world, "cat /crash >/opt/minidumps/crash.dmp; exit 9");
    std::fs::copy(sample_dump("breakpad-segv-uid0.dmp"), world.path("rootfs/crash")).unwrap();
    let destination = world.path("dumps");
    std::fs::create_dir(&destination).unwrap();
    let mut ws = world.ws();
    for event in ["onMinidump", "onContainerStopped"] {
        ws.call(&format!("{PLUGIN}.register"), &json!({"event": event, "id": "e"}));
    }
    world.done("startContainer", &json!({"containerId": id, "bundlePath": bundle}));
    let dump = destination.join("crash.dmp");
    let size = std::fs::metadata(sample_dump("breakpad-segv-uid0.dmp")).unwrap().len();
    let expected = format!(
        r#"{{"jsonrpc":"2.0","method":"e.onMinidump","params":{{"name":"{id}","path":"{}","size":{size},"truncated":false,"containerId":"{id}"}}}}"#,
        dump.display()
    );
    assert_eq!(ws.event().to_string(), expected, "{}", world.log());
    assert!(ws.text().contains("onContainerStopped"));
    assert_eq!(std::fs::read(&dump).unwrap(), std::fs::read(sample_dump("breakpad-segv-uid0.dmp")).unwrap());
}

#[test]
fn a_folder_of_dumps_is_listed_newest_first() {
    let dir = tempfile::tempdir().unwrap();
    let named = "com.app<#=#>2026-11-22T01-57-20.dmp";
    std::fs::copy(sample_dump("breakpad-abrt-uid1000.dmp"), dir.path().join(named)).unwrap();
    std::fs::copy(sample_dump("breakpad-segv-uid0.dmp"), dir.path().join("old.dmp")).unwrap();
    let whole = std::fs::read(sample_dump("minidumper-segv-uid0.dmp")).unwrap();
    std::fs::write(dir.path().join("cut.dmp"), &whole[..whole.len() - 500]).unwrap();
    std::fs::write(dir.path().join("text\u{1b}.dmp"), "text").unwrap();
    for (name, seconds) in [("cut.dmp", 10), ("text\u{1b}.dmp", 20)] {
        let file = std::fs::File::options().write(true).open(dir.path().join(name)).unwrap();
        file.set_modified(std::time::SystemTime::now() + std::time::Duration::from_secs(seconds)).unwrap();
    }
    std::fs::write(dir.path().join("other.txt"), "text").unwrap();
    std::fs::create_dir(dir.path().join("dir.dmp")).unwrap();
    std::os::unix::fs::symlink("/etc/passwd", dir.path().join("link.dmp")).unwrap();
    rustix::fs::mknodat(
        rustix::fs::CWD,
        dir.path().join("fifo.dmp"),
        rustix::fs::FileType::Fifo,
        rustix::fs::Mode::from_raw_mode(0o600),
        0,
    )
    .unwrap();
    let folder = dir.path().to_str().unwrap();
    let output = dumps(&["list", "--json", folder]);
    let list: Value = serde_json::from_slice(&output.stdout).unwrap_or_else(|_| panic!("{output:?}"));
    let column =
        |name: &str| list.as_array().unwrap().iter().map(|entry| entry[name].clone()).collect::<Vec<_>>();
    // The file that is no dump was written last.
    assert_eq!(column("file"), ["text\u{1b}.dmp", "cut.dmp", named, "old.dmp"]);
    assert_eq!(column("container"), [json!(null), json!(null), json!("com.app"), json!(null)]);
    assert_eq!(column("signal"), [json!(null), json!("SIGSEGV"), json!("SIGABRT"), json!("SIGSEGV")]);
    assert_eq!(column("place")[2..], [json!("crashbp+0xf659b"), json!("crashbp+0x56036")]);
    assert_eq!(
        column("truncated").iter().map(Value::is_string).collect::<Vec<_>>(),
        [false, true, false, false]
    );
    assert!(list[0]["error"].is_string() && list[1]["error"].is_null());
    let text = String::from_utf8(dumps(&["list", folder]).stdout).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    assert_eq!(lines.len(), 5);
    assert!(lines[0].starts_with("TIME ") && lines[0].contains("  CONTAINER  PROGRAM "), "{text}");
    assert!(lines[3].contains("  com.app ") && lines[3].contains("SIGABRT  crashbp+0xf659b"), "{text}");
    assert!(lines[2].contains("truncated") && !text.contains('\u{1b}'), "{text}");
    let newest = dumps(&["list", "--json", "--last", "2", folder]);
    let newest: Value = serde_json::from_slice(&newest.stdout).unwrap();
    assert_eq!(newest.as_array().unwrap(), &list.as_array().unwrap()[..2], "those that were written last");
    assert_eq!(dumps(&["list", "/nowhere"]).status.code(), Some(1));
}

#[test]
fn a_dump_is_explained() {
    let file = sample_dump("breakpad-segv-uid0.dmp");
    let output = dumps(&["info", file.to_str().unwrap()]);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("SIGSEGV") && text.contains("crashbp"), "{text}");
    let output = dumps(&["info", "--json", file.to_str().unwrap()]);
    let list: Value = serde_json::from_slice(&output.stdout).unwrap();
    assert_eq!(list[0]["crash"]["signal"], "SIGSEGV");
    assert_eq!(dumps(&["info", "/etc/passwd"]).status.code(), Some(3));
}

#[test]
fn the_crash_record_comes_with_the_event_and_stands_in_the_list() {
    let world = DaemonWorld::new();
    let mut settings = std::fs::File::options().append(true).open(world.path("hook.toml")).unwrap();
    std::io::Write::write_all(&mut settings, b"crash_records = true\n").unwrap();
    let id = world.id("a");
    let bundle = dumping(&world, "cat /crash >/opt/minidumps/crash.dmp; exit 9");
    std::fs::copy(sample_dump("breakpad-segv-uid0.dmp"), world.path("rootfs/crash")).unwrap();
    let mut ws = world.ws();
    ws.call(&format!("{PLUGIN}.register"), &json!({"event": "onMinidump", "id": "e"}));
    world.done("startContainer", &json!({"containerId": id, "bundlePath": bundle}));
    let event: Value = serde_json::from_str(&ws.text()).unwrap();
    let record = &event["params"]["record"];
    let expected = json!([id, "crashbp", "SIGSEGV", "crashbp", "0x56036", false]);
    let members = ["container", "program", "signal", "module", "offset", "truncated"];
    assert_eq!(json!(members.map(|name| &record[name])), expected, "{event} {}", world.log());
    let written = std::fs::read(world.path("dumps/crash.json")).unwrap();
    assert_eq!(*record, serde_json::from_slice::<Value>(&written).unwrap());
    let folder = world.path("dumps");
    let folder = folder.to_str().unwrap();
    let list: Value = serde_json::from_slice(&dumps(&["list", "--json", folder]).stdout).unwrap();
    assert_eq!(list[0]["record"], *record);
    // A dump that was damaged later: the record says what it was.
    std::fs::write(world.path("dumps/crash.dmp"), "MDMP").unwrap();
    let text = String::from_utf8(dumps(&["list", folder]).stdout).unwrap();
    assert!(text.contains("crashbp  SIGSEGV  crashbp+0x56036"), "{text}");
}

#[test]
fn an_empty_place_has_an_empty_list() {
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().to_str().unwrap();
    let listed = dumps(&["list", path]);
    let text = String::from_utf8(listed.stdout).unwrap();
    assert_eq!((listed.status.code(), text.lines().count()), (Some(0), 1), "{text}");
    assert!(text.starts_with("TIME  CONTAINER  PROGRAM"), "{text}");
    let listed = dumps(&["list", path, "--json"]);
    assert_eq!((listed.status.code(), &listed.stdout[..]), (Some(0), &b"[]\n"[..]));
}

/// What ended while no daemon ran is announced by the next one kind by kind, as a client subscribes; people read it in order.
#[test]
fn what_came_without_a_daemon_is_printed_in_order() {
    let mut world = DaemonWorld::new();
    std::fs::copy(sample_dump("breakpad-segv-uid0.dmp"), world.path("rootfs/crash")).unwrap();
    std::fs::create_dir(world.path("dumps")).unwrap();
    let mut pids = Vec::new();
    for name in ["a", "b"] {
        let wait = "until [ -e /go ]; do sleep 0.05; done";
        let bundle = dumping(&world, &format!("{wait}; cat /crash >/opt/minidumps/{name}.dmp; exit 3"));
        let file = bundle.join("config.json");
        let text = std::fs::read_to_string(&file).unwrap();
        std::fs::write(&file, text.replace("dump.img", &format!("{name}.img"))).unwrap();
        let id = world.id(name);
        world.done("startContainer", &json!({"containerId": id, "bundlePath": bundle}));
        pids.push(world.done("getContainerInfo", &json!({"containerId": id}))["info"]["pids"][0].clone());
    }
    world.end(Signal::KILL);
    std::fs::write(world.path("rootfs/go"), "").unwrap();
    let has_ended = |pid: &Value| {
        let stat = std::fs::read_to_string(format!("/proc/{pid}/stat")).unwrap_or_default();
        stat.rsplit(')').next().is_none_or(|rest| rest.is_empty() || rest.starts_with(" Z"))
    };
    world.until("both have ended", || pids.iter().all(has_ended));
    world.start();
    let count = || std::fs::read_dir(world.path("dumps")).unwrap().count();
    world.until("both are cleaned up", || count() == 2 && world.runtime_list().is_empty());
    let mut command = Command::new(daemon_program());
    let words = ["events", "--json", "--socket", world.path("socket").to_str().unwrap()].map(str::to_owned);
    let mut client = command.args(words).stdout(Stdio::piped()).spawn().unwrap();
    let lines = BufReader::new(client.stdout.take().unwrap()).lines();
    let (mut numbers, mut left) = (Vec::new(), 4);
    for line in lines.map_while(Result::ok) {
        let entry: Value = serde_json::from_str(&line).unwrap();
        numbers.push(entry["params"]["sequence"].as_u64().unwrap());
        left -= i32::from(["onMinidump", "onContainerStopped"].contains(&entry["event"].as_str().unwrap()));
        if left == 0 {
            break;
        }
    }
    client.kill().unwrap();
    client.wait().unwrap();
    assert!(left == 0 && numbers.is_sorted(), "{numbers:?}\n{}", world.log());
}
