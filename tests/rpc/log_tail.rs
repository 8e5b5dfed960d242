//! `logs --tail`: the last lines, however long they are, and each of them whole.

use rustix::process::Signal;
use serde_json::{Value, json};

use crate::support::daemon_world::DaemonWorld;
use crate::transcript::says;

/// What a container writes that counts so many lines.
fn lines(numbers: std::ops::RangeInclusive<u32>) -> String {
    numbers.map(|number| format!("line {number} {}\n", "x".repeat(60))).collect()
}

/// A container that has written so many lines, and ended.
fn written(world: &DaemonWorld, count: u32) -> String {
    let id = world.id("a");
    let script = format!("for n in $(busybox seq {count}); do echo line $n {}; done", "x".repeat(60));
    world.run(&id, &["sh", "-c", &script]);
    world.done("waitContainer", &json!({"containerId": id, "timeout": 60_000}));
    id
}

#[test]
fn as_many_lines_come_as_are_wanted() {
    let world = DaemonWorld::new();
    let id = written(&world, 6000);
    // More than what comes at once.
    for (wanted, first) in [("1", 6000), ("5500", 501), ("6000", 1), ("99999", 1)] {
        assert!(says(&world, &["logs", "-n", wanted, &id]) == lines(first..=6000), "{wanted}");
        assert!(says(&world, &["logs", "-f", "-n", wanted, &id]) == lines(first..=6000), "-f {wanted}");
        let json: Value =
            serde_json::from_str(&says(&world, &["logs", "--json", "-n", wanted, &id])).unwrap();
        assert!(json["log"] == lines(first..=6000) && json["next"] == json["end"], "--json {wanted}");
    }
    let json: Value =
        serde_json::from_str(&says(&world, &["logs", "--json", "-t", "-n", "9999", &id])).unwrap();
    let times = json["times"].as_array().unwrap();
    assert_eq!(times[0]["place"], json["next"].as_u64().unwrap() - lines(1..=6000).len() as u64);
    assert!(times.windows(2).all(|pair| pair[0]["time"] != pair[1]["time"]), "{times:?}");
    // Only whole lines of the bytes that are wanted.
    let last = lines(5998..=6000).len();
    for (bytes, first) in [(last, 5998), (last - 1, 5999), (last + 1, 5998), (1, 6001)] {
        let printed = says(&world, &["logs", "-n", "9", "--bytes", &bytes.to_string(), &id]);
        assert_eq!(printed, lines(first..=6000), "{bytes}");
    }
    assert_eq!(says(&world, &["logs", "--bytes", "300000", &id]).len(), 300_000);
    assert_eq!(says(&world, &["logs", &id]).len(), 65_536);
}

/// The beginnings of a log are cut off as it grows, also within a line.
#[test]
fn a_log_that_was_cut_has_only_whole_lines() {
    let mut world = DaemonWorld::with(&["--log-limit", "9000"]);
    for (name, file) in [("ours", None), ("own", Some(world.path("own.log")))] {
        let id = world.id(name);
        let script = format!("for n in $(busybox seq 900); do echo line $n {}; done", "x".repeat(60));
        let bundle = world.bundle(&id, &["sh", "-c", &script]);
        if let Some(file) = &file {
            let path = bundle.join("config.json");
            let mut config: Value = serde_json::from_slice(&std::fs::read(&path).unwrap()).unwrap();
            let data = json!({"sink": "file", "fileOptions": {"path": file, "limit": 9000}});
            config["rdkPlugins"] = json!({"logging": {"required": true, "data": data}});
            std::fs::write(path, config.to_string()).unwrap();
        }
        world.done("startContainer", &json!({"containerId": id, "bundlePath": bundle}));
        world.done("waitContainer", &json!({"containerId": id, "timeout": 60_000}));
        for is_killed in [false, true] {
            if is_killed {
                world.end(Signal::KILL);
                world.start();
            }
            let printed = says(&world, &["logs", "-n", "9999", &id]);
            let count = u32::try_from(printed.lines().count()).unwrap();
            assert!(count > 40 && printed == lines(901 - count..=900), "{name}: {printed}");
        }
    }
}
