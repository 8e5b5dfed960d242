//! `run -i` and `attach`: a container's standard input as a pipe, and containers that are up to no good with either.

use std::io::{Read, Write};
use std::process::{Child, Command, Output, Stdio};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use rustix::process::Signal;
use serde_json::json;

use crate::attach::{state, verb};
use crate::support::daemon_world::DaemonWorld;
use crate::support::test_runtimes::runtimes;

fn piped(mut command: Command) -> Child {
    command.stdin(Stdio::piped()).stdout(Stdio::piped()).stderr(Stdio::piped()).spawn().unwrap()
}

pub(crate) fn with_input(command: Command, input: &[u8]) -> Output {
    let mut child = piped(command);
    let (mut stdin, input) = (child.stdin.take().unwrap(), input.to_vec());
    let writer = std::thread::spawn(move || drop(stdin.write_all(&input)));
    let output = child.wait_with_output().unwrap();
    writer.join().unwrap();
    output
}

#[test]
fn input_goes_in_to_its_end_and_output_comes_out() {
    for runtime in runtimes() {
        let world = DaemonWorld::with(&["--runtime", runtime, "--log-limit", "8000000"]);
        let id = world.id("a");
        let bundle = world.bundle("b", &["cat"]);
        let bundle = bundle.to_str().unwrap();
        let output = with_input(verb(&world, &["run", "-i", &id, bundle]), b"hi\n");
        assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"hi\n"[..], Some(0)), "{output:?}");
        let bytes: Vec<u8> = (0..2_000_000_u32).flat_map(u32::to_le_bytes).take(3_000_000).collect();
        let output = with_input(verb(&world, &["run", "-i", &id, bundle]), &bytes);
        assert_eq!((output.stdout.len(), output.status.code()), (bytes.len(), Some(0)), "{output:?}");
        assert!(output.stdout == bytes, "byte for byte");
        let script = "read a; echo out $a; exit 4";
        let command = verb(&world, &["run", "-i", &id, bundle, "--", "sh", "-c", script]);
        let output = with_input(command, b"1\n2\n3\n");
        assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"out 1\n"[..], Some(4)));
        let output = with_input(verb(&world, &["run", &id, bundle]), b"not for it");
        assert_eq!((output.stdout.as_slice(), output.status.code()), (&b""[..], Some(0)), "without -i");
    }
}

#[test]
fn an_open_input_survives_its_client_and_the_daemon() {
    for runtime in runtimes() {
        let mut world = DaemonWorld::with(&["--runtime", runtime]);
        let id = world.id("a");
        let bundle = world.bundle("b", &["sh", "-c", "while read line; do echo got $line; done; exit 3"]);
        assert!(world.cli(&["start", "-i", &id, bundle.to_str().unwrap()]).status.success());
        for (round, (signal, is_upgrade)) in
            [(None, false), (Some(Signal::KILL), false), (Some(Signal::TERM), true)].into_iter().enumerate()
        {
            let mut child = piped(verb(&world, &["attach", &id]));
            let mut line = [0; 8];
            child.stdin.as_mut().unwrap().write_all(format!("{round}..\n").as_bytes()).unwrap();
            child.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
            assert_eq!(line, *format!("got {round}..\n").as_bytes());
            match signal {
                // It does not say that its input has ended.
                None => child.kill().unwrap(),
                Some(signal) => {
                    if is_upgrade {
                        world.upgrade();
                    }
                    world.end(signal);
                    world.start();
                }
            }
            child.wait().unwrap();
            assert_eq!(state(&world, &id), "Running");
        }
        let output = with_input(verb(&world, &["attach", &id]), b"last\n");
        assert_eq!((output.stdout.as_slice(), output.status.code()), (&b"got last\n"[..], Some(3)));
    }
}

#[test]
fn a_signal_to_run_stops_the_container_and_another_kills_it() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    let script = "trap 'echo no' TERM; echo ready; while :; do sleep 0.05; done";
    let bundle = world.bundle("b", &["sh", "-c", script]);
    let mut child = piped(verb(&world, &["run", "-i", &id, bundle.to_str().unwrap()]));
    let pid = rustix::process::Pid::from_raw(i32::try_from(child.id()).unwrap()).unwrap();
    let mut says = |text: &str| {
        let mut line = vec![0; text.len()];
        child.stdout.as_mut().unwrap().read_exact(&mut line).unwrap();
        assert_eq!(line, text.as_bytes());
    };
    says("ready\n");
    rustix::process::kill_process(pid, Signal::INT).unwrap();
    says("no\n");
    rustix::process::kill_process(pid, Signal::INT).unwrap();
    assert_eq!(child.wait().unwrap().code(), Some(137));
    assert_eq!(state(&world, &id), "gone");
}

