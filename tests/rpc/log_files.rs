//! Files that containers write to: files of their own after the end, and files that logrotate takes away.

use std::fs;
use std::io::{BufRead, BufReader, Read, Write};
use std::path::{Path, PathBuf};
use std::process::Stdio;

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::attach::verb;
use crate::support::daemon_world::DaemonWorld;
use crate::transcript::says;

/// A bundle whose container has this data of the logging plugin.
fn bundle(world: &DaemonWorld, id: &str, script: &str, logging: Option<Value>) -> PathBuf {
    let bundle = world.bundle(id, &["sh", "-c", script]);
    let path = bundle.join("config.json");
    let mut config: Value = serde_json::from_slice(&fs::read(&path).unwrap()).unwrap();
    if let Some(data) = logging {
        config["rdkPlugins"] = json!({"logging": {"required": true, "data": data}});
    }
    fs::write(path, config.to_string()).unwrap();
    bundle
}

fn to_file(file: &Path) -> Value {
    json!({"sink": "file", "fileOptions": {"path": file}})
}

#[test]
fn times_of_a_file_of_its_own_are_known_after_the_end_and_by_the_next_daemon() {
    let mut world = DaemonWorld::new();
    let (id, file) = (world.id("own"), world.path("own.log"));
    let bundle = bundle(&world, &id, "echo one; sleep 0.3; echo two", Some(to_file(&file)));
    world.done("startContainer", &json!({"containerId": id, "bundlePath": bundle}));
    world.done("waitContainer", &json!({"containerId": id, "timeout": 60_000}));
    let mut first = None;
    for is_killed in [false, true] {
        if is_killed {
            world.end(Signal::KILL);
            world.start();
        }
        let stamped = says(&world, &["logs", "-t", &id]);
        let lines: Vec<_> = stamped.lines().map(|line| line.split_once(' ').unwrap()).collect();
        assert!(lines.iter().map(|line| line.1).eq(["one", "two"]), "{stamped}");
        assert!(lines.iter().all(|line| line.0.len() == 30) && lines[0].0 < lines[1].0, "{stamped}");
        assert_eq!(says(&world, &["logs", "--since", lines[1].0, &id]), "two\n");
        assert_eq!(*first.get_or_insert_with(|| stamped.clone()), stamped);
    }
    // What another program writes there has no times of the container.
    fs::File::options().append(true).open(&file).unwrap().write_all(b"other\n").unwrap();
    assert_eq!(says(&world, &["logs", "-t", &id]), "- one\n- two\n- other\n");
}

#[test]
fn a_log_that_is_taken_away_is_followed_on() {
    let world = DaemonWorld::new();
    let wait = |name: &str| format!("while ! test -e /{name}; do sleep 0.01; done");
    let script = format!(
        "echo 0; {}; echo 1; {}; echo 2; {}; echo 3; {}",
        wait("go1"),
        wait("go2"),
        wait("go3"),
        wait("end")
    );
    for is_own in [false, true] {
        let id = world.id(if is_own { "own" } else { "ours" });
        let file = if is_own { world.path("own.log") } else { world.path("log").join(format!("{id}.log")) };
        let bundle = bundle(&world, &id, &script, is_own.then(|| to_file(&file)));
        world.done("startContainer", &json!({"containerId": id, "bundlePath": bundle}));
        let mut follow = verb(&world, &["logs", "-f", &id]);
        let mut follow = follow.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        let mut shown = BufReader::new(follow.stdout.take().unwrap());
        let mut shows = |expected: &str| {
            let mut line = String::new();
            shown.read_line(&mut line).unwrap();
            assert_eq!(line, expected, "own: {is_own}");
        };
        shows("0\n");
        let old = file.with_extension("old");
        let take_away: [&dyn Fn(); 3] =
            [&|| fs::remove_file(&file).unwrap(), &|| fs::rename(&file, &old).unwrap(), &|| {
                fs::File::options().write(true).open(&file).unwrap().set_len(0).unwrap()
            }];
        for (number, take_away) in (1..).zip(take_away) {
            take_away();
            // As long as nothing more is written, there is nothing.
            assert_eq!(says(&world, &["logs", &id]), "");
            fs::write(world.path("rootfs").join(format!("go{number}")), "").unwrap();
            shows(&format!("{number}\n"));
        }
        fs::remove_file(&file).unwrap();
        fs::write(world.path("rootfs/end"), "").unwrap();
        let mut said = String::new();
        follow.stderr.take().unwrap().read_to_string(&mut said).unwrap();
        assert!(follow.wait().unwrap().success(), "{said}");
        for name in ["go1", "go2", "go3", "end"] {
            fs::remove_file(world.path("rootfs").join(name)).unwrap();
        }
    }
}

#[test]
fn output_that_goes_nowhere_has_a_message_that_says_so() {
    let mut world = DaemonWorld::new();
    let id = world.id("a");
    let bundle = bundle(&world, &id, "echo x; exec sleep 100", Some(json!({"sink": "devnull"})));
    world.done("startContainer", &json!({"containerId": id, "bundlePath": bundle}));
    let says_so = |world: &DaemonWorld| {
        let output = world.cli(&["logs", &id]);
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(10) && said.contains("its output goes nowhere"), "{said}");
    };
    says_so(&world);
    world.done("deleteContainer", &json!({"containerId": id, "force": true}));
    world.done("waitContainer", &json!({"containerId": id, "timeout": 60_000}));
    says_so(&world);
    world.end(Signal::KILL);
    world.start();
    says_so(&world);
}
