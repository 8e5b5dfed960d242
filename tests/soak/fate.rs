//! What happens to the daemon.

use std::time::{Duration, Instant};

use rustix::process::Signal;

use crate::counts::Counts;
use crate::place::Place;
use crate::support::random::Random;

/// How the daemon goes.
#[derive(Debug, Clone, Copy)]
enum Fate {
    /// It is killed, and comes back.
    Kill,
    /// It is told to end, and comes back.
    Restart,
    /// Another file takes the place of its program, it is told to end, and the new one starts.
    Upgrade,
}

/// Lets things happen to the daemon until `end`. In the last third it is left alone: a leak needs time to show.
pub(crate) fn befall(place: &Place, mut random: Random, counts: &Counts, end: Instant) {
    let calm = end - (end - Instant::now()) / 3;
    while Instant::now() < calm {
        std::thread::sleep(Duration::from_millis(random.between(500, 6000)));
        let fate = random.one_of(&[Fate::Kill, Fate::Kill, Fate::Restart, Fate::Upgrade]);
        // Containers end and dumps are left meanwhile.
        let away = Duration::from_millis(random.one_of(&[0, 0, 20, 300]));
        let (name, signal) = match fate {
            Fate::Kill => ("daemon killed", Signal::KILL),
            Fate::Restart => ("daemon restarted", Signal::TERM),
            Fate::Upgrade => ("daemon upgraded", Signal::TERM),
        };
        if matches!(fate, Fate::Upgrade) {
            place.replace_program();
        }
        place.end(signal);
        std::thread::sleep(away);
        place.start();
        counts.add(name, "done");
    }
    std::thread::sleep(end.saturating_duration_since(Instant::now()));
}
