//! Power cuts at random moments: while the app writes its dumps, during the harvest, after it, while an image is made; and,
//! with images in memory, while one is written to the disk because it cannot be harvested.
//!
//! One boot looks at what the last cut left, harvests it, and works until the next cut. Two guests with a disk each do
//! that side by side.

use std::time::Duration;

use crate::guest::{Guest, Place};
use crate::judge::judge;
use crate::options::{Backing, Options};
use crate::promise;
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

const fn phase(name: &'static str, job: &'static str, from: &'static str, within: u64) -> Phase {
    Phase { name, job, from, within }
}

const ON_DISK: &[Phase] = &[
    phase("while the app writes", "write", "@prestart", 8000),
    phase("during the harvest", "harvest", "@poststop", 120),
    phase("after the harvest", "harvest", "@deleted", 7000),
    phase("while the image is made", "create", "@prestart", 1500),
];
const IN_MEMORY: &[Phase] = &[
    phase("while the app writes", "write", "@prestart", 8000),
    phase("during the harvest", "harvest", "@poststop", 250),
    phase("while a poststop keeps the image", "keep-poststop", "@poststop", 600),
    phase("while a sweep keeps the image", "keep-sweep", "@keeping", 1500),
    phase("while the next start keeps the image", "keep-start", "@keeping", 600),
    phase("after the harvest", "harvest", "@deleted", 2000),
    phase("while the image is made", "create", "@prestart", 1500),
];

pub(crate) fn run(options: &Options) -> Counts {
    let mut counts = Counts::default();
    for backing in &options.backings {
        std::thread::scope(|scope| {
            let guests: Vec<_> =
                (0..GUESTS).map(|guest| scope.spawn(move || chain(options, *backing, guest))).collect();
            for guest in guests {
                counts.add(guest.join().unwrap());
            }
        });
    }
    counts
}

/// All cuts of one guest. Its disk goes through all of them.
fn chain(options: &Options, backing: Backing, guest: u64) -> Counts {
    let mut counts = Counts::default();
    let mut random = Random::new(options.seed.wrapping_mul(GUESTS).wrapping_add(guest));
    let place = Place::new(&format!("cuts-{guest}"));
    let disk = place.disk("data.ext4", "256M");
    let phases = match backing {
        Backing::Disk => ON_DISK,
        Backing::Memory => IN_MEMORY,
    };
    let (mut before, mut last) = (Vec::new(), "nothing");
    // Each guest cuts half of them.
    let cuts = options.cuts / GUESTS + u64::from(guest < options.cuts % GUESTS);
    for (round, phase) in (0..=cuts).zip(phases.iter().cycle()) {
        let phase = (round < cuts).then_some(*phase);
        let plan = Plan::make(format!("g{guest}r{round}"), backing, phase, &mut random);
        match one(options, &place, &disk, &plan) {
            Ok(said) => {
                counts.count(&format!("{backing}: harvests after a cut by: {}", plan.harvester), 1);
                let outcome = match backing {
                    Backing::Disk => judge(&said, &before, last, &mut counts),
                    Backing::Memory => promise::judge(&said, &before, last, &mut counts),
                };
                tell(&format!("{backing}, guest {guest} round {round}: {outcome}"));
                before = said;
            }
            Err(story) => {
                counts.fail(format!("{backing}, guest {guest} round {round}, after a cut {last}: {story}"));
                break;
            }
        }
        if let Some(phase) = phase {
            counts.count(&format!("{backing}: power cuts, all"), 1);
            counts.count(&format!("{backing}: power cuts {}", phase.name), 1);
            last = phase.name;
        }
    }
    counts
}

/// What a boot is to do, all of it from the seed.
#[derive(Debug)]
struct Plan {
    harvester: &'static str,
    job: Vec<String>,
    cut: Option<(&'static str, Duration)>,
}

impl Plan {
    /// `prefix` begins the names of all dumps of the round.
    fn make(prefix: String, backing: Backing, phase: Option<Phase>, random: &mut Random) -> Self {
        let harvester = random.one_of(&["sweep", "start"]);
        let size = random.one_of(&["8388608", "12582912", "67108864"]);
        let work = phase.map_or("none", |phase| phase.job);
        let mut job: Vec<String> =
            ["round", &backing.to_string(), harvester, work, size].map(str::to_owned).into();
        // All of them find room in the smallest image.
        let (count, most) = if work == "write" {
            (random.between(5, 10), 600_000)
        } else {
            (random.between(2, 5), 1_300_000)
        };
        for n in 0..count {
            let bytes = random.between(40, most);
            let seconds = random.one_of(&["0", "0.3", "1.5"]);
            job.push(format!("{prefix}n{n}-{bytes}.dmp,{bytes},{seconds}"));
        }
        let cut = phase.map(|phase| (phase.from, Duration::from_millis(random.between(0, phase.within))));
        Self { harvester, job, cut }
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
