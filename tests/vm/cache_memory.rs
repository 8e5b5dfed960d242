//! A disk that caches writes, and images in memory: what such a disk has lost of what was not flushed, a hook that has ended did
//! not count on. Until then, each dump, each crash record, and an image that had to be kept, is there whole or not at all.

use std::collections::BTreeMap;
use std::path::Path;

use crate::crash_states::{DUMPS, IMAGE, check_clean, command, content, states, take_out};
use crate::guest::{Guest, Place};
use crate::options::Options;
use crate::support::random::Random;
use crate::tell::{Counts, tell};
use crate::write_log::{Log, apply, kept, read};

/// How the disk is mounted, where crash records go, and whether the destination takes dumps.
const VARIANTS: [(&str, &str, &str); 6] = [
    ("defaults", "file", "open"),
    ("data=journal", "file", "open"),
    ("data=writeback", "file", "open"),
    ("defaults", "off", "closed"),
    ("data=journal", "off", "closed"),
    ("data=writeback", "off", "closed"),
];

pub(crate) fn run(options: &Options, counts: &mut Counts) -> Result<(), String> {
    let place = Place::in_memory("cache-memory");
    let base = place.disk("base", "24M");
    for (mounted, records, destination) in VARIANTS {
        let job = ["publish", "memory", mounted, records, destination].map(str::to_owned);
        let variant = format!("in memory, {mounted}, destination {destination}");
        if let Err(story) = harvest(options, &place, &base, &job, (&variant, counts)) {
            counts.fail(format!("a disk with a cache: {variant}: {story}"));
        }
    }
    Ok(())
}

/// What is there in the end, and from when on something of it may be there, and all of it must.
struct End {
    files: BTreeMap<String, Vec<u8>>,
    begin: usize,
    end: usize,
}

impl End {
    /// `disk` has all writes of the log.
    fn of(disk: &Path, dir: &Path, log: &Log) -> Result<Self, String> {
        let files = take_out(disk, dir)?;
        let expected = if files.contains_key(IMAGE) { 1 } else { 2 * DUMPS.len() };
        if files.len() != expected {
            return Err(format!("there is in the end: {:?}", files.keys()));
        }
        for (name, size) in DUMPS.iter().filter(|_| expected > 1) {
            if files.get(*name) != Some(&content(*size)) {
                return Err(format!("{name} is not whole in the end"));
            }
        }
        Ok(Self { files, begin: log.at("begin")?, end: log.at("end")? })
    }

    /// Judges what is on a disk that has the first `count` writes, or some of them.
    fn judge(&self, disk: &Path, dir: &Path, count: usize) -> Result<String, String> {
        check_clean(disk)?;
        let files = take_out(disk, dir)?;
        for (name, bytes) in &files {
            if self.files.get(name) != Some(bytes) {
                return Err(format!("{name} is not whole: {} bytes", bytes.len()));
            }
        }
        if count < self.begin && !files.is_empty() {
            return Err(format!("there is already: {:?}", files.keys()));
        }
        if count >= self.end && files.len() < self.files.len() {
            return Err(format!("the hook had ended, and there is only: {:?}", files.keys()));
        }
        if files.contains_key(IMAGE) {
            let attribute = format!("ea_get /images/{IMAGE} user.oci-minidump.destination");
            let (_, said) = command("debugfs", &["-R", &attribute], disk)?;
            if !said.contains("/data/dumps") {
                return Err(format!("the image has lost its mark: {said}"));
            }
        }
        let when = if count >= self.end { "after the hook's end" } else { "before" };
        Ok(format!("{} of {} files, {when}", files.len(), self.files.len()))
    }
}

/// A sweep of an image in memory, and a look at every state in which a power cut could have left the disk.
fn harvest(
    options: &Options,
    place: &Place,
    base: &Path,
    job: &[String],
    (variant, counts): (&str, &mut Counts),
) -> Result<(), String> {
    let [disk, log, copy] = ["disk", "log", "copy"].map(|name| place.0.join(name));
    std::fs::copy(base, &disk).unwrap();
    std::fs::File::create(&log).unwrap().set_len(256 << 20).unwrap();
    Guest::boot(options, place, &[&disk, &log], job).finish()?;
    let log = read(&log);
    apply(base, &copy, &log.writes, &kept(log.writes.len(), &[]));
    let end = End::of(&copy, &place.0, &log)?;
    let (begin, count) = (end.begin, log.writes.len());
    tell(&format!(
        "a disk with a cache: {variant}: {count} writes and flushes, the hook's {begin} to {}",
        end.end
    ));
    let states = states(&log.writes, &mut Random::new(options.seed));
    if !states.values().any(|count| *count >= end.end) {
        return Err("no state after the hook's end was looked at".to_owned());
    }
    for (kept, count) in states {
        apply(base, &copy, &log.writes, &kept);
        match end.judge(&copy, &place.0, count) {
            Ok(outcome) => {
                counts.count(&format!("crash images of publishing ({variant}): {outcome}"), 1);
                counts.count("crash images of publishing, images in memory, all", 1);
            }
            Err(what) => {
                counts.fail(format!("{variant}: writes {kept:?} of {}: {what}", log.writes.len()));
            }
        }
    }
    Ok(())
}
