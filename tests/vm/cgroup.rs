//! The hook's whole cycle in a guest that has cgroup v2 alone.

use crate::guest::{Guest, Place};
use crate::options::Options;
use crate::tell::Counts;

/// How many checks guest/cycle makes: one that is left out is a failure.
const CHECKS: u64 = 33;

pub(crate) fn run(options: &Options) -> Counts {
    let mut counts = Counts::default();
    let place = Place::new("cgroup");
    let disk = place.disk("data.ext4", "128M");
    match Guest::boot(options, &place, &[&disk], &["cycle".to_owned()]).finish() {
        Ok(said) => judge(&said, &mut counts),
        Err(story) => counts.fail(format!("cgroup v2: {story}")),
    }
    counts
}

fn judge(said: &[String], counts: &mut Counts) {
    let mut passed = 0;
    for line in said {
        passed += u64::from(line.starts_with("@ok "));
        if let Some(what) = line.strip_prefix("@failed ") {
            counts.fail(format!("cgroup v2: {what}"));
        }
    }
    if passed != CHECKS {
        counts.fail(format!("cgroup v2: {passed} checks passed, not {CHECKS}:\n{}", said.join("\n")));
    }
    counts.count("checks of the hook under pure cgroup v2 passed", passed);
}
