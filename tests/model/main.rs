//! A random sequence of operations on containers and their images, with the real hook, a real runtime, loop devices and
//! mounts, checked against a small model of what is promised: no dump that was acknowledged is ever lost. `scripts/model`
//! runs it for long.
//!
//! It is split into worlds of some operations each, at whose end every dump must be on the host and nothing else be left.
//! `MODEL_STEPS` and `MODEL_SEED` choose how many operations there are, and which; `MODEL_WORLD` runs one world alone.
//! `MODEL_OVERLOOK` names kinds of problems (see [`problem::Kind`]) that are passed over, with blanks between them.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    reason = "a test that cannot go on has failed"
)]

mod actions;
mod counts;
mod dumps;
mod failure;
mod life;
mod meeting;
mod model;
mod operations;
mod place;
mod problem;
mod quiet;
mod shrink;
mod sight;
#[path = "../support/mod.rs"]
mod support;
mod writers;

use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Instant;

use crate::counts::Counts;
use crate::failure::Failure;
use crate::life::Life;
use crate::operations::Operation;
use crate::support::random::Random;

/// How many operations `cargo test` does.
const STEPS: u64 = 2000;
/// How many operations there are in a world.
const IN_WORLD: u64 = 100;
/// How many worlds there are at once: much of the time the hook waits for a device to go.
const THREADS: usize = 20;

/// A number from the environment.
fn number(name: &str) -> Option<u64> {
    std::env::var(name).ok().map(|text| text.parse().expect("a number"))
}

/// The runtime of a world: crun, and now and then runc, which is slower.
fn runtime(world: u64) -> &'static str {
    if world % 8 == 7 { "runc" } else { "crun" }
}

/// What happens in a world.
fn operations(seed: u64, world: u64) -> impl Iterator<Item = Operation> {
    let mut random = Random::new(seed.wrapping_mul(1_000_000).wrapping_add(world));
    std::iter::repeat_with(move || Operation::draw(&mut random))
}

/// Lets `steps` of the operations that make sense happen in a new world, and brings it to its end.
///
/// # Errors
/// The first thing that was not as promised.
fn live(
    runtime: &'static str,
    operations: impl Iterator<Item = Operation>,
    steps: u64,
    counts: &Counts,
) -> Result<(), Failure> {
    let mut life = Life::new(runtime);
    let mut done = Vec::new();
    for operation in operations {
        if u64::try_from(done.len()).unwrap() == steps {
            break;
        }
        let begin = Instant::now();
        match failure::caught(|| life.step(&operation)) {
            Ok(false) => continue,
            Ok(true) => counts.add(&operation, begin.elapsed()),
            Err(problems) => {
                done.push(operation);
                return Err(Failure::new(problems, done, &life));
            }
        }
        done.push(operation);
    }
    failure::caught(|| life.finish()).map_err(|problems| Failure::new(problems, done, &life))
}

#[test]
fn no_acknowledged_dump_is_lost_whatever_happens() {
    let (steps, seed) = (number("MODEL_STEPS").unwrap_or(STEPS), number("MODEL_SEED").unwrap_or(1));
    let (first, last) = match number("MODEL_WORLD") {
        Some(world) => (world, world),
        None => (0, steps.div_ceil(IN_WORLD) - 1),
    };
    println!("{steps} operations, seed {seed}");
    // Built before the time counts.
    let _programs = (support::programs::crasher(), support::programs::fault_injector());
    let (counts, next, failed) = (Counts::default(), AtomicU64::new(first), Mutex::new(None));
    let begin = Instant::now();
    std::thread::scope(|scope| {
        for _ in 0..THREADS {
            scope.spawn(|| {
                while failed.lock().unwrap().is_none() {
                    let world = next.fetch_add(1, Ordering::Relaxed);
                    if world > last {
                        break;
                    }
                    let goes_on = |_: &Operation| failed.lock().unwrap().is_none();
                    let operations = operations(seed, world).take_while(goes_on);
                    if let Err(failure) = live(runtime(world), operations, steps.min(IN_WORLD), &counts) {
                        let so_far = (begin.elapsed(), counts.total());
                        println!("{so_far:?} operations: world {world}, {}", failure.summary());
                        failed.lock().unwrap().get_or_insert((world, failure));
                    }
                }
            });
        }
    });
    println!("{counts}{:?}", begin.elapsed());
    if let Some((world, failure)) = failed.into_inner().unwrap() {
        let smaller = shrink::shrink(&failure, runtime(world));
        let again = format!("MODEL_SEED={seed} MODEL_WORLD={world}");
        panic!("seed {seed}, world {world} ({}), again with {again}\n{failure}\n{smaller}", runtime(world));
    }
    counts.check();
}
