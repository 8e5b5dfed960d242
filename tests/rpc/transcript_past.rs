//! The command line as hands expect it that know podman: what has ended, and what happened.

use rustix::process::Signal;
use serde_json::Value;

use crate::support::daemon_world::DaemonWorld;
use crate::transcript::{rows, says};

fn run(world: &DaemonWorld, name: &str, script: &str) -> String {
    let id = world.id(name);
    let bundle = world.bundle(name, &["sh", "-c", script]);
    let _code = world.cli(&["run", &id, bundle.to_str().unwrap()]);
    id
}

#[test]
fn those_that_have_ended_are_listed_with_how_over_restarts_of_the_daemon() {
    for runtime in ["crun", "runc"] {
        let mut world = DaemonWorld::with(&["--runtime", runtime]);
        assert_eq!(rows(&says(&world, &["ps", "-a"])), [[""; 0]; 0]);
        let good = run(&world, "good", "exit 0");
        let bad = run(&world, "bad", "exit 3");
        let killed = world.id("killed");
        world.run(&killed, &["sleep", "100"]);
        says(&world, &["kill", &killed]);
        says(&world, &["wait", &killed]);
        let alive = world.id("alive");
        world.run(&alive, &["sleep", "100"]);
        for signal in [None, Some(Signal::TERM), Some(Signal::KILL)] {
            if let Some(signal) = signal {
                world.end(signal);
                world.start();
            }
            assert_eq!(says(&world, &["ps", "-q"]), format!("{alive}\n"));
            assert_eq!(says(&world, &["ps", "-a", "-q"]), format!("{alive}\n{killed}\n{bad}\n{good}\n"));
            for (count, expected) in [
                ("0", String::new()),
                ("1", format!("{alive}\n")),
                ("3", format!("{alive}\n{killed}\n{bad}\n")),
            ] {
                assert_eq!(says(&world, &["ps", "-q", "-n", count]), expected);
            }
            assert_eq!(says(&world, &["ps", "-q", "--last=1", "--filter", "name=bad"]), format!("{bad}\n"));
            let table = says(&world, &["ps", "--all"]);
            let head: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
            assert_eq!(head, ["ID", "PID", "STATE", "AGE", "RESTARTS", "CPU", "MEMORY", "ENDED", "COMMAND"]);
            let found = rows(&table);
            assert_eq!((found[0][2].as_str(), found[0][7].as_str()), ("running", "-"), "{table}");
            let ends = [(&killed, "signal 9, "), (&bad, "exit code 3, "), (&good, "exit code 0, ")];
            for (row, (id, end)) in found[1..].iter().zip(ends) {
                assert_eq!((&row[0], row[2].as_str()), (id, "exited"), "{table}");
                assert!(row[7].starts_with(end) && row[7].ends_with(" ago"), "{table}");
            }
            for (filter, expected) in [
                ("exited=3", &bad),
                ("exited=137", &killed),
                ("exited=0", &good),
                ("state=running", &alive),
                ("name=bad", &bad),
            ] {
                let listed = says(&world, &["ps", "-aq", "--filter", filter]);
                assert_eq!(listed, format!("{expected}\n"), "{filter}");
            }
        }
        let json: Value = serde_json::from_str(&says(&world, &["ps", "-a", "--format", "json"])).unwrap();
        let last = &json["containers"][1];
        assert_eq!((&last["signal"], &last["exitCode"]), (&9.into(), &Value::Null), "{json}");
        assert!(last["ended"].as_u64().is_some_and(|time| time > 1_600_000_000_000), "{json}");
        assert_eq!(world.cli(&["ps", "-f", "exited=many"]).status.code(), Some(2));
    }
}

