//! The command line as hands expect it that know podman: what they type most does what is expected.

use std::process::{Command, Output, Stdio};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;

use crate::support::daemon_world::DaemonWorld;
use crate::support::host::daemon_program;

pub(crate) fn stdout(output: &Output) -> String {
    String::from_utf8(output.stdout.clone()).unwrap()
}

/// What a verb prints, which must succeed.
pub(crate) fn says(world: &DaemonWorld, args: &[&str]) -> String {
    let output = world.cli(args);
    assert!(output.status.success(), "{args:?}: {output:?}\n{}", world.log());
    stdout(&output)
}

/// The columns of a table's rows, without its head.
pub(crate) fn rows(table: &str) -> Vec<Vec<String>> {
    let cells = |line: &str| {
        line.split("  ").map(str::trim).filter(|cell| !cell.is_empty()).map(str::to_owned).collect()
    };
    table.lines().skip(1).map(cells).collect()
}

#[test]
fn what_run_cannot_show_is_said_and_its_end_is_awaited() {
    let world = DaemonWorld::with(&["--log-limit", "65536"]);
    let (id, total) = (world.id("a"), 3_000_000);
    let bundle = world.bundle("b", &["sh", "-c", "head -c 3000000 /dev/zero; exit 6"]);
    let ran = world.cli(&["run", &id, bundle.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&ran.stderr).into_owned();
    let missing = text.lines().find_map(|line| Some(line.split_once(" bytes of output are missing here")?.0));
    let missing: usize = missing.map_or(0, |line| line.rsplit(' ').next().unwrap().parse().unwrap());
    assert_eq!((ran.stdout.len() + missing, ran.status.code()), (total, Some(6)), "{text}");
    // The next one's log is its own.
    let ran = world.cli(&["run", &id, bundle.to_str().unwrap(), "--", "echo", "a"]);
    assert_eq!((stdout(&ran).as_str(), ran.stderr.as_slice()), ("a\n", &b""[..]), "{ran:?}");
    let mut config: Value =
        serde_json::from_slice(&std::fs::read(bundle.join("config.json")).unwrap()).unwrap();
    config["rdkPlugins"] = serde_json::json!({"logging": {"required": true, "data": {"sink": "devnull"}}});
    std::fs::write(bundle.join("config.json"), config.to_string()).unwrap();
    let other = world.id("hidden");
    let ran = world.cli(&["run", &other, bundle.to_str().unwrap()]);
    let text = String::from_utf8_lossy(&ran.stderr).into_owned();
    assert!(ran.status.code() == Some(6) && text.contains("its output is not shown"), "{ran:?}");
    assert_eq!(world.cli(&["run", "--json", &id, bundle.to_str().unwrap()]).status.code(), Some(2));
}

#[test]
fn a_container_runs_in_the_foreground_to_its_end() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    let bundle = world.bundle("b", &["sh", "-c", "for n in 1 2 3; do echo line $n; sleep 0.1; done; exit 7"]);
    let bundle = bundle.to_str().unwrap();
    let ran = world.cli(&["run", &id, bundle]);
    assert_eq!(
        (stdout(&ran), ran.status.code()),
        ("line 1\nline 2\nline 3\n".to_owned(), Some(7)),
        "{ran:?}"
    );
    let ran = world.cli(&["run", "--env", "X=y z", &id, bundle, "--", "sh", "-c", "echo $X; exit 9"]);
    assert_eq!((stdout(&ran), ran.status.code()), ("y z\n".to_owned(), Some(9)), "{ran:?}");
    let failed = world.cli(&["run", &id, "/nowhere"]);
    assert!(!failed.status.success() && failed.stdout.is_empty(), "{failed:?}");
    let mut command = Command::new(daemon_program());
    command
        .arg("run")
        .arg("--socket")
        .arg(world.path("socket"))
        .args([&id, bundle])
        .args(["--", "sleep", "100"]);
    let child = command.stdout(Stdio::null()).spawn().unwrap();
    world.until("it runs", || world.cli(&["stop", "--force", &id]).status.success());
    assert_eq!(child.wait_with_output().unwrap().status.code(), Some(137), "it was killed");
    let detached = says(&world, &["run", "-d", &id, bundle, "--", "sleep", "100"]);
    assert!(detached.starts_with(&format!("started {id}, descriptor ")), "{detached}");
    assert_eq!(says(&world, &["rm", "-f", &id]), format!("deleted {id}\n"));
}

