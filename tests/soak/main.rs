//! Many clients do random things to containers for a while, and the daemon is killed, restarted and upgraded under
//! them. Nothing may leak, no event be lost, no container be stuck. `scripts/soak` runs it for long.

#![allow(
    clippy::unwrap_used,
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed"
)]

mod client;
mod counts;
mod fate;
mod follower;
mod leaks;
mod listener;
mod place;
#[path = "../support/mod.rs"]
mod support;
mod worker;

use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};

use crate::counts::Counts;
use crate::listener::Listener;
use crate::place::Place;
use crate::support::random::Random;

/// How many clients there are.
const CLIENTS: u64 = 8;
/// How many containers they share.
const CONTAINERS: usize = 12;

/// A number from the environment.
fn number(name: &str, default: u64) -> u64 {
    std::env::var(name).map_or(default, |text| text.parse().expect("a number"))
}

#[test]
fn nothing_leaks_and_no_event_is_lost() {
    let (seconds, seed) = (number("SOAK_SECONDS", 20), number("SOAK_SEED", 1));
    println!("{seconds} s, seed {seed}");
    let place = Place::new(CONTAINERS);
    let fresh = leaks::figures(&place);
    let (counts, over, quiet) = (Counts::default(), AtomicBool::new(false), AtomicBool::new(false));
    let end = Instant::now() + Duration::from_secs(seconds);
    let (heard, followed) = std::thread::scope(|scope| {
        let listener = scope.spawn(|| Listener::new(&place, &quiet).listen());
        let follower = scope.spawn(|| follower::follow(&place, &quiet));
        let workers: Vec<_> = (0..CLIENTS)
            .map(|n| {
                let random = Random::new(seed.wrapping_mul(1000) + n);
                let (place, counts, over) = (&place, &counts, &over);
                scope.spawn(move || worker::work(place, random, counts, over))
            })
            .collect();
        fate::befall(&place, Random::new(seed), &counts, end);
        over.store(true, Ordering::Release);
        workers.into_iter().for_each(|worker| worker.join().expect("a client gave up"));
        worker::end_all(&place);
        quiet.store(true, Ordering::Release);
        (listener.join().expect("the listener gave up"), follower.join().expect("the follower gave up"))
    });
    println!("{counts}\n{heard}{followed}");
    worker::nothing_is_stuck(&place);
    leaks::check(&place, &fresh);
    heard.check(&place);
    followed.check(&place);
    counts.check();
}
