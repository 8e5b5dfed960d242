//! Boots throwaway guests: pure cgroup v2, the kernel's core_pattern, power cuts, and a disk that caches writes. Run by `scripts/test-vm`.

#![allow(clippy::unwrap_used, reason = "a test, though one without the harness that would say so")]

use std::process::ExitCode;

mod cache;
mod cache_memory;
mod cgroup;
mod crash_states;
mod cuts;
mod found;
mod guest;
mod interrupt;
mod judge;
mod options;
mod promise;
#[path = "../support/mod.rs"]
mod support;
mod tell;
mod write_log;

use crate::options::Options;
use crate::tell::{Counts, tell};

type Part = fn(&Options) -> Counts;

/// What can be asked for on the command line. The methods of the daemon, under pure cgroup v2, belong here too.
const PARTS: [(&str, Part); 4] =
    [("cgroup", cgroup::run), ("core", cgroup::core), ("cache", cache::run), ("cuts", cuts::run)];

fn main() -> ExitCode {
    interrupt::watch();
    let options = match Options::from_arguments() {
        Ok(options) => options,
        Err(error) => {
            tell(&error);
            return ExitCode::from(2);
        }
    };
    tell(&format!("engine {:?}, seed {}", options.engine, options.seed));
    let mut counts = Counts::default();
    for (name, part) in PARTS {
        if options.parts.is_empty() || options.parts.iter().any(|wanted| wanted == name) {
            counts.add(part(&options));
        }
    }
    counts.tell(options.seed);
    if counts.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
