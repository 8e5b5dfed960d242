//! `exec` with its input and output as streams: byte for byte, apart, no faster than they are taken, and to their end.

use std::io::{Read, Write};
use std::process::{Child, Command, Output, Stdio};
use std::thread::spawn;

use rustix::process::{Pid, Signal, kill_process};
use serde_json::json;
use sha2::{Digest, Sha256};

use crate::support::daemon_world::DaemonWorld;
use crate::support::host::daemon_program;
use crate::support::random::Random;
use crate::support::test_runtimes::runtimes;

/// A world with a container that runs, for each runtime.
fn for_each_runtime(test: impl Fn(&DaemonWorld, &str)) {
    for runtime in runtimes() {
        let world = DaemonWorld::with(&["--runtime", runtime]);
        let id = world.id("a");
        world.run(&id, &["sleep", "1000"]);
        test(&world, &id);
        world.done("deleteContainer", &json!({"containerId": id, "force": true}));
    }
}

/// `exec` with `args`, its three streams piped.
fn exec(world: &DaemonWorld, args: &[&str]) -> Command {
    let mut command = Command::new(daemon_program());
    command.arg("exec").arg("--socket").arg(world.path("socket")).args(args);
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}

/// What it gives for this input.
fn with_input(command: &mut Command, input: Vec<u8>) -> Output {
    let mut child = command.spawn().unwrap();
    let mut stdin = child.stdin.take().unwrap();
    // A command that takes less than all of it is right, too.
    let writer = spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

fn signal(child: &Child, signal: Signal) {
    kill_process(Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap(), signal).unwrap();
}

/// Whether a process of this host has `word` in its command line.
fn runs(word: &str) -> bool {
    let processes = std::fs::read_dir("/proc").unwrap().flatten();
    processes
        .filter_map(|entry| std::fs::read(entry.path().join("cmdline")).ok())
        .any(|line| line.split(|byte| *byte == 0).any(|part| part == word.as_bytes()))
}

/// The memory that the daemon has taken, in KiB.
fn memory(world: &DaemonWorld) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", world.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn what_goes_in_comes_out_byte_for_byte_however_much_it_is() {
    for_each_runtime(|world, id| {
        let mut random = Random::new(7);
        let mut bytes = Vec::with_capacity(50 << 20);
        while bytes.len() < 50 << 20 {
            bytes.extend(random.next().to_le_bytes());
        }
        let sum = Sha256::digest(&bytes);
        let before = memory(world);
        let output = with_input(&mut exec(world, &[id, "cat"]), bytes);
        assert_eq!((output.status.code(), output.stdout.len()), (Some(0), 50 << 20), "{}", world.log());
        assert!(Sha256::digest(&output.stdout) == sum, "other bytes came out");
        assert!(memory(world) < before + 2048, "the daemon grew from {before} to {} KiB", memory(world));
    });
}

#[test]
fn outputs_come_apart_as_they_are_written_and_the_exit_code_last() {
    for_each_runtime(|world, id| {
        let script = "read a; echo out $a; read b; echo err $b >&2; read c; printf '\\377\\0'; exit 7";
        let mut child = exec(world, &[id, "sh", "-c", script]).spawn().unwrap();
        let (mut stdin, mut stdout) = (child.stdin.take().unwrap(), child.stdout.take().unwrap());
        let mut stderr = child.stderr.take().unwrap();
        let mut line = [0; 6];
        stdin.write_all(b"1\n").unwrap();
        stdout.read_exact(&mut line).unwrap();
        assert_eq!(&line, b"out 1\n", "while the command waits for more");
        stdin.write_all(b"2\n").unwrap();
        stderr.read_exact(&mut line).unwrap();
        assert_eq!(&line, b"err 2\n");
        stdin.write_all(b"3\n").unwrap();
        let mut rest = Vec::new();
        stdout.read_to_end(&mut rest).unwrap();
        assert_eq!(rest, b"\xff\0", "hostile or not, it is data");
        assert_eq!(child.wait().unwrap().code(), Some(7), "though the input goes on");
        for (command, code) in [
            (&["sh", "-c", "kill -TERM $$"][..], 143),
            (&["nosuch"], 127),
            (&["/nosuch"], 127),
            (&["/proc/version"], 126),
            (&["true"], 0),
        ] {
            let output = with_input(&mut exec(world, &[&[id], command].concat()), Vec::new());
            assert_eq!(output.status.code(), Some(code), "{command:?}: {output:?}");
            assert!(output.stdout.is_empty(), "{command:?}: {output:?}");
        }
        let left = "sleep 1000 & echo x";
        let output = with_input(&mut exec(world, &[id, "sh", "-c", left]), Vec::new());
        assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"x\n"[..], Some(0)));
        let late = with_input(&mut exec(world, &["--timeout", "1", id, "sleep", "1000"]), Vec::new());
        assert_eq!(late.status.code(), Some(137), "{late:?}");
        assert!(String::from_utf8_lossy(&late.stderr).contains("after 1 s"), "{late:?}");
    });
}

