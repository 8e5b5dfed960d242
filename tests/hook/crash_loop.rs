//! A container that crashes in a loop: the disk stays bounded, the first dump and the newest are there, and the count of the
//! others is right.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::time::{Duration, UNIX_EPOCH};

use oci_minidump::harvest::marks;
use oci_minidump::image::mark::Mark;

use crate::images::{harvest, image, whole_dump};
use crate::running::Going;
use crate::support::hook_world::HookWorld;
use crate::support::run::Run;

/// An image of container `app` with dumps `NUMBER.dmp` that were written at these times.
fn loop_image(world: &HookWorld, crashes: impl IntoIterator<Item = (usize, u64)> + Send) -> PathBuf {
    let made = image(world, 64 << 20, |dir| {
        for (number, seconds) in crashes {
            let path = dir.join(format!("{number}.dmp"));
            fs::write(&path, whole_dump(200 + number)).unwrap();
            let file = File::options().write(true).open(path).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(seconds)).unwrap();
        }
    });
    let mark = Mark { container: Some("app".to_owned()), ..Mark::default() };
    mark.write(&File::open(&made).unwrap());
    made
}

/// The numbers of the dumps that are there.
fn numbers(dir: &Path) -> Vec<usize> {
    let entries = fs::read_dir(dir).into_iter().flatten().map(|entry| entry.unwrap().path());
    let dumps = entries.filter(|path| path.extension().is_some_and(|ending| ending == "dmp"));
    let mut numbers: Vec<usize> =
        dumps.map(|path| path.file_stem().unwrap().to_str().unwrap().parse().unwrap()).collect();
    numbers.sort_unstable();
    numbers
}

fn not_kept(dir: &Path) -> u64 {
    numbers(dir).iter().map(|number| marks::not_kept(&dir.join(format!("{number}.dmp")))).sum()
}

fn assert_said(run: &Run, count: usize) {
    assert!(
        run.stderr().contains(&format!("container app crashes too often: {count} more not kept")),
        "{}",
        run.story()
    );
}

#[test]
fn of_a_thousand_crashes_the_first_and_the_newest_are_there_and_the_count_is_right() {
    let world = HookWorld::new("crun");
    world.settings("[retention]\nburst = \"5/2h\"\n");
    let dir = world.dumps_dir();
    // An image has room for so many files.
    for round in 0..10 {
        let numbers_of_round = round * 100 + 1..=round * 100 + 100;
        let crashes = numbers_of_round.map(|n| (n, 1_000_000 + n as u64));
        let run = harvest(&world, &loop_image(&world, crashes)).expect(0);
        assert_eq!(numbers(&dir), [1, 2, 3, 4, round * 100 + 100], "{}", run.story());
        assert_eq!(not_kept(&dir), (round as u64 + 1) * 100 - 5, "{}", run.story());
        assert!(run.stderr().contains("container app crashes too often: "), "{}", run.story());
    }
    // What people see.
    let list = world.hook(&["list", "--json", dir.to_str().unwrap()]).expect(0);
    assert!(list.stdout().contains("\"not_kept\": 995"), "{}", list.story());
    let list = world.hook(&["list", dir.to_str().unwrap()]).expect(0);
    assert!(list.stdout().contains("whole, 995 before not kept"), "{}", list.story());
    // The next burst, of crashes at one moment: the names decide.
    let run = harvest(&world, &loop_image(&world, (2001..=2100).map(|n| (n, 2_000_000)))).expect(0);
    assert_eq!((numbers(&dir).len(), not_kept(&dir)), (10, 995 + 95), "{}", run.story());
    assert_said(&run, 95);
}

#[test]
fn a_harvest_that_is_done_again_counts_nothing_twice() {
    let world = HookWorld::new("crun");
    world.settings("[retention]\nburst = \"5/10min\"\n");
    let made = loop_image(&world, (1..=60).map(|n| (n, 1_000_000 + n as u64)));
    let saved = world.path("saved.img");
    // The mark lies in extended attributes.
    let copy = || {
        fs::copy(&made, &saved).unwrap();
        Mark::read(&File::open(&made).unwrap()).write(&File::open(&saved).unwrap());
    };
    copy();
    let dir = world.dumps_dir();
    harvest(&world, &made).expect(0);
    assert_eq!((numbers(&dir), not_kept(&dir)), (vec![1, 2, 3, 4, 60], 55));
    // As after a power cut: nothing or a part of it was published.
    for missing in [&[][..], &[1, 2], &[1, 2, 3, 4]] {
        for number in missing {
            fs::remove_file(dir.join(format!("{number}.dmp"))).unwrap();
        }
        fs::copy(&saved, &made).unwrap();
        Mark::read(&File::open(&saved).unwrap()).write(&File::open(&made).unwrap());
        let run = harvest(&world, &made).expect(0);
        assert_eq!((numbers(&dir), not_kept(&dir)), (vec![1, 2, 3, 4, 60], 55), "{}", run.story());
    }
}

