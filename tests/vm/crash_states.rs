//! The states in which a power cut may leave a disk that caches writes, and what is on it then.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crate::support::random::Random;
use crate::write_log::{Write, kept, volatile};

/// All subsets of so many lost writes are tried; of more, `SAMPLES` random ones.
const ALL_SUBSETS: usize = 4;
const SAMPLES: u64 = 16;
/// Of more states than that, so many random ones are looked at.
const MAX_STATES: usize = 400;
/// Of more points of a log than that, so many random ones are looked at, and the last ones.
const MAX_POINTS: u64 = 200;
const LAST_POINTS: usize = 100;
/// The dumps that guest/publish makes.
pub(crate) const DUMPS: [(&str, u64); 3] =
    [("a-5000.dmp", 5000), ("b-300000.dmp", 300_000), ("c-1500000.dmp", 1_500_000)];
/// The image that they are in.
pub(crate) const IMAGE: &str = "app.img";

/// Every state in which the disk may be when the power goes, as the writes that are on it: at every point of the log,
/// without some of those that the cache may lose there. With each, the last point of the log at which it may be.
pub(crate) fn states(writes: &[Write], random: &mut Random) -> BTreeMap<Vec<usize>, usize> {
    let mut states = BTreeMap::new();
    // Of many points, so many random ones: the states of all of them would not find room.
    let all = writes.len() as u64 + 1;
    let last = writes.len().saturating_sub(LAST_POINTS)..=writes.len();
    let some = (0..MAX_POINTS).map(|_| random.between(0, all) as usize).chain(last);
    let points: BTreeSet<usize> =
        if all <= MAX_POINTS { (0..=writes.len()).collect() } else { some.collect() };
    for count in points {
        let candidates = volatile(writes, count);
        let mut add = |mask: u64| {
            let lost = candidates.iter().enumerate().filter(|(n, _)| mask >> (n % 64) & 1 == 1);
            states.insert(kept(count, &lost.map(|(_, write)| *write).collect::<Vec<usize>>()), count);
        };
        if candidates.len() <= ALL_SUBSETS {
            (0..1 << candidates.len()).for_each(&mut add);
        } else {
            [0, u64::MAX].into_iter().for_each(&mut add);
            (0..SAMPLES).for_each(|_| add(random.next() | random.next() << 48));
        }
    }
    let mut states: Vec<_> = states.into_iter().collect();
    while states.len() > MAX_STATES {
        states.swap_remove(random.between(0, states.len() as u64) as usize);
    }
    states.into_iter().collect()
}

/// Whether the file system is clean once its journal was replayed, which the next boot does.
pub(crate) fn check_clean(disk: &Path) -> Result<(), String> {
    let replay = command("e2fsck", &["-fp"], disk)?;
    let clean = command("e2fsck", &["-fn"], disk)?;
    if replay.0 > 1 || clean.0 != 0 {
        return Err(format!("the file system is not clean: {} {}", replay.1, clean.1));
    }
    Ok(())
}

/// What `crasher ... write NAME SIZE` writes.
pub(crate) fn content(size: u64) -> Vec<u8> {
    (0..size).map(|i| b"MDMP".get(i as usize).copied().unwrap_or((i % 251) as u8)).collect()
}

/// The images and the dumps on an unmounted file system, by name.
pub(crate) fn take_out(disk: &Path, dir: &Path) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let mut files = BTreeMap::new();
    for name in ["images", "dumps"] {
        let to = dir.join(name);
        command("debugfs", &["-R", &format!("rdump /{name} {}", dir.display())], disk)?;
        let Ok(entries) = std::fs::read_dir(&to) else {
            // A file in the place of a directory.
            let _absent = std::fs::remove_file(&to);
            continue;
        };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            files.insert(name, std::fs::read(&path).unwrap());
        }
        std::fs::remove_dir_all(&to).unwrap();
    }
    Ok(files)
}

/// The exit code of a program that works on the disk, and what it said.
pub(crate) fn command(program: &str, arguments: &[&str], disk: &Path) -> Result<(i32, String), String> {
    let output = Command::new(program).args(arguments).arg(disk).output();
    let output = output.map_err(|error| format!("cannot run {program}: {error}"))?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.code().unwrap_or(255), String::from_utf8_lossy(&said).into_owned()))
}
