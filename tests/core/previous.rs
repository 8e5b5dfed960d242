//! Every crash that is not ours goes to the handler that was there before: with the whole core file, and as if we had never
//! been there.

use std::process::Output;

use crate::container::Container;

/// Writes what it gets to the file that is its first argument, and how it was called to the second.
const PREVIOUS: &str = "cat >\"$0\"; env -u PWD -u SHLVL -u _ >\"$1\"; echo \"$2\" >>\"$1\"; ls /proc/self/fd >>\"$1\"; grep -e SigIgn -e SigBlk /proc/self/status >>\"$1\"";

fn hand_on(container: &Container, stdin: &[u8]) -> Output {
    let (core, call) = (container.path("core"), container.path("call"));
    let previous = ["/bin/sh", "-c", PREVIOUS, core.to_str().unwrap(), call.to_str().unwrap(), "--json -x"];
    container.crash(stdin, &previous)
}

/// More than a pipe takes, and it begins as a core file does.
fn core_file(container: &Container) -> Vec<u8> {
    let mut bytes = container.head().bytes();
    bytes.extend((0..1_000_000_u32).flat_map(u32::to_le_bytes));
    bytes
}

fn assert_handed_on(container: &Container) {
    let core = core_file(container);
    let output = hand_on(container, &core);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    assert_eq!(std::fs::read(container.path("core")).unwrap(), core);
    assert!(container.dumps().is_empty());
}

#[test]
fn a_container_that_did_not_ask() {
    assert_handed_on(&Container::with(&["--mount"], |record| record.core = false));
}

#[test]
fn a_process_of_no_container() {
    // In the host's mount namespace, and in no cgroup of its own.
    assert_handed_on(&Container::with(&["--uts"], |_| {}));
    let container = Container::new();
    std::fs::remove_dir_all(container.path("records")).unwrap();
    assert_handed_on(&container);
}

#[test]
fn the_previous_handler_is_called_as_by_the_kernel() {
    let container = Container::with(&["--mount"], |record| record.core = false);
    hand_on(&container, b"x");
    let call = std::fs::read_to_string(container.path("call")).unwrap();
    let lines: Vec<&str> = call.lines().collect();
    // No environment; its own arguments; no signal is blocked, and SIGPIPE ends it as it would without us.
    assert_eq!(lines[0], "--json -x", "{call}");
    assert!(lines.contains(&"SigBlk:\t0000000000000000"), "{call}");
    let ignored = lines.iter().find_map(|line| line.strip_prefix("SigIgn:\t")).unwrap();
    assert_eq!(u64::from_str_radix(ignored, 16).unwrap() >> 12 & 1, 0, "{call}");
}

#[test]
fn without_a_previous_handler_the_crash_is_only_not_dumped() {
    let container = Container::with(&["--mount"], |record| record.core = false);
    let output = container.crash(&core_file(&container), &[]);
    assert!(output.status.success() && output.stderr.is_empty());
}

#[test]
fn one_that_is_missing_is_named() {
    let container = Container::with(&["--mount"], |record| record.core = false);
    let output = container.crash(b"x", &["/nowhere/handler"]);
    let said = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(!output.status.success() && said.contains("/nowhere/handler"), "{said}");
}
