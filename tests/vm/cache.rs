//! A disk that caches writes: whatever it lost of what was not flushed, a harvest shows no file or the whole file under
//! the final name, and as long as the file is missing, the image is there. The same holds for crash records, and with each of
//! the ways in which ext4 can be mounted that change when it writes what.

use std::collections::BTreeMap;
use std::path::Path;

use crate::cache_memory;
use crate::crash_states::{DUMPS, IMAGE, check_clean, content, states, take_out};
use crate::guest::{Guest, Place};
use crate::options::{Backing, Options};
use crate::support::random::Random;
use crate::tell::{Counts, tell};
use crate::write_log::{apply, kept, read};

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
    for backing in &options.backings {
        let outcome = match backing {
            Backing::Disk => try_run(options, &mut counts),
            Backing::Memory => cache_memory::run(options, &mut counts),
        };
        if let Err(story) = outcome {
            counts.fail(format!("a disk with a cache, images on {backing}: {story}"));
        }
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
    let writes = read(&log).writes;
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
    for kept in states(&writes, &mut Random::new(options.seed)).into_keys() {
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

/// What is on the disk, as the next boot finds it.
fn look(
    disk: &Path,
    dir: &Path,
    image: &[u8],
    records: &BTreeMap<String, Vec<u8>>,
) -> Result<String, String> {
    check_clean(disk)?;
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