#[test]
fn a_loop_over_starts_with_a_clock_that_jumps_is_bounded_and_counted() {
    let world = HookWorld::new("crun");
    world.settings("[retention]\nburst = \"5/10min\"\nper_container_count = 4\n");
    let dir = world.dumps_dir();
    // Forwards, back to 1970, into the future, and on.
    let clocks = [1_000_000, 1_000_001, 5, 6, 4_000_000_000, 4_000_000_001, 1_000_002, 7, 1_700_000_000, 8];
    for (round, seconds) in clocks.iter().cycle().take(30).enumerate() {
        let run = harvest(&world, &loop_image(&world, [(round + 1, *seconds)])).expect(0);
        let there = numbers(&dir);
        assert!(there.len() <= 4, "{there:?}\n{}", run.story());
        assert!(there.contains(&1) && there.contains(&(round + 1)), "{there:?}\n{}", run.story());
        let all = u64::try_from(there.len()).unwrap() + not_kept(&dir);
        assert_eq!(all, u64::try_from(round + 1).unwrap(), "{there:?}\n{}", run.story());
    }
}

#[test]
fn other_containers_and_dumps_without_one_are_left_alone() {
    let world = HookWorld::new("crun");
    world.settings("[retention]\nper_container_count = 2\n");
    let nameless = image(&world, 8 << 20, |dir| {
        for number in 9000..9005 {
            fs::write(dir.join(format!("{number}.dmp")), whole_dump(number)).unwrap();
        }
    });
    harvest(&world, &nameless).expect(0);
    let run = harvest(&world, &loop_image(&world, (1..=9).map(|n| (n, 1_000_000 + n as u64)))).expect(0);
    assert_eq!(numbers(&world.dumps_dir()), [1, 9, 9000, 9001, 9002, 9003, 9004], "{}", run.story());
    assert_said(&run, 7);
}

/// An image that stays is harvested again: what was counted only is not taken for a newer crash then.
#[test]
fn an_image_that_stays_costs_neither_the_first_dump_nor_the_newest() {
    let world = HookWorld::new("crun");
    world.settings("[retention]\nper_container_count = 3\n");
    let made = loop_image(&world, (2..=8).map(|n| (n, 1_000_000 + n as u64)));
    // The first one claims more than one harvest takes, beside the others.
    world.with_mounted(&made, |dir| {
        let file = File::create(dir.join("1.dmp")).unwrap();
        std::io::Write::write_all(&mut &file, b"MDMP").unwrap();
        file.set_len(128 << 20).unwrap();
        file.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_001)).unwrap();
    });
    let dir = world.dumps_dir();
    for _ in 0..3 {
        let run = harvest(&world, &made);
        assert!([&[7, 8][..], &[1, 7, 8]].contains(&numbers(&dir).as_slice()), "{}", run.story());
        if !made.exists() {
            break;
        }
    }
    assert!(!made.exists());
    assert_eq!((numbers(&dir), not_kept(&dir)), (vec![1, 7, 8], 5));
}

/// Two hooks thin out the same directory at once: each dump is counted once.
#[test]
fn two_hooks_at_once_count_each_dump_once() {
    let world = HookWorld::new("crun");
    let dir = world.dumps_dir();
    for round in 0..5 {
        world.settings("");
        harvest(&world, &loop_image(&world, (1..=60).map(|n| (n, 1_000_000 + n as u64)))).expect(0);
        assert_eq!(numbers(&dir).len(), 60);
        world.settings("[retention]\nper_container_count = 3\n");
        let images: Vec<PathBuf> = (0..4)
            .map(|n| {
                let made = loop_image(&world, [(100 + n, 2_000_000 + n as u64)]);
                let place = world.image(&format!("at-once-{n}"));
                fs::rename(made, &place).unwrap();
                place
            })
            .collect();
        std::thread::scope(|scope| {
            for image in &images {
                scope.spawn(|| harvest(&world, image).expect(0));
            }
        });
        let there = numbers(&dir);
        assert_eq!((there.len(), there[0]), (3, 1), "round {round}: {there:?}");
        assert_eq!(not_kept(&dir), 61, "round {round}: {there:?}");
        fs::remove_dir_all(&dir).unwrap();
    }
}

/// While the container runs, each dump leaves its image, and none is counted twice by the looks and the poststop.
#[test]
fn a_loop_of_a_container_that_goes_on_is_bounded_and_counted_once() {
    let world = HookWorld::new("crun");
    world.settings("[retention]\nburst = \"5/2h\"\n");
    let mut going = Going::of(world);
    let dir = going.world.dumps_dir();
    let write = |going: &Going, numbers: std::ops::RangeInclusive<usize>| {
        for number in numbers {
            let name = format!("{number}.dmp");
            going.write(&name, &whole_dump(200 + number));
            let file = File::options().write(true).open(going.dir().join(name)).unwrap();
            file.set_modified(UNIX_EPOCH + Duration::from_secs(1_000_000 + number as u64)).unwrap();
        }
    };
    for last in [3, 10, 11, 40] {
        write(&going, numbers(&dir).last().map_or(1, |last| last + 1)..=last);
        let run = going.harvest().expect(0);
        let expected = (1..=last.min(4)).chain((last > 4).then_some(last)).collect::<Vec<_>>();
        assert_eq!(numbers(&dir), expected, "{}", run.story());
        assert_eq!(not_kept(&dir), last.saturating_sub(5) as u64, "{}", run.story());
        assert!(going.names().is_empty(), "{:?}", going.names());
        // A look at an image without dumps changes nothing.
        going.harvest().expect(0);
        assert_eq!(not_kept(&dir), last.saturating_sub(5) as u64);
    }
    write(&going, 41..=50);
    going.end();
    assert_eq!((numbers(&dir), not_kept(&dir)), (vec![1, 2, 3, 4, 50], 45), "{}", going.world.log());
}
