//! System calls of the daemon that a signal interrupts: each child that ends makes one.

use serde_json::json;

use crate::attach::state;
use crate::support::daemon_world::DaemonWorld;
use crate::support::syscall_gate::SyscallGate;

#[test]
fn a_look_at_a_process_that_is_interrupted_says_nothing_of_it() {
    let world = DaemonWorld::new();
    let id = world.id("a");
    // SIGTERM does nothing to the first process of a pid namespace.
    world.run(&id, &["sleep", "100000"]);
    // With that its cgroups are known, which is a look as well.
    assert_eq!(state(&world, &id), "Running");
    let gate = SyscallGate::interrupting(&world, "poll,ppoll");
    world.done("stopContainer", &json!({"containerId": id, "timeout": 0}));
    world.until("it is killed", || state(&world, &id) == "gone");
    let calls = gate.leave(&world);
    // A kernel without descriptors of processes is asked by other calls.
    let me = rustix::process::getpid();
    let is_asked = rustix::process::pidfd_open(me, rustix::process::PidfdFlags::empty()).is_ok();
    assert_eq!(calls.contains("EINTR"), is_asked, "{calls}");
}
