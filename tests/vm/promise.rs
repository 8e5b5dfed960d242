//! Whether a guest found after a power cut what it must find, with images in memory.
//!
//! What a hook said, or what a hook that ended had to do, is on the disk, whole. Before a hook begins to take dumps out of an
//! image, nothing of the container is there at all. In between, each file is there whole or not at all. The other dumps are
//! lost by definition.

use std::collections::BTreeSet;

use crate::found::Found;
use crate::tell::Counts;

/// What a guest said up to the cut.
#[derive(Debug, Default)]
struct Word {
    /// The dumps that the app closed.
    closed: BTreeSet<String>,
    /// Those that a hook said to be harvested.
    harvested: BTreeSet<String>,
    /// Whether a hook said that it wrote the image to the disk.
    kept: bool,
    /// Whether a hook had begun to take the dumps out, and whether it had ended.
    begun: bool,
    ended: bool,
    /// Whether the destination took nothing.
    refused: bool,
    /// Whether the image found no room in memory.
    elsewhere: bool,
}

impl Word {
    fn of(said: &[String], last: &str) -> Self {
        let start = said.iter().position(|line| line == "@looked").unwrap_or(said.len());
        let mut word = Self { refused: last.contains("keeps the image"), ..Self::default() };
        // What begins otherwise is the guest's report of what was said before.
        for line in said[start..].iter().filter(|line| !line.starts_with("# ")) {
            if let Some(name) = line.strip_prefix("@closed=") {
                word.closed.insert(name.to_owned());
            } else if let Some((how, rest)) = line.split_once("minidump of container app: /data/dumps/")
                && how.contains("harvested a ")
            {
                word.harvested.extend(rest.split(' ').next().map(str::to_owned));
            }
            word.kept |= line.contains("is on the disk now, as /data/images/");
            word.elsewhere |= line.contains("its image lies on the disk");
            word.begun |= line == "@poststop" || line == "@keeping";
            word.ended |= line.starts_with("@deleted ");
        }
        word
    }

    /// Whether a dump must be harvested, whatever happens to the power.
    fn promises(&self, dump: &str) -> bool {
        self.harvested.contains(dump) || ((self.ended || self.kept) && self.closed.contains(dump))
    }
}

/// Judges what a guest said of the time up to `@looked`, by what it had said in the boot `before`, up to the cut. Gives a line
/// about it.
pub(crate) fn judge(said: &[String], before: &[String], last: &str, counts: &mut Counts) -> String {
    let word = Word::of(before, last);
    let mut wrong = Vec::new();
    let found = Found::read(said, &mut wrong);
    check_files(&word, &found, &mut wrong);
    check_images(&word, &found, &mut wrong);
    let is_promised = |name: &&String| word.promises(name);
    for name in word.closed.iter().filter(is_promised).filter(|name| !found.after.contains_key(*name)) {
        wrong.push(format!("{name} was safe, and is gone"));
    }
    let there: BTreeSet<&String> = found.after.keys().filter(|name| word.closed.contains(*name)).collect();
    let safe = there.iter().filter(|name| word.promises(name)).count() as u64;
    let lucky = there.len() as u64 - safe;
    let lost = word.closed.len() as u64 - there.len() as u64;
    let stage = match (found.images, found.before.len()) {
        (0, 0) => "neither image nor dumps on the disk",
        (0, some) if some < word.closed.len() => "some dumps published",
        (0, _) => "all dumps published",
        (_, _) => "the image on the disk",
    };
    counts.count(&format!("memory: cuts {last}: {stage}"), 1);
    counts.count("memory: dumps harvested or kept before the cut: on the host, whole", safe);
    counts.count("memory: dumps whose harvest had not ended: on the host, whole", lucky);
    counts.count("memory: dumps whose harvest had not ended: lost, as is said", lost);
    counts.count("memory: dumps that were said to be harvested", word.harvested.len() as u64);
    counts.count("memory: file systems clean after a cut (the disk's and the images')", found.images + 1);
    for what in &wrong {
        let (then, now) = (before.join("\n"), found.said.join("\n"));
        counts.fail(format!("memory: after a cut {last}: {what}\n{then}\n--- the next boot ---\n{now}"));
    }
    format!("after a cut {last}: {stage}; {safe} safe, {lucky} lucky, {lost} lost")
}

/// No file is there half or wrong, and none before its time.
fn check_files(word: &Word, found: &Found<'_>, wrong: &mut Vec<String>) {
    if word.elsewhere {
        wrong.push("the image found no room in memory".to_owned());
    }
    for (dumps, records) in [(&found.before, &found.records_before), (&found.after, &found.records_after)] {
        for (name, like) in dumps.iter().filter(|(_, like)| *like != "whole") {
            wrong.push(format!("{name} has its final name and is {like}"));
        }
        for (name, like) in records.iter().filter(|(_, like)| *like != "right") {
            wrong.push(format!("the crash record of {name} is {like}"));
        }
        for name in dumps.keys().filter(|name| !records.contains_key(*name)) {
            wrong.push(format!("{name} has no crash record"));
        }
    }
    for name in found.records_after.keys().filter(|name| !found.after.contains_key(*name)) {
        wrong.push(format!("the crash record of {name} has no dump"));
    }
    for name in word.harvested.iter().filter(|name| !found.before.contains_key(*name)) {
        wrong.push(format!("{name} was said to be harvested, and is not there"));
    }
    for name in found.after.keys().filter(|name| !word.closed.contains(*name)) {
        wrong.push(format!("{name} is there, and was not closed"));
    }
    if !found.before.is_empty() && (!word.begun || word.refused) {
        wrong.push("dumps are there that no hook can have published".to_owned());
    }
}

/// An image is on the disk only when it could not be harvested, and then all of it.
fn check_images(word: &Word, found: &Found<'_>, wrong: &mut Vec<String>) {
    let must_be = u64::from(word.refused && (word.kept || word.ended));
    let may_be = u64::from(word.refused && word.begun);
    if found.images < must_be || found.images > may_be {
        wrong.push(format!("{} images are on the disk, not {must_be} to {may_be}", found.images));
    }
    if found.images == 0 {
        return;
    }
    for (name, like) in found.inside.iter().filter(|(_, like)| *like != "whole") {
        wrong.push(format!("the image on the disk has {name} as {like}"));
    }
    if found.inside.keys().ne(word.closed.iter()) || found.after.keys().ne(word.closed.iter()) {
        wrong.push("the image on the disk has not all dumps, or not all came out of it".to_owned());
    }
}
