//! `core --pattern` and `enable core`: the kernel's settings that call this program at a crash.

use std::io::Write;
use std::path::Path;

use crate::command::say;
use crate::crash::pattern::{Current, wanted};
use crate::crash::sysctl_file::{self, FILE};
use crate::error::{Result, Tried};
use crate::host;

/// Prints the settings in the form of sysctl.d(5). Changes nothing.
///
/// # Errors
/// As [`Current::read`] and [`wanted`].
pub fn pattern(out: &mut impl Write) -> Result<()> {
    let program = std::env::current_exe().tried(|| "cannot find the path of this program")?;
    let lines = wanted(&program, &Current::read()?)?;
    say(out, format_args!("{}", lines.to_string().trim_end()))
}

/// Has the kernel call this program, now and after every boot, or with `undo` what it called before. Says each step;
/// running it twice changes nothing.
///
/// # Errors
/// As [`sysctl_file::enabled`], [`sysctl_file::undone`] and [`sysctl_file::set`].
pub fn enable(undo: bool, dry_run: bool, out: &mut impl Write) -> Result<()> {
    let program = std::env::current_exe().tried(|| "cannot find the path of this program")?;
    let (current, file) = (Current::read()?, sysctl_file::read()?);
    let plan = if undo {
        sysctl_file::undone(&current, file.as_deref())?
    } else {
        sysctl_file::enabled(&program, &current, file.as_deref())?
    };
    let would = if dry_run { "would " } else { "" };
    if undo && !current.is_ours() {
        say(
            out,
            format_args!("core: the kernel calls another program by now, which stays: {}", current.pattern),
        )?;
    }
    let changes_file = plan.file != file;
    // What the kernel was set to before is known from the file: it is there first, and goes last.
    if let Some(text) = plan.file.as_deref().filter(|_| changes_file) {
        say(out, format_args!("core: {would}write {FILE}"))?;
        if !dry_run {
            host::make_dir(Path::new(FILE).parent().unwrap_or(Path::new("/")), 0o755)?;
            host::write::write_atomically(Path::new(FILE), text.as_bytes(), 0o644)?;
        }
    }
    if let Some(wanted) = &plan.kernel {
        for line in wanted.to_string().lines() {
            say(out, format_args!("core: {would}set {line}"))?;
        }
        if !dry_run {
            sysctl_file::set(wanted)?;
        }
    }
    if plan.file.is_none() && changes_file {
        say(out, format_args!("core: {would}remove {FILE}"))?;
        if !dry_run {
            std::fs::remove_file(FILE).tried(|| format!("cannot remove {FILE}"))?;
            host::write::sync_parent(Path::new(FILE))?;
        }
    }
    if !changes_file && plan.kernel.is_none() {
        say(out, format_args!("core: nothing to change"))?;
    }
    if undo {
        return Ok(());
    }
    say(
        out,
        format_args!(
            "core: containers ask for it by the annotation org.rdk.minidump.core=true, or \"core\": true beside \"paths\""
        ),
    )
}
