//! A disk that caches writes: whatever it lost of what was not flushed, a harvest shows no file or the whole file under
//! the final name, and as long as the file is missing, the image is there. The same holds for crash records, and with each of
//! the ways in which ext4 can be mounted that change when it writes what.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;
use std::process::Command;

use crate::guest::{Guest, Place};
use crate::options::Options;
use crate::support::random::Random;
use crate::tell::{Counts, tell};
use crate::write_log::{Write, apply, kept, read, volatile};

/// All subsets of so many lost writes are tried; of more, `SAMPLES` random ones.
const ALL_SUBSETS: usize = 4;
const SAMPLES: u64 = 16;
/// Of more states than that, so many random ones are looked at.
const MAX_STATES: usize = 400;
/// The dumps that guest/publish makes.
const DUMPS: [(&str, u64); 3] =
    [("a-5000.dmp", 5000), ("b-300000.dmp", 300_000), ("c-1500000.dmp", 1_500_000)];
const IMAGE: &str = "app.img";
/// How the disk is mounted, and where crash records go.
const VARIANTS: [(&str, &str); 6] = [
    ("defaults", "off"),
    ("defaults", "file"),
    ("defaults", "xattr"),
    ("data=journal", "file"),
    ("data=writeback", "file"),
    ("nodelalloc,dioread_lock", "file"),
];

pub(crate) fn run(options: &Options) -> Counts {
    let mut counts = Counts::default();
    if let Err(story) = try_run(options, &mut counts) {
        counts.fail(format!("a disk with a cache: {story}"));
    }
    counts
}

fn try_run(options: &Options, counts: &mut Counts) -> Result<(), String> {
    let place = Place::in_memory("cache");
    let (disk, base) = (place.disk("data.ext4", "24M"), place.0.join("base"));
    Guest::boot(options, &place, &[&disk, &disk], &["publish".to_owned(), "prepare".to_owned()]).finish()?;
    std::fs::rename(&disk, &base).unwrap();
    let image = take_out(&base, &place.0)?.remove(IMAGE).ok_or("there is no image to begin with")?;
    for (mounted, records) in VARIANTS {
        let variant = format!("{mounted}, records {records}");
        let job = ["publish", "harvest", mounted, records].map(str::to_owned);
        if let Err(story) = harvest(options, &place, (&base, &image), &job, counts) {
            counts.fail(format!("a disk with a cache: {variant}: {story}"));
        }
    }
    Ok(())
}

/// A harvest of the disk `base`, and a look at every state in which a power cut could have left the disk.
fn harvest(
    options: &Options,
    place: &Place,
    (base, image): (&Path, &[u8]),
    job: &[String],
    counts: &mut Counts,
) -> Result<(), String> {
    let [disk, log, copy] = ["disk", "log", "copy"].map(|name| place.0.join(name));
    std::fs::copy(base, &disk).unwrap();
    std::fs::File::create(&log).unwrap().set_len(256 << 20).unwrap();
    Guest::boot(options, place, &[&disk, &log], job).finish()?;
    let writes = read(&log);
    apply(base, &copy, &writes, &kept(writes.len(), &[]));
    if std::fs::read(&copy).unwrap() != std::fs::read(&disk).unwrap() {
        return Err("the log does not lead to what is on the disk".to_owned());
    }
    let mut records = take_out(&copy, &place.0)?;
    records.retain(|name, _| name.ends_with(".json"));
    let expected = if job.last().is_some_and(|records| records == "file") { DUMPS.len() } else { 0 };
    if records.len() != expected {
        return Err(format!("there are {} crash records in the end", records.len()));
    }
    let variant = job.get(2..).unwrap_or_default().join(", records ");
    tell(&format!("a disk with a cache: {variant}: {} writes and flushes", writes.len()));
    for kept in states(&writes, &mut Random::new(options.seed)) {
        apply(base, &copy, &writes, &kept);
        match look(&copy, &place.0, image, &records) {
            Ok(outcome) => {
                counts.count(&format!("crash images of publishing ({variant}): {outcome}"), 1);
                counts.count("crash images of publishing, all", 1);
            }
            Err(what) => {
                counts.fail(format!("{variant}: writes {kept:?} of {}: {what}", writes.len()));
            }
        }
    }
    Ok(())
}

