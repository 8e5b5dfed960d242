//! What a person sees on a terminal, and a program never does: colours, and what is waited for.

use std::fs::File;
use std::path::Path;
use std::process::{Child, Command, Stdio};

use serde_json::{Value, json};

use crate::support::daemon_world::DaemonWorld;
use crate::support::host::daemon_program;
use crate::transcript::{says, stdout};

/// A command line on a terminal, which script(1) gives it; what is shown goes to `to`.
fn on_terminal(world: &DaemonWorld, words: &str, environment: &[(&str, &str)], to: &Path) -> Child {
    let line = format!("exec {} {words}", daemon_program().display());
    let mut command = Command::new("script");
    command.args(["-q", "-e", "-c", &line, "/dev/null"]).stdin(Stdio::null());
    command.env_remove("NO_COLOR").env("OCICONTAINER_SOCKET", world.path("socket"));
    command.envs(environment.iter().copied()).stdout(File::create(to).unwrap()).spawn().unwrap()
}

fn shown(world: &DaemonWorld, words: &str, environment: &[(&str, &str)]) -> String {
    let file = world.path("shown");
    let mut child = on_terminal(world, words, environment, &file);
    assert!(child.wait().unwrap().success(), "{words}");
    std::fs::read_to_string(file).unwrap()
}

#[test]
fn states_have_colours_on_a_terminal_that_has_some() {
    let world = DaemonWorld::new();
    let [running, paused, ended] = ["running", "paused", "ended"].map(|name| world.id(name));
    world.run(&running, &["sleep", "100"]);
    world.run(&paused, &["sleep", "100"]);
    says(&world, &["pause", &paused]);
    world.run(&ended, &["true"]);
    says(&world, &["wait", &ended]);
    let colours = ["\x1b[32mrunning\x1b[0m", "\x1b[33mpaused\x1b[0m", "\x1b[31mexited\x1b[0m"];
    let text = shown(&world, "ps -a", &[("TERM", "xterm")]);
    for colour in colours {
        assert_eq!(text.matches(colour).count(), 1, "{text:?}");
    }
    assert_eq!(text.matches('\x1b').count(), 6, "nothing else has one: {text:?}");
    for (words, environment) in [
        ("ps -a", [("TERM", "xterm"), ("NO_COLOR", "1")]),
        ("ps -a", [("TERM", "dumb"), ("LANG", "C")]),
        ("ps -a --json", [("TERM", "xterm"), ("LANG", "C")]),
        ("ps -aq", [("TERM", "xterm"), ("LANG", "C")]),
    ] {
        let text = shown(&world, words, &environment);
        assert!(text.contains(&running) && !text.contains('\x1b'), "{words} {environment:?}: {text:?}");
    }
    assert!(!says(&world, &["ps", "-a"]).contains('\x1b'));
}

#[test]
fn a_long_start_says_what_it_waits_for_to_a_person_and_not_to_a_program() {
    let world = DaemonWorld::new();
    let gate = world.path("gate");
    let bundle = |name: &str| {
        let bundle = world.bundle(name, &["sleep", "100"]);
        let file = bundle.join("config.json");
        let mut config: Value = serde_json::from_slice(&std::fs::read(&file).unwrap()).unwrap();
        let script = format!("while [ ! -e {} ]; do sleep 0.05; done", gate.display());
        config["hooks"] = json!({"createRuntime": [{"path": "/bin/busybox", "args": ["sh", "-c", script]}]});
        std::fs::write(&file, config.to_string()).unwrap();
        bundle
    };
    let [first, second] = ["first", "second"].map(|name| world.id(name));
    let mut program = Command::new(daemon_program());
    program.arg("start").arg("--socket").arg(world.path("socket")).arg(&first).arg(bundle("a"));
    let program = program.stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap();
    let file = world.path("shown");
    let words = format!("start {second} {}", bundle("b").display());
    let mut person = on_terminal(&world, &words, &[], &file);
    let text = || std::fs::read_to_string(&file).unwrap();
    world.until("the person knows", || text().contains("waiting for the runtime to start it"));
    std::fs::write(&gate, "").unwrap();
    assert!(person.wait().unwrap().success());
    assert_eq!(text().matches("waiting").count(), 1, "it is said once: {}", text());
    assert!(text().contains(&format!("started {second}, descriptor ")), "{}", text());
    let program = program.wait_with_output().unwrap();
    assert!(program.stderr.is_empty() && stdout(&program).starts_with("started "), "{program:?}");
}