#[test]
fn what_happened_is_said_with_time_and_exit_code() {
    let mut world = DaemonWorld::new();
    assert_eq!(says(&world, &["events", "--no-stream"]), "");
    let first = run(&world, "first", "exit 3");
    world.end(Signal::KILL);
    world.start();
    let second = run(&world, "second", "kill -9 $$");
    let lines = |args: &[&str]| -> Vec<String> {
        let text = says(&world, &[&["events", "--no-stream"], args].concat());
        text.lines().filter(|line| !line.contains("StateChanged")).map(str::to_owned).collect()
    };
    let all = lines(&[]);
    assert_eq!(all.len(), 4, "{all:?}");
    for (line, expected) in all.iter().zip([
        format!("Z onContainerStarted {first} "),
        format!("Z onContainerStopped {first} exitCode=3 "),
        format!("Z onContainerStarted {second} "),
        format!("Z onContainerStopped {second} "),
    ]) {
        assert!(line.contains(&expected) && line.starts_with("20"), "{line}");
    }
    let number = |line: &str| line.split("sequence=").nth(1).unwrap().to_owned();
    assert_eq!(lines(&["--since", &number(&all[1])]), all[2..]);
    assert_eq!(lines(&["--since", &number(&all[3])]), [""; 0]);
    let lost = lines(&["--since", "5"]);
    assert!(lost[0].starts_with("onEventsLost ") && lost[1..] == all[..], "{lost:?}");
    for time in ["1h", "2020-01-01", "2020-01-01T00:00:00Z"] {
        assert_eq!(lines(&["--since", time]), all, "{time}");
    }
    assert_eq!(lines(&["--since", "2100-01-01"]), [""; 0]);
    assert_eq!(world.cli(&["events", "--since", "soon"]).status.code(), Some(2));
    let json = says(&world, &["events", "--no-stream", "--json", "--since", &number(&all[0])]);
    let ends: Vec<Value> = json.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let end = ends.iter().find(|entry| entry["event"] == "onContainerStopped").unwrap();
    assert_eq!((&end["exitCode"], &end["params"]["name"]), (&3.into(), &first.into()), "{end}");
    assert!(end["time"].is_u64(), "{end}");
}

#[test]
fn the_daemon_and_the_program_say_what_they_are() {
    let world = DaemonWorld::new();
    world.run(&world.id("a"), &["sleep", "100"]);
    let version = env!("CARGO_PKG_VERSION");
    assert_eq!(says(&world, &["version"]), format!("client  {version}\ndaemon  {version}\n"));
    let info = says(&world, &["info"]);
    let line = |name: &str| info.lines().find_map(|line| line.strip_prefix(name)).unwrap_or("").trim();
    assert_eq!((line("version"), line("containers"), line("runtime ")), (version, "1", "crun"), "{info}");
    assert_eq!((line("log limit"), line("stop")), ("1.0 MiB", "2 s"), "{info}");
    assert_eq!(line("state"), world.path("state").to_str().unwrap(), "{info}");
    let json: Value = serde_json::from_str(&says(&world, &["info", "--json"])).unwrap();
    assert_eq!((&json["degraded"], &json["containers"]), (&Value::Array(Vec::new()), &1.into()), "{json}");
    let mut away = std::process::Command::new(crate::support::host::daemon_program());
    let away = away.arg("version").env("OCICONTAINER_SOCKET", "/nowhere/socket").output().unwrap();
    let text = String::from_utf8(away.stdout).unwrap();
    assert_eq!((text, away.status.code()), (format!("client  {version}\n"), Some(12)));
}

#[test]
fn the_last_ones_are_the_newest_that_run_and_then_those_that_ended_last() {
    let world = DaemonWorld::new();
    let ended = run(&world, "ended", "exit 0");
    // In another order than that of their names.
    let started = ["b", "c", "a"].map(|name| world.id(name));
    for id in &started {
        world.run(id, &["sleep", "100"]);
    }
    let [b, c, a] = &started;
    assert_eq!(says(&world, &["ps", "-q", "-n", "2"]), format!("{a}\n{c}\n"));
    assert_eq!(says(&world, &["ps", "-q", "-n", "9"]), format!("{a}\n{c}\n{b}\n{ended}\n"));
}