#[test]
fn a_signal_to_it_stops_what_runs_in_the_foreground() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    let script = "trap 'echo asked; exit 3' TERM; echo ready; while :; do sleep 0.05; done";
    let bundle = world.bundle("b", &["sh", "-c", script]);
    for signal in [Signal::INT, Signal::TERM] {
        let mut command = Command::new(daemon_program());
        command.arg("run").arg("--socket").arg(world.path("socket")).arg(&id).arg(&bundle);
        let child = command.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
        world.until("it is ready", || {
            let output = world.cli(&["logs", &id]);
            stdout(&output) == "ready\n"
        });
        kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), signal).unwrap();
        let ended = child.wait_with_output().unwrap();
        assert_eq!((stdout(&ended).as_str(), ended.status.code()), ("ready\nasked\n", Some(3)), "{ended:?}");
        assert_eq!(says(&world, &["ps", "-q"]), "");
    }
}

#[test]
fn containers_are_listed_with_what_a_person_wants_to_know() {
    let world = DaemonWorld::new();
    let [first, second] = ["first", "second"].map(|name| world.id(name));
    let bundle = world.bundle("b", &["sleep", "100"]);
    for id in [&first, &second] {
        says(&world, &["run", "-d", id, bundle.to_str().unwrap()]);
    }
    let table = says(&world, &["ps"]);
    let head: Vec<&str> = table.lines().next().unwrap().split_whitespace().collect();
    assert_eq!(head, ["ID", "PID", "STATE", "AGE", "RESTARTS", "CPU", "MEMORY", "COMMAND"]);
    let found = rows(&table);
    assert_eq!(found.len(), 2, "{table}");
    for (row, id) in found.iter().zip([&first, &second]) {
        assert_eq!((&row[0], row[2].as_str(), row[7].as_str()), (id, "running", "sleep 100"), "{table}");
        let pid: i32 = row[1].parse().unwrap();
        assert!(
            std::fs::read_to_string(format!("/proc/{pid}/comm")).unwrap().starts_with("sleep"),
            "{table}"
        );
        assert!(row[3].ends_with(" s") && (row[6].ends_with("iB") || row[6].ends_with(" B")), "{table}");
    }
    assert_eq!(says(&world, &["ps", "-q"]), format!("{first}\n{second}\n"));
    assert_eq!(says(&world, &["pause", &second]), format!("paused {second}\n"));
    assert_eq!(says(&world, &["ps", "-q", "--filter", "state=paused"]), format!("{second}\n"));
    assert_eq!(says(&world, &["ps", "-q", "-f", "id=first", "-f", "state=running"]), format!("{first}\n"));
    for wrong in ["colour=blue", "state=gone"] {
        assert_eq!(world.cli(&["ps", "--filter", wrong]).status.code(), Some(2), "{wrong}");
    }
    let json: Value = serde_json::from_str(&says(&world, &["ps", "--format", "json"])).unwrap();
    assert_eq!(json["containers"][1]["state"], "paused", "{json}");
    says(&world, &["resume", &second]);
    let figures = rows(&says(&world, &["stats", "--no-stream"]));
    assert_eq!(figures.iter().map(|row| &row[0]).collect::<Vec<_>>(), [&first, &second], "{figures:?}");
    assert!(figures.iter().all(|row| row[1].ends_with(" %") && row[4] == "1"), "{figures:?}");
    let one = rows(&says(&world, &["stats", "--no-stream", &first]));
    assert_eq!(one.len(), 1, "{one:?}");
    let processes = rows(&says(&world, &["top", &first]));
    assert_eq!((processes.len(), processes[0][1].as_str(), processes[0][2].as_str()), (1, "1", "sleep 100"));
    let all: Value = serde_json::from_str(&says(&world, &["inspect", &first])).unwrap();
    assert_eq!(all["config"]["process"]["args"][0], "sleep", "{all}");
    assert_eq!((&all["id"], &all["state"]), (&first.into(), &"running".into()), "{all}");
}

