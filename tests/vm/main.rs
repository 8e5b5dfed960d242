//! Boots throwaway guests: pure cgroup v2, power cuts, and a disk that caches writes. Run by `scripts/test-vm`.

use std::process::ExitCode;

mod cache;
mod cgroup;
mod cuts;
mod guest;
mod judge;
mod options;
mod random;
mod tell;
mod write_log;

use crate::tell::tell;

fn main() -> ExitCode {
    let options = match options::Options::from_arguments() {
        Ok(options) => options,
        Err(error) => {
            tell(&error);
            return ExitCode::from(2);
        }
    };
    tell(&format!("engine {:?}, seed {}", options.engine, options.seed));
    let parts: [(&str, fn(&options::Options) -> tell::Counts); 3] =
        [("cgroup", cgroup::run), ("cache", cache::run), ("cuts", cuts::run)];
    let mut counts = tell::Counts::default();
    for (name, part) in parts {
        if options.parts.is_empty() || options.parts.iter().any(|wanted| wanted == name) {
            counts.add(part(&options));
        }
    }
    counts.tell(options.seed);
    if counts.failures.is_empty() { ExitCode::SUCCESS } else { ExitCode::FAILURE }
}
