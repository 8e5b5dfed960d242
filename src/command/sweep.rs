//! `sweep`: harvests what poststop missed. `sweep --watch`: what containers leave while they run.

use std::io::Write;

use std::path::Path;

use crate::command::{say, say_json};
use crate::error::{ExitCode, Result, Tried};
use crate::harvest::hand_over::waiting;
use crate::hook::sweep::sweep as run;
use crate::log::escape_json;
use crate::notify::start;
use crate::running::watch::watch as run_watch;
use crate::settings::admin::Admin;

/// Sweeps and says what that did, for people or as JSON. Exits with [`ExitCode::Failure`] when something is left that
/// should have been harvested.
///
/// # Errors
/// As [`crate::hook::sweep::sweep`].
pub fn sweep(json: bool, admin: &Admin, out: &mut impl Write) -> Result<ExitCode> {
    let sweep = run(admin)?;
    waiting::leave_all(admin);
    if json {
        say_json(out, &sweep)?;
    } else {
        for swept in &sweep.harvested {
            for dump in &swept.harvest.dumps {
                say(out, format_args!("{} ({} bytes)", dump.path.display(), dump.size))?;
            }
        }
        for path in &sweep.damaged {
            say(out, format_args!("{} is damaged: look at it, or remove it", path.display()))?;
        }
        // One whose dumps could not all be published is among the failures.
        let images = sweep.harvested.iter().filter(|swept| swept.harvest.failure().is_none()).count();
        let (running, failed) = (sweep.in_use.len(), sweep.failures.len());
        say(out, format_args!("{images} images harvested, {running} in use, {failed} failed"))?;
    }
    Ok(if sweep.failures.is_empty() { ExitCode::Ok } else { ExitCode::Failure })
}

/// Harvests containers while they run, and says each dump in a line, or each image with dumps in a line of JSON. `settings`
/// is the file of the settings, for the worker that hands over dumps.
///
/// # Errors
/// As [`run_watch`]; it ends only so.
pub fn watch(json: bool, admin: &Admin, settings: &Path, out: &mut impl Write) -> Result<()> {
    run_watch(admin, |swept| {
        start::start_ourselves(admin, settings);
        let what = || "cannot write the result";
        if json {
            let line = serde_json::to_string(swept).map_err(std::io::Error::other).tried(what)?;
            say(out, format_args!("{}", escape_json(&line)))?;
        } else {
            for dump in &swept.harvest.dumps {
                say(out, format_args!("{} ({} bytes)", dump.path.display(), dump.size))?;
            }
        }
        out.flush().tried(what)
    })
}