/// What a pipe holds, in bytes: of more, the client has taken some.
const PIPE: u64 = 65_536;

/// The memory that the daemon has taken, in KiB.
fn memory(world: &DaemonWorld) -> u64 {
    let status = std::fs::read_to_string(format!("/proc/{}/status", world.pid())).unwrap();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap();
    line.trim().trim_end_matches(" kB").parse().unwrap()
}

#[test]
fn a_container_that_never_reads_holds_nothing_up() {
    let world = DaemonWorld::new();
    for options in ["-i", "-it"] {
        let id = world.id(&options[1..]);
        let bundle = crate::terminal::bundle(&world, &id, &["sleep", "1000"]);
        let size = json!({"rows": 20, "columns": 70});
        let mut start = json!({"containerId": id, "bundlePath": bundle, "interactive": true});
        if options == "-it" {
            start["terminal"] = size;
        }
        world.done("startContainer", &start);
        let before = memory(&world);
        let mut attach = verb(&world, &["attach", &id]);
        let mut child = attach.stdin(Stdio::piped()).stdout(Stdio::null()).spawn().unwrap();
        let (mut stdin, written) = (child.stdin.take().unwrap(), Arc::new(AtomicU64::new(0)));
        let counted = Arc::clone(&written);
        let writer = std::thread::spawn(move || {
            while let Ok(count) = stdin.write(&[b'x'; 4096]) {
                counted.fetch_add(count as u64, Ordering::Relaxed);
            }
        });
        let written = || written.load(Ordering::Relaxed);
        let (mut last, mut looks) = (0, 0);
        world.until("no more goes in, or more than the daemon may hold", || {
            assert_eq!(state(&world, &id), "Running");
            looks = if last == written() { looks + 1 } else { 0 };
            last = written();
            last > PIPE && looks == 50 || last > 4 << 20
        });
        assert!(memory(&world) < before + 2048, "from {before} to {} KiB", memory(&world));
        world.done("deleteContainer", &json!({"containerId": id, "force": true}));
        assert_eq!(child.wait().unwrap().code(), Some(137));
        // A terminal throws away what is too long for a line; a pipe does not.
        writer.join().unwrap();
        assert!(options == "-it" || written() < 1_000_000, "{} bytes were under way", written());
    }
}

#[test]
fn a_container_that_floods_its_terminal_waits_for_no_client_and_its_log_is_bounded() {
    let world = DaemonWorld::with(&["--log-limit", "100000"]);
    let id = world.id("flood");
    let script = "while ! [ -e /go ]; do yes | head -c 200000; done; echo; echo the end; exit 6";
    let bundle = crate::terminal::bundle(&world, &id, &["sh", "-c", script]);
    let size = json!({"rows": 20, "columns": 70});
    world.done("startContainer", &json!({"containerId": id, "bundlePath": bundle, "terminal": size}));
    // The first reads nothing.
    let mut idle = piped(verb(&world, &["attach", "--no-stdin", &id]));
    let mut child = piped(verb(&world, &["attach", &id]));
    let mut some = vec![0; 1_000_000];
    child.stdout.as_mut().unwrap().read_exact(&mut some).unwrap();
    let size = || {
        let length = |end: &str| std::fs::metadata(world.path("log").join(format!("{id}.{end}")));
        length("log").map_or(0, |file| file.len()) + length("log.1").map_or(0, |file| file.len())
    };
    for _ in 0..50 {
        assert_eq!(state(&world, &id), "Running");
        assert!(size() <= 100_000, "{}", size());
        std::thread::sleep(std::time::Duration::from_millis(10));
    }
    std::fs::write(world.path("rootfs/go"), "").unwrap();
    let output = child.wait_with_output().unwrap();
    let (text, said) = (String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr));
    assert!(text.ends_with("the end\r\n") && output.status.code() == Some(6), "{said}");
    world.until("it has ended though one client takes nothing", || state(&world, &id) == "gone");
    idle.kill().unwrap();
    idle.wait().unwrap();
}