#[test]
fn a_client_that_takes_no_output_stops_the_command_and_nothing_else() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    world.run(&id, &["sleep", "1000"]);
    let before = memory(&world);
    // Its output fills the pipe to this test, which does not read it.
    let script = "while :; do echo $((n += 1)) > /tmp/n; head -c 1000 /dev/zero; done";
    let mut idle = exec(&world, &[&id, "sh", "-c", script]).spawn().unwrap();
    let written = || String::from_utf8(world.cli(&["exec", &id, "cat", "/tmp/n"]).stdout).unwrap();
    let mut last = String::new();
    world.until("the command stands still", || {
        let now = written();
        let stands = !now.is_empty() && now == last;
        last = now;
        stands
    });
    let thousands: u64 = last.trim().parse().unwrap();
    assert!(thousands < 2000, "{thousands} thousand bytes are under way");
    assert!(memory(&world) < before + 2048, "the daemon grew from {before} to {} KiB", memory(&world));
    let output = with_input(&mut exec(&world, &[&id, "cat"]), b"another".to_vec());
    assert_eq!(output.stdout, b"another", "other commands and calls go on");
    let mut taken = vec![0; 4 << 20];
    idle.stdout.as_mut().unwrap().read_exact(&mut taken).unwrap();
    assert!(taken.iter().all(|byte| *byte == 0), "it goes on where it was");
    drop(idle.stdout.take());
    assert_eq!(idle.wait().unwrap().code(), Some(0), "a reader that wants no more ends it");
    world.until("the command is gone", || !runs(script));
}

#[test]
fn a_command_ends_with_its_client() {
    for_each_runtime(|world, id| {
        for (n, end) in [Signal::KILL, Signal::TERM].into_iter().enumerate() {
            let mark = format!("{id}-{n}");
            let script = format!("echo {mark}; sh -c 'sleep 1000; :' {mark}; exit 5");
            let mut child = exec(world, &[id, "sh", "-c", &script]).spawn().unwrap();
            let mut line = vec![0; mark.len() + 1];
            child.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
            world.until("both shells run", || runs(&mark));
            signal(&child, end);
            // The first of them gets the signal when this is passed on; a kill ends all of them.
            let code = child.wait().unwrap().code();
            assert_eq!(code, [None, Some(143)][n], "{end:?}");
            if n == 0 {
                world.until("nothing is left of it", || !runs(&mark) && !runs(&script));
            }
        }
    });
}

#[test]
fn a_signal_is_the_commands_own_affair() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    world.run(&id, &["sleep", "1000"]);
    for (name, number) in [("INT", Signal::INT), ("TERM", Signal::TERM), ("HUP", Signal::HUP)] {
        let script = format!("trap 'echo got; exit 3' {name}; echo ready; while :; do sleep 0.05; done");
        let mut child = exec(&world, &[&id, "sh", "-c", &script]).spawn().unwrap();
        let mut line = [0; 6];
        child.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
        signal(&child, number);
        let output = child.wait_with_output().unwrap();
        assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"got\n"[..], Some(3)), "{name}");
    }
}

#[test]
fn a_container_or_a_daemon_that_ends_takes_the_command_along_and_the_client_learns_why() {
    for runtime in runtimes() {
        let mut world = DaemonWorld::with(&["--runtime", runtime]);
        let id = world.id("a");
        world.run(&id, &["sleep", "1000"]);
        let begin = |world: &DaemonWorld| {
            let mut child = exec(world, &[&id, "sh", "-c", "echo x; sleep 1000; :"]).spawn().unwrap();
            child.stdout.as_mut().unwrap().read_exact(&mut [0; 2]).unwrap();
            child
        };
        let child = begin(&world);
        assert!(world.cli(&["stop", "--force", &id]).status.success());
        assert_eq!(child.wait_with_output().unwrap().status.code(), Some(137), "{runtime}");
        world.until("the id is free", || {
            world.call("getContainerState", &json!({"containerId": id})).is_err()
        });
        world.run(&id, &["sleep", "1000"]);
        let child = begin(&world);
        world.end(Signal::TERM);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(125) && said.contains("the daemon shuts down"), "{output:?}");
        world.until("the command is gone", || !runs("echo x; sleep 1000; :"));
        world.start();
        let child = begin(&world);
        world.end(Signal::KILL);
        let output = child.wait_with_output().unwrap();
        let said = String::from_utf8_lossy(&output.stderr).into_owned();
        assert!(output.status.code() == Some(125) && said.contains("connection to the daemon"), "{output:?}");
        world.start();
        world.done("deleteContainer", &json!({"containerId": id, "force": true}));
    }
}

#[test]
fn commands_run_side_by_side() {
    for_each_runtime(|world, id| {
        let children: Vec<Child> = (0..4).map(|_| exec(world, &[id, "cat"]).spawn().unwrap()).collect();
        for (n, mut child) in children.into_iter().enumerate().rev() {
            child.stdin.take().unwrap().write_all(format!("{n}").as_bytes()).unwrap();
            let output = child.wait_with_output().unwrap();
            assert_eq!((output.stdout, output.status.code()), (format!("{n}").into_bytes(), Some(0)));
        }
        let left = std::fs::read_dir(world.path("state").join(id)).unwrap().flatten();
        let left: Vec<_> = left.map(|entry| entry.file_name().into_string().unwrap()).collect();
        assert!(!left.iter().any(|name| name.starts_with("exec-")), "{left:?}");
    });
}
