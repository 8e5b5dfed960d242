//! In a guest that has cgroup v2 alone: the hook's whole cycle, the methods of the daemon, what a container pays for its image,
//! and the kernel's handler of core files.

use crate::guest::{Guest, Place};
use crate::options::Options;
use crate::tell::{Counts, tell};

/// The guest's scripts, and how many checks each makes: one that is left out is a failure.
const SCRIPTS: [(&str, u64); 3] = [("cycle", 33), ("methods", 36), ("memory", 8)];
/// The same for the kernel's handler of core files, which is global to a host: it can be set in a guest alone.
const CORE: [(&str, u64); 2] = [("core", 35), ("stock", 24)];

pub(crate) fn run(options: &Options) -> Counts {
    scripts(options, &SCRIPTS)
}

pub(crate) fn core(options: &Options) -> Counts {
    scripts(options, &CORE)
}

fn scripts(options: &Options, scripts: &[(&str, u64)]) -> Counts {
    let mut counts = Counts::default();
    for (script, checks) in scripts {
        let place = Place::new(script);
        let disk = place.disk("data.ext4", "128M");
        match Guest::boot(options, &place, &[&disk], &[(*script).to_owned()]).finish() {
            Ok(said) => judge(script, *checks, &said, &mut counts),
            Err(story) => counts.fail(format!("cgroup v2, {script}: {story}")),
        }
    }
    counts
}

fn judge(script: &str, checks: u64, said: &[String], counts: &mut Counts) {
    let mut passed = 0;
    for line in said {
        passed += u64::from(line.starts_with("@ok "));
        if let Some(figure) = line.strip_prefix("@figure ") {
            tell(&format!("cgroup v2, {script}: {figure}"));
        }
        if let Some(what) = line.strip_prefix("@failed ") {
            counts.fail(format!("cgroup v2, {script}: {what}"));
        }
    }
    if passed != checks {
        counts
            .fail(format!("cgroup v2, {script}: {passed} checks passed, not {checks}:\n{}", said.join("\n")));
    }
    counts.count(&format!("checks under pure cgroup v2 passed: {script}"), passed);
}
