//! The hook is killed before every system call that changes something: by a runtime's timeout, an OOM killer, a power
//! cut. Done again, everything is as if that had never happened.
//!
//! A call that only reads is no step of its own: being killed before it is the same as being killed before the next
//! call that changes something (see `CHANGES` in `examples/fault_injector.rs`). Neither is one that only gives something up,
//! such as close(2), because death does the same.

use crate::fault_cases::{Case, POSTSTOP, PRESTART, SWEEP};
use crate::fault_injection::Stage;
use crate::held::Held;

/// How many worlds share the steps of a case: most of the time a life waits for the kernel.
const WORKERS: usize = 4;

/// Kills the stage at every step. Gives the count of steps.
fn kill_everywhere(case: &Case) -> usize {
    let count = std::thread::scope(|scope| {
        let workers: Vec<_> = (1..=WORKERS).map(|first| scope.spawn(move || kill_at(case, first))).collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).max().unwrap()
    });
    assert!(count > 10, "{}: only {count} steps", case.name);
    println!("{}: killed before each of {count} calls", case.name);
    count
}

/// Kills the stage at step `first` and every WORKERS-th after it. Gives the last at which there was something to kill.
fn kill_at(case: &Case, first: usize) -> usize {
    let stage = Stage::new(case);
    for step in (first..).step_by(WORKERS) {
        stage.lay();
        let held = Held::new();
        let (run, calls) = stage.run(&held, "changes", &format!("kill@{step}"));
        // The runtime gives the container up.
        drop(held);
        let story =
            || format!("{}: killed before {:?} ({step})\n{}", case.name, calls.get(step - 1), run.story());
        let survived = calls.len() < step;
        // A sweep says that it has failed.
        let code = i32::from(case.refusing && case.stage == "sweep");
        assert_eq!(run.code(), Some(if survived { code } else { 137 }), "{}", story());
        stage.dumps(&story);
        stage.finish(&story);
        if survived {
            return calls.len();
        }
    }
    0
}

#[test]
fn prestart_killed_at_every_step_loses_and_leaves_nothing() {
    assert!(PRESTART.iter().map(kill_everywhere).sum::<usize>() > 100);
}

#[test]
fn poststop_killed_at_every_step_loses_and_leaves_nothing() {
    assert!(POSTSTOP.iter().map(kill_everywhere).sum::<usize>() > 50);
}

#[test]
fn sweep_killed_at_every_step_loses_and_leaves_nothing() {
    assert!(SWEEP.iter().map(kill_everywhere).sum::<usize>() > 30);
}