/// Every state in which the disk may be when the power goes, as the writes that are on it: at every point of the log,
/// without some of those that the cache may lose there.
fn states(writes: &[Write], random: &mut Random) -> BTreeSet<Vec<usize>> {
    let mut states = BTreeSet::new();
    for count in 0..=writes.len() {
        let candidates = volatile(writes, count);
        let mut add = |mask: u64| {
            let lost = candidates.iter().enumerate().filter(|(n, _)| mask >> (n % 64) & 1 == 1);
            states.insert(kept(count, &lost.map(|(_, write)| *write).collect::<Vec<usize>>()));
        };
        if candidates.len() <= ALL_SUBSETS {
            (0..1 << candidates.len()).for_each(&mut add);
        } else {
            [0, u64::MAX].into_iter().for_each(&mut add);
            (0..SAMPLES).for_each(|_| add(random.next() | random.next() << 48));
        }
    }
    while states.len() > MAX_STATES {
        let surplus = (states.len() - MAX_STATES).div_ceil(2);
        let unlucky: Vec<_> =
            states.iter().filter(|_| random.next().is_multiple_of(2)).take(surplus).cloned().collect();
        states.retain(|state| !unlucky.contains(state));
    }
    states
}

/// What is on the disk, as the next boot finds it.
fn look(
    disk: &Path,
    dir: &Path,
    image: &[u8],
    records: &BTreeMap<String, Vec<u8>>,
) -> Result<String, String> {
    let replay = command("e2fsck", &["-fp"], disk)?;
    let clean = command("e2fsck", &["-fn"], disk)?;
    if replay.0 > 1 || clean.0 != 0 {
        return Err(format!("the file system is not clean: {} {}", replay.1, clean.1));
    }
    let mut files = take_out(disk, dir)?;
    let there = files.remove(IMAGE);
    if there.as_ref().is_some_and(|bytes| bytes != image) {
        return Err("the image is not what it was".to_owned());
    }
    let (found, files): (BTreeMap<_, _>, BTreeMap<_, _>) =
        files.into_iter().partition(|(name, _)| name.ends_with(".json"));
    for (name, bytes) in &found {
        if records.get(name) != Some(bytes) {
            return Err(format!("the record {name} is not whole: {} bytes", bytes.len()));
        }
    }
    for (name, bytes) in &files {
        let dump = DUMPS.iter().find(|(dump, _)| name == dump);
        if dump.is_none_or(|(_, size)| *bytes != content(*size)) {
            return Err(format!("{name} is not whole: {} bytes", bytes.len()));
        }
    }
    if there.is_none() && (files.len() < DUMPS.len() || found.len() < records.len()) {
        return Err(format!("the image is gone: {} dumps, {} records", files.len(), found.len()));
    }
    let image = if there.is_some() { "image there" } else { "image removed" };
    Ok(format!("{} whole dumps, {image}", files.len()))
}

/// What `crasher ... write NAME SIZE` writes.
fn content(size: u64) -> Vec<u8> {
    (0..size).map(|i| b"MDMP".get(i as usize).copied().unwrap_or((i % 251) as u8)).collect()
}

/// The images and the dumps on an unmounted file system, by name.
fn take_out(disk: &Path, dir: &Path) -> Result<BTreeMap<String, Vec<u8>>, String> {
    let mut files = BTreeMap::new();
    for name in ["images", "dumps"] {
        let to = dir.join(name);
        command("debugfs", &["-R", &format!("rdump /{name} {}", dir.display())], disk)?;
        let Ok(entries) = std::fs::read_dir(&to) else { continue };
        for path in entries.map(|entry| entry.unwrap().path()) {
            let name = path.file_name().unwrap().to_string_lossy().into_owned();
            files.insert(name, std::fs::read(&path).unwrap());
        }
        std::fs::remove_dir_all(&to).unwrap();
    }
    Ok(files)
}

/// The exit code of a program that works on the disk, and what it said.
fn command(program: &str, arguments: &[&str], disk: &Path) -> Result<(i32, String), String> {
    let output = Command::new(program).args(arguments).arg(disk).output();
    let output = output.map_err(|error| format!("cannot run {program}: {error}"))?;
    let said = [output.stdout, output.stderr].concat();
    Ok((output.status.code().unwrap_or(255), String::from_utf8_lossy(&said).into_owned()))
}
