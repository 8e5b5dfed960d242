//! A process number that is used again by somebody else.

use std::process::Command;

use rustix::process::Signal;

use crate::support::daemon_world::DaemonWorld;
use crate::support::host::daemon_program;

/// Runs in a pid namespace of its own, where the next number can be chosen (pid_namespaces(7)).
const SCRIPT: &str = r#"
serve() {
    "$PROGRAM" serve --no-tcp --socket "$DIR/socket" --state-dir "$DIR/state" --log-dir "$DIR/log" \
        --runtime-root "$DIR/runtime" --hook "$DIR/oci-minidump-hook" --stop-timeout 2 2>>"$DIR/daemon.log" &
    daemon=$!
    until cli list >/dev/null 2>&1; do sleep 0.02; done
}
cli() { verb=$1; shift; "$PROGRAM" "$verb" --socket "$DIR/socket" "$@"; }
serve
cli start "$ID" "$DIR/bundle"
pid=$(cat "$DIR/state/$ID/container.pid")
kill -9 $daemon
wait $daemon || true
kill -9 $pid
while [ -e /proc/$pid ]; do sleep 0.02; done
echo $((pid - 1)) >/proc/sys/kernel/ns_last_pid
sleep 1000 &
stranger=$!
echo "the container was $pid, the stranger is $stranger"
serve
until [ "$(cli list --json)" = '{"containers":[],"errorReason":"","success":true}' ]; do sleep 0.02; done
cli stop --force "$ID" || echo "nobody was stopped"
# Everything that takes time has had it: another container is started and stopped.
cli start "$ID" "$DIR/bundle"
cli delete --force "$ID"
kill -0 $stranger && echo "the stranger lives"
kill $stranger $daemon
wait
"#;

#[test]
fn a_number_that_is_used_again_is_not_taken_for_the_container() {
    let mut world = DaemonWorld::new();
    world.end(Signal::TERM);
    world.bundle("bundle", &["sleep", "1000"]);
    let mut command = Command::new("unshare");
    command.args(["--pid", "--fork", "--kill-child", "--mount-proc", "sh", "-c", SCRIPT]);
    command.env("PROGRAM", daemon_program()).env("DIR", world.dir.path()).env("ID", world.id("a"));
    let output = command.output().unwrap();
    let said = String::from_utf8_lossy(&output.stdout);
    let story = format!("{said}{}\n{}", String::from_utf8_lossy(&output.stderr), world.log());
    let numbers: Vec<&str> =
        said.lines().find(|line| line.starts_with("the container was")).map_or(Vec::new(), |line| {
            line.split(|c: char| !c.is_ascii_digit()).filter(|word| !word.is_empty()).collect()
        });
    assert!(numbers.len() == 2 && numbers[0] == numbers[1], "the number is used again: {story}");
    assert!(said.contains("nobody was stopped") && said.ends_with("the stranger lives\n"), "{story}");
    assert!(world.log().contains("ended with signal 9"), "{story}");
}
