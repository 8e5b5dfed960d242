//! Power cuts at random moments: while the app writes its dumps, during the harvest, after it, while an image is made.
//!
//! One boot looks at what the last cut left, harvests it, and works until the next cut. Two guests with a disk each do
//! that side by side.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::guest::{Guest, Place};
use crate::judge::{Due, closed_dumps, judge};
use crate::options::Options;
use crate::support::random::Random;
use crate::tell::{Counts, tell};

const GUESTS: u64 = 2;

/// What is under way when the power goes.
#[derive(Debug, Clone, Copy)]
struct Phase {
    name: &'static str,
    /// What the guest is asked to do.
    job: &'static str,
    /// The guest's line from which on the cut may come, and up to how many milliseconds later it does.
    from: &'static str,
    within: u64,
}

const PHASES: [Phase; 4] = [
    Phase { name: "while the app writes", job: "write", from: "@prestart", within: 8000 },
    Phase { name: "during the harvest", job: "harvest", from: "@poststop", within: 120 },
    Phase { name: "after the harvest", job: "harvest", from: "@deleted", within: 7000 },
    Phase { name: "while the image is made", job: "create", from: "@prestart", within: 1500 },
];

pub(crate) fn run(options: &Options) -> Counts {
    std::thread::scope(|scope| {
        let guests: Vec<_> = (0..GUESTS).map(|guest| scope.spawn(move || chain(options, guest))).collect();
        let mut counts = Counts::default();
        for guest in guests {
            counts.add(guest.join().unwrap());
        }
        counts
    })
}

/// All cuts of one guest. Its disk goes through all of them.
fn chain(options: &Options, guest: u64) -> Counts {
    let mut counts = Counts::default();
    let mut random = Random::new(options.seed.wrapping_mul(GUESTS).wrapping_add(guest));
    let place = Place::new(&format!("cuts-{guest}"));
    let disk = place.disk("data.ext4", "128M");
    let mut due = BTreeMap::new();
    let mut last = "nothing";
    for round in 0..=options.cuts / GUESTS {
        let phase = (round < options.cuts / GUESTS).then(|| PHASES[(round % 4) as usize]);
        let plan = Plan::make(round, guest, phase, &mut random);
        match one(options, &place, &disk, &plan) {
            Ok(said) => {
                counts.count(&format!("harvests after a cut by: {}", plan.job[1]), 1);
                tell(&format!("guest {guest} round {round}: {}", judge(&said, &due, last, &mut counts)));
                due = closed_dumps(&said);
            }
            Err(story) => {
                counts.fail(format!("guest {guest} round {round}, after a cut {last}: {story}"));
                break;
            }
        }
        if let Some(phase) = phase {
            counts.count(&format!("power cuts {}", phase.name), 1);
            last = phase.name;
        }
    }
    counts
}

/// What a boot is to do, all of it from the seed.
#[derive(Debug)]
struct Plan {
    job: Vec<String>,
    cut: Option<(&'static str, Duration)>,
}

impl Plan {
    fn make(round: u64, guest: u64, phase: Option<Phase>, random: &mut Random) -> Self {
        let harvester = random.one_of(&["sweep", "start"]);
        let size = random.one_of(&["8388608", "12582912", "67108864"]);
        let work = phase.map_or("none", |phase| phase.job);
        let mut job: Vec<String> = ["round", harvester, work, size].map(str::to_owned).into();
        // All of them find room in the smallest image.
        let (count, most) = if work == "write" {
            (random.between(5, 10), 600_000)
        } else {
            (random.between(2, 5), 1_300_000)
        };
        for n in 0..count {
            let bytes = random.between(40, most);
            let seconds = random.one_of(&["0", "0.3", "1.5"]);
            job.push(format!("g{guest}r{round}n{n}-{bytes}.dmp,{bytes},{seconds}"));
        }
        let cut = phase.map(|phase| (phase.from, Duration::from_millis(random.between(0, phase.within))));
        Self { job, cut }
    }
}

/// One boot. Gives what the guest said.
fn one(options: &Options, place: &Place, disk: &std::path::Path, plan: &Plan) -> Result<Vec<String>, String> {
    let mut guest = Guest::boot(options, place, &[disk], &plan.job);
    let Some((from, time)) = plan.cut else { return guest.finish() };
    guest.wait_for("@looked")?;
    guest.wait_for(from)?;
    Ok(guest.cut_after(time))
}

/// The dumps that must be there after the next boot, by name.
pub(crate) type AllDue = BTreeMap<String, Due>;