#[test]
fn one_verb_takes_several_containers_or_all() {
    let world = DaemonWorld::new();
    let ids = ["a", "b", "c"].map(|name| world.id(name));
    let bundle = world.bundle("b", &["sleep", "100"]);
    for id in &ids {
        says(&world, &["start", id, bundle.to_str().unwrap()]);
    }
    let each = |word: &str, ids: &[String]| ids.iter().map(|id| format!("{word} {id}\n")).collect::<String>();
    assert_eq!(says(&world, &["pause", "--all"]), each("paused", &ids));
    assert_eq!(
        says(&world, &["resume", &ids[0], &ids[2]]),
        each("resumed", &[ids[0].clone(), ids[2].clone()])
    );
    // One that fails keeps no other from it.
    let some = world.cli(&["stop", "--force", &ids[0], "another", &ids[2]]);
    assert_eq!(stdout(&some), each("stopping", &[ids[0].clone(), ids[2].clone()]), "{some:?}");
    assert_eq!(some.status.code(), Some(10), "{some:?}");
    // Also for programs, each with its own line.
    let some = stdout(&world.cli(&["resume", "--json", "another", &ids[1]]));
    let lines: Vec<Value> = some.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let said: Vec<_> = lines.iter().map(|line| (&line["containerId"], &line["success"])).collect();
    assert_eq!(said, [(&"another".into(), &false.into()), (&ids[1].as_str().into(), &true.into())], "{some}");
    assert_eq!(
        says(&world, &["rm", "-f", "--all"]).lines().filter(|line| line.ends_with(&ids[1])).count(),
        1
    );
    world.until("all are gone", || says(&world, &["ps", "-q"]).is_empty());
    assert_eq!(says(&world, &["stop", "--all"]), "");
    for words in [&["stop"][..], &["stop", "--all", "a"]] {
        assert_eq!(world.cli(words).status.code(), Some(2), "{words:?}");
    }
}

#[test]
fn commands_need_no_dashes_and_have_the_codes_of_podman() {
    ["crun", "runc"].iter().for_each(|runtime| has_the_codes_of_podman(runtime));
}

fn has_the_codes_of_podman(runtime: &str) {
    let world = DaemonWorld::with(&["--runtime", runtime]);
    let id = world.id("a");
    world.run(&id, &["sh", "-c", "for n in 1 2 3 4 5; do echo line $n; done; sleep 100"]);
    assert_eq!(says(&world, &["exec", &id, "echo", "-n", "--", "x"]), "-- x");
    assert_eq!(says(&world, &["exec", &id, "--", "echo", "y"]), "y\n");
    std::fs::write(world.path("rootfs/plain"), "no program").unwrap();
    let cases: [(&[&str], i32); 7] = [
        (&["exec", &id, "/tmp"], 126),
        (&["exec", "--json", &id, "/proc"], 126),
        (&["exec", &id, "sh", "-c", "exit 3"], 3),
        (&["exec", &id, "nosuch"], 127),
        (&["exec", &id, "/nosuch"], 127),
        (&["exec", &id, "/plain"], 126),
        (&["exec", "another", "true"], 125),
    ];
    for (args, code) in cases {
        let output = world.cli(args);
        assert_eq!(output.status.code(), Some(code), "{args:?}: {output:?}");
    }
    // What the container has in its environment stays when more is added, and yields to what is given.
    for (options, expected) in [
        (&["--option", "--env=A=b c"][..], "/bin b c\n"),
        (&["--option", "--env", "--option", "A=1", "--option", "--env=PATH=/x:/bin"], "/x:/bin 1\n"),
        (&[], "/bin\n"),
    ] {
        let args = [&["exec"], options, &[&id, "sh", "-c", "echo $PATH $A"]].concat();
        assert_eq!(says(&world, &args), expected, "{options:?}");
    }
    for bundle in ["/nowhere", world.path("rootfs").to_str().unwrap()] {
        assert_eq!(world.cli(&["run", "-d", &world.id("b"), bundle]).status.code(), Some(13), "{bundle}");
        assert_eq!(world.cli(&["run", &world.id("b"), bundle]).status.code(), Some(125), "{bundle}");
    }
    let bundle = world.bundle("none", &["nosuch"]);
    assert_eq!(world.cli(&["run", &world.id("b"), bundle.to_str().unwrap()]).status.code(), Some(127));
    let away = world.path("nowhere/socket");
    for verb in
        [&["ps"][..], &["run", "-d", &id, "/nowhere"], &["rm", &id], &["logs", &id], &["restart", &id]]
    {
        let mut command = Command::new(daemon_program());
        let output = command.args(verb).env("OCICONTAINER_SOCKET", &away).output().unwrap();
        assert_eq!(output.status.code(), Some(12), "{verb:?}: {output:?}");
    }
    world.until("all is written", || says(&world, &["logs", &id]).ends_with("line 5\n"));
    for (lines, expected) in [
        ("0", ""),
        ("1", "line 5\n"),
        ("2", "line 4\nline 5\n"),
        ("99", "line 1\nline 2\nline 3\nline 4\nline 5\n"),
    ] {
        assert_eq!(says(&world, &["logs", "--tail", lines, &id]), expected);
    }
}
