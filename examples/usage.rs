//! Runs a program and notes what it took: `usage FILE PROGRAM [ARGUMENT...]` adds a line to FILE with the context switches
//! and the peak memory in KiB of the program and its children (getrusage(2)). For `scripts/bench/hook`.

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::process::{Command, ExitCode};

use nix::sys::resource::{UsageWho, getrusage};

fn main() -> Result<ExitCode, Box<dyn Error>> {
    let mut words = std::env::args_os().skip(1);
    let (Some(file), Some(program)) = (words.next(), words.next()) else {
        return Err("usage FILE PROGRAM [ARGUMENT...]".into());
    };
    let status = Command::new(program).args(words).status()?;
    let taken = getrusage(UsageWho::RUSAGE_CHILDREN)?;
    let switches = taken.voluntary_context_switches() + taken.involuntary_context_switches();
    let mut file = File::options().append(true).create(true).open(file)?;
    writeln!(file, "{switches} {}", taken.max_rss())?;
    let code = status.code().and_then(|code| u8::try_from(code).ok());
    Ok(code.map_or(ExitCode::FAILURE, ExitCode::from))
}
