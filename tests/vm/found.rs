//! What a guest found after a power cut, before it went on.

use std::collections::BTreeMap;

/// What a guest found.
#[derive(Debug, Default)]
pub(crate) struct Found<'s> {
    /// Dumps on the host by name, before and after the harvest, with what they are like.
    pub(crate) before: BTreeMap<String, String>,
    pub(crate) after: BTreeMap<String, String>,
    /// The same of their crash records, by the names of the dumps.
    pub(crate) records_before: BTreeMap<String, String>,
    pub(crate) records_after: BTreeMap<String, String>,
    /// The dumps in all images on the disk, and how many images these were.
    pub(crate) inside: BTreeMap<String, String>,
    pub(crate) images: u64,
    /// What it said of that.
    pub(crate) said: &'s [String],
}

impl<'s> Found<'s> {
    /// Reads what a guest said up to `@looked`. What no guest may find is added to `wrong`.
    pub(crate) fn read(said: &'s [String], wrong: &mut Vec<String>) -> Self {
        let end = said.iter().position(|line| line == "@looked").unwrap_or(said.len());
        let mut found = Self { said: &said[..end], ..Self::default() };
        for line in found.said.iter().filter(|line| line.starts_with('@')) {
            if !found.add(line) {
                wrong.push(line.clone());
            }
        }
        for mark in ["@fsck", "@harvested"] {
            if !found.said.iter().any(|line| line.starts_with(mark)) {
                wrong.push(format!("the guest said nothing of {mark}"));
            }
        }
        for name in found.after.keys().filter(|name| !name.starts_with('g') || name.matches('-').count() != 1)
        {
            wrong.push(format!("{name} has a name that no app gave"));
        }
        found
    }

    /// Adds what a line says; `false` if it is one that must not be.
    fn add(&mut self, line: &str) -> bool {
        let words: Vec<&str> = line.split(' ').collect();
        let (files, name, like) = match words[..] {
            ["@before", name, like] => (&mut self.before, name, like),
            ["@after", name, like] => (&mut self.after, name, like),
            ["@inside", name, like] => (&mut self.inside, name, like),
            ["@image", _, "0" | "1", "0"] => {
                self.images += 1;
                return true;
            }
            ["@fsck" | "@harvested", "0"] | ["@prestart" | "@poststop"] => return true,
            _ => return false,
        };
        let of_record = name.strip_suffix(".json").map(|stem| format!("{stem}.dmp"));
        let known = match (of_record, words[0]) {
            (None, _) => files.insert(name.to_owned(), like.to_owned()),
            (Some(dump), "@before") => self.records_before.insert(dump, like.to_owned()),
            (Some(dump), _) => self.records_after.insert(dump, like.to_owned()),
        };
        known.is_none()
    }
}
