//! Whether a guest found after a power cut what it must find, with images on the disk.

use std::collections::BTreeMap;

use crate::found::Found;
use crate::tell::Counts;

/// How long after the app closed a dump a power cut may take it, in seconds, by the guest's clock. The journal is
/// committed once a second; the rest is what a busy disk and a busy guest add.
const WINDOW: f64 = 2.0;

/// A dump that the app had closed before the cut.
#[derive(Debug, Clone, Copy)]
struct Due {
    /// How long it had been closed at the cut, in seconds, at least.
    age: f64,
}

/// The dumps that the app closed, by name, from what the guest said up to the cut.
fn closed_dumps(said: &[String]) -> BTreeMap<String, Due> {
    let mut closed: BTreeMap<String, Option<f64>> = BTreeMap::new();
    let mut now = None;
    for line in said {
        if let Some(name) = line.strip_prefix("@closed=") {
            closed.insert(name.to_owned(), None);
        } else if let Some(time) = line.strip_prefix("@beat ").and_then(|text| text.parse().ok()) {
            now = Some(time);
            // The beat after it: it was closed before that.
            closed.values_mut().filter(|since| since.is_none()).for_each(|since| *since = now);
        }
    }
    let age = |since: Option<f64>| now.zip(since).map_or(0.0, |(now, since)| now - since);
    closed.into_iter().map(|(name, since)| (name, Due { age: age(since) })).collect()
}

/// Judges what a guest said of the time up to `@looked`, by what it had said in the boot `before`, up to the cut. Gives a line
/// about it.
pub(crate) fn judge(said: &[String], before: &[String], last: &str, counts: &mut Counts) -> String {
    let due = closed_dumps(before);
    let mut wrong = Vec::new();
    let found = Found::read(said, &mut wrong);
    for (name, like) in found.before.iter().filter(|(_, like)| *like != "whole") {
        wrong.push(format!("{name} had its final name before the boot and is {like}"));
    }
    let mut outcome = Outcome::default();
    for (name, due) in &due {
        outcome.add(name, *due, found.after.get(name).map(String::as_str), &mut wrong);
    }
    let unfinished = found.after.keys().filter(|name| !due.contains_key(*name)).count() as u64;
    let stage = match (found.images, found.before.len()) {
        (0, 0) => "neither image nor dumps on the disk",
        (0, _) => "dumps published, image removed",
        (_, 0) => "image there, nothing published",
        (_, some) if some < found.after.len() => "image there, some dumps published",
        (_, _) => "image there, all dumps published",
    };
    counts.count(&format!("disk: cuts {last}: {stage}"), 1);
    counts.count("disk: dumps closed for longer than the window: on the host, whole", outcome.safe);
    counts.count("disk: dumps closed within the window: on the host, whole", outcome.lucky);
    counts.count("disk: dumps closed within the window: cut or lost", outcome.lost);
    counts.count("disk: dumps not closed at the cut: on the host, as the image had them", unfinished);
    counts.count("disk: file systems clean after a cut (the disk's and the images')", found.images + 1);
    for what in &wrong {
        counts.fail(format!("after a cut {last}: {what}\n{}", found.said.join("\n")));
    }
    counts.oldest_lost = counts.oldest_lost.max(outcome.oldest_lost);
    format!(
        "after a cut {last}: {stage}; {} safe, {} lucky, {} lost",
        outcome.safe, outcome.lucky, outcome.lost
    )
}

#[derive(Debug, Default)]
struct Outcome {
    safe: u64,
    lucky: u64,
    lost: u64,
    /// How long a dump had been closed that was lost, in seconds.
    oldest_lost: f64,
}

impl Outcome {
    fn add(&mut self, name: &str, due: Due, like: Option<&str>, wrong: &mut Vec<String>) {
        let whole = like == Some("whole");
        match (whole, due.age > WINDOW) {
            (true, true) => self.safe += 1,
            (true, false) => self.lucky += 1,
            (false, old) => {
                self.lost += 1;
                self.oldest_lost = self.oldest_lost.max(due.age);
                if old {
                    let like = like.unwrap_or("gone");
                    wrong.push(format!("{name} had been closed for {:.2} s and is {like}", due.age));
                }
            }
        }
    }
}
