//! The command line as hands expect it that know podman: stop, kill, restart and what is left afterwards.

use crate::support::daemon_world::DaemonWorld;
use crate::transcript::{says, stdout};

/// Says which signals come, and goes on.
const TALKER: &str =
    "trap 'echo asked' TERM; trap 'echo reload' HUP; echo ready; while :; do sleep 0.05; done";

/// How often a container has said something.
fn said(world: &DaemonWorld, id: &str, line: &str) -> usize {
    stdout(&world.cli(&["logs", id])).matches(line).count()
}

fn started(world: &DaemonWorld, name: &str, runtime_script: &str) -> String {
    let id = world.id(name);
    let bundle = world.bundle(name, &["sh", "-c", runtime_script]);
    says(world, &["run", "-d", &id, bundle.to_str().unwrap()]);
    world.until("it is ready", || said(world, &id, "ready\n") == 1);
    id
}

#[test]
fn signals_stops_and_restarts_do_what_their_names_say() {
    for runtime in ["crun", "runc"] {
        let world = DaemonWorld::with(&["--runtime", runtime]);
        let id = started(&world, "a", TALKER);
        assert_eq!(says(&world, &["kill", "-s", "HUP", &id]), format!("sent SIGHUP to {id}\n"));
        world.until("it has the signal", || said(&world, &id, "reload\n") == 1);
        for signal in ["sighup", "1"] {
            says(&world, &["kill", "--signal", signal, "--all"]);
        }
        world.until("it has more of them", || said(&world, &id, "reload\n") >= 2);
        let restarted = says(&world, &["restart", "--time", "0", &id]);
        assert_eq!(restarted, format!("restarted {id}\n"));
        world.until("it is ready again", || said(&world, &id, "ready\n") == 2);
        assert_eq!(says(&world, &["restart", "-t", "0", "--all"]), restarted);
        world.until("it is ready again", || said(&world, &id, "ready\n") == 3);
        assert_eq!(says(&world, &["stop", "-t", "0", &id]), format!("stopping {id}\n"));
        assert_eq!(says(&world, &["wait", &id]), "signal 9\n");
        let id = started(&world, "b", TALKER);
        assert_eq!(says(&world, &["kill", &id]), format!("sent SIGKILL to {id}\n"));
        assert_eq!(says(&world, &["wait", &id]), "signal 9\n");
        assert_eq!(says(&world, &["ps", "-q"]), "");
    }
}

#[test]
fn mistakes_are_named_and_one_of_several_keeps_no_other() {
    let world = DaemonWorld::new();
    let id = started(&world, "a", TALKER);
    let cases: [(&[&str], i32, &str); 9] = [
        (&["kill", "-s", "NOSUCH", &id], 2, "error: kill: "),
        (&["kill", "-s", "65", &id], 2, "error: kill: "),
        (&["kill"], 2, "error: kill: "),
        (&["stop", "-t", "soon", &id], 2, "error: stop: "),
        (&["stop", "-t", "1", "--force", &id], 2, "error: stop: "),
        (&["restart", "--all", &id], 2, "error: restart: "),
        (&["restart", "another"], 10, "there is no container \"another\""),
        (&["kill", "-s", "HUP", "another"], 10, "there is no container \"another\""),
        (&["stop", "-t", "1", "another"], 10, "there is no container \"another\""),
    ];
    for (args, code, why) in cases {
        let output = world.cli(args);
        let text = String::from_utf8_lossy(&output.stderr).into_owned();
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
        assert!(text.contains(why), "{args:?}: {text}");
    }
    let both = world.cli(&["kill", "-s", "HUP", "another", &id]);
    assert_eq!((stdout(&both), both.status.code()), (format!("sent SIGHUP to {id}\n"), Some(10)), "{both:?}");
}

#[test]
fn of_several_containers_one_that_is_not_there_keeps_none_from_being_shown() {
    let world = DaemonWorld::new();
    let [a, b] = [
        started(&world, "a", "echo ready; exec sleep 100"),
        started(&world, "b", "echo ready; exec sleep 100"),
    ];
    for verb in [&["inspect", "--json"][..], &["stats", "--no-stream"]] {
        let args = [verb, &["another", &a, "third", &b]].concat();
        let output = world.cli(&args);
        let (shown, said) = (stdout(&output), String::from_utf8_lossy(&output.stderr).into_owned());
        assert_eq!(output.status.code(), Some(10), "{args:?}: {output:?}");
        assert!(shown.contains(&a) && shown.contains(&b), "{args:?}: {shown}");
        for missing in ["another", "third"] {
            assert_eq!(said.matches(&format!("no container \"{missing}\"")).count(), 1, "{said}");
        }
        let none = world.cli(&[verb, &["another"]].concat());
        assert_eq!((stdout(&none).as_str(), none.status.code()), ("", Some(10)), "{none:?}");
    }
    says(&world, &["annotate", &a, "colour", "blue"]);
    let info = says(&world, &["info", &a]);
    assert!(
        info.lines().any(|line| line.starts_with("annotation") && line.ends_with("colour=blue")),
        "{info}"
    );
    for id in [&a, &b] {
        says(&world, &["delete", "--force", id]);
    }
}

#[test]
fn a_day_at_the_keyboard() {
    for runtime in ["crun", "runc"] {
        let world = DaemonWorld::with(&["--runtime", runtime]);
        let script = "trap 'exit 4' TERM; for n in 1 2 3; do echo line $n; done; echo ready; \
                      while :; do sleep 0.05; done";
        let [a, b] = [started(&world, "a", script), started(&world, "b", script)];
        assert_eq!(says(&world, &["logs", "--tail", "2", &a]), "line 3\nready\n");
        assert_eq!(says(&world, &["exec", &a, "echo", "hello"]), "hello\n");
        assert_eq!(says(&world, &["pause", &a]), format!("paused {a}\n"));
        assert_eq!(says(&world, &["unpause", &a]), format!("resumed {a}\n"));
        let inspected = says(&world, &["inspect", "--json", &a, &b]);
        let ids: Vec<serde_json::Value> =
            inspected.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
        assert_eq!((&ids[0]["id"], &ids[1]["id"]), (&a.as_str().into(), &b.as_str().into()));
        assert_eq!(says(&world, &["wait", &a, &b, "started"]).lines().count(), 2);
        let late = world.cli(&["wait", "--timeout", "0", &a, &b]);
        assert_eq!((late.status.code(), stdout(&late).as_str()), (Some(11), ""), "{late:?}");
        let followed = std::thread::scope(|scope| {
            let logs = scope.spawn(|| says(&world, &["logs", "-f", "--tail", "1", &a]));
            assert_eq!(says(&world, &["stop", &a, &b]), format!("stopping {a}\nstopping {b}\n"));
            logs.join().unwrap()
        });
        assert_eq!(followed, "ready\n", "of one that has ended, too");
        let both = format!("{a}: exit code 4\n{b}: exit code 4\n");
        assert_eq!(says(&world, &["wait", &a, &b]), both);
        let some = world.cli(&["wait", &a, "another", &b]);
        assert_eq!((stdout(&some), some.status.code()), (both, Some(10)));
    }
}
