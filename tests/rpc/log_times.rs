//! When output came: `logs -t` and `logs --since`, whatever becomes of the daemon, and after the container's end.

use std::fs;
use std::io::{BufRead, BufReader, Read};
use std::process::{Command, Stdio};
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use rustix::process::Signal;
use serde_json::{Value, json};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::support::daemon_world::DaemonWorld;
use crate::transcript::says;

/// What comes this close together may have one time, in milliseconds.
const GRAIN: u64 = 100;

fn now() -> u64 {
    u64::try_from(SystemTime::now().duration_since(UNIX_EPOCH).unwrap().as_millis()).unwrap()
}

/// A time that is surely not that of what came before.
fn later() -> u64 {
    std::thread::sleep(Duration::from_millis(2 * GRAIN));
    now()
}

fn text(time: u64) -> String {
    let time = OffsetDateTime::from_unix_timestamp_nanos(i128::from(time) * 1_000_000).unwrap();
    time.format(&Rfc3339).unwrap()
}

/// The time in front of each line, and the line.
fn lines(text: &str) -> Vec<(u64, String)> {
    let lines = text.lines().map(|line| {
        let (time, line) = line.split_once(' ').unwrap();
        let time = OffsetDateTime::parse(time, &Rfc3339).unwrap().unix_timestamp_nanos() / 1_000_000;
        (u64::try_from(time).unwrap(), line.to_owned())
    });
    lines.collect()
}

#[test]
fn each_line_has_its_time_over_daemons_and_the_end_of_the_container() {
    let mut world = DaemonWorld::new();
    let id = world.id("a");
    let wait = |name: &str| format!("while ! test -e /{name}; do sleep 0.01; done");
    let script = format!("echo one; {}; echo two; {}; printf 'three\n\nfour'", wait("go2"), wait("go3"));
    let bundle = world.bundle(&id, &["sh", "-c", &script]);
    let path = world.path("log").join(format!("{id}.log"));
    let until = |world: &DaemonWorld, expected: &str| {
        world.until(expected, || fs::read_to_string(&path).unwrap_or_default() == expected);
    };
    let begin = now();
    world.done("startContainer", &json!({"containerId": id, "bundlePath": bundle}));
    until(&world, "one\n");
    let one = begin..=now();
    // No daemon runs when the second line comes.
    world.end(Signal::KILL);
    let begin = later();
    fs::write(world.path("rootfs/go2"), "").unwrap();
    until(&world, "one\ntwo\n");
    let two = begin..=now();
    world.start();
    let since_two = text(*two.start());
    let mut follower = Command::new(world.program());
    follower
        .arg("logs")
        .arg("--socket")
        .arg(world.path("socket"))
        .args(["-f", "-t", "--since", &since_two, &id]);
    let mut follower = follower.stdout(Stdio::piped()).spawn().unwrap();
    let mut followed = BufReader::new(follower.stdout.take().unwrap());
    let mut all = String::new();
    followed.read_line(&mut all).unwrap();
    let begin = later();
    fs::write(world.path("rootfs/go3"), "").unwrap();
    world.done("waitContainer", &json!({"containerId": id, "timeout": 60_000}));
    let rest = begin..=now();
    followed.read_to_string(&mut all).unwrap();
    assert!(follower.wait().unwrap().success());
    assert_eq!(fs::read_to_string(&path).unwrap(), "one\ntwo\nthree\n\nfour");

    for is_killed in [false, true] {
        if is_killed {
            world.end(Signal::KILL);
            world.start();
        }
        let stamped = lines(&says(&world, &["logs", "-t", &id]));
        let words: Vec<&str> = stamped.iter().map(|(_, line)| line.as_str()).collect();
        assert_eq!(words, ["one", "two", "three", "", "four"]);
        assert_eq!(lines(&all), stamped[1..]);
        for ((time, line), range) in stamped.iter().zip([&one, &two, &rest, &rest, &rest]) {
            assert!(range.contains(time), "{line} at {time} is not in {range:?}");
        }
        let rest = text(*rest.start());
        for (args, expected) in [
            (vec!["--since", &*rest], "three\n\nfour"),
            (vec!["--since", &since_two], "two\nthree\n\nfour"),
            (vec!["--since", "2h"], "one\ntwo\nthree\n\nfour"),
            (vec!["--since", "2h", "--tail", "2"], "\nfour"),
            (vec!["--since", &rest, "--tail", "4"], "three\n\nfour"),
            (vec!["--since", &rest, "--bytes", "3"], "our"),
            (vec!["--since", &since_two, "-f"], "two\nthree\n\nfour"),
            (vec!["--since", "2100-01-01"], ""),
        ] {
            assert_eq!(says(&world, &[&["logs", &*id][..], &args].concat()), expected, "{args:?}");
        }
        let json: Value = serde_json::from_str(&says(&world, &["logs", "--json", "-t", &id])).unwrap();
        let times = json["times"].as_array().unwrap();
        assert_eq!((times.len(), &times[0]["time"]), (3, &stamped[0].0.into()), "{json}");
    }
    let both = json!({"containerId": id, "from": 0, "sinceTime": 0});
    assert!(world.call("getContainerLogs", &both).is_err());
    // The next start has nothing of the times of this one.
    fs::remove_file(world.path("rootfs/go2")).unwrap();
    let begin = now();
    world.done("startContainer", &json!({"containerId": id, "bundlePath": bundle}));
    until(&world, "one\n");
    let times = lines(&says(&world, &["logs", "-t", &id]));
    assert!(times.len() == 1 && (begin..=now()).contains(&times[0].0), "{times:?}");
    world.done("stopContainer", &json!({"containerId": id, "force": true}));
}

#[test]
fn a_log_without_times_is_printed_without() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    world.run(&id, &["sh", "-c", "echo one; echo two"]);
    world.done("waitContainer", &json!({"containerId": id, "timeout": 60_000}));
    fs::remove_file(world.path("log").join(format!("{id}.times"))).unwrap();
    assert_eq!(says(&world, &["logs", "-t", &id]), "- one\n- two\n");
    assert_eq!(says(&world, &["logs", "--since", "2h", &id]), "");
}
