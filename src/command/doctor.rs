//! `doctor`: one screen about the host, the engines, and whether dumps will arrive.

use std::io::Write;
use std::path::Path;

use crate::command::{say, say_json};
use crate::doctor::finding::Finding;
use crate::doctor::{engines, host, kernel, trial};
use crate::error::{ExitCode, Result};
use crate::log::escape;

/// Looks at everything; with `crash`, runs a container that crashes in each engine, too.
///
/// # Errors
/// Only when `out` cannot be written to. What is wrong leads to [`ExitCode::BadConfig`].
pub fn doctor(settings: &Path, crash: bool, json: bool, out: &mut impl Write) -> Result<ExitCode> {
    let mut findings = kernel::look();
    findings.extend(host::look(settings));
    findings.extend(engines::look(settings));
    if crash {
        findings.extend(trial::run(settings));
    }
    show(&findings, json, out)?;
    Ok(if findings.iter().all(|finding| finding.ok) { ExitCode::Ok } else { ExitCode::BadConfig })
}

/// Writes findings, for people or as JSON.
///
/// # Errors
/// When `out` cannot be written to.
pub(super) fn show(findings: &[Finding], json: bool, out: &mut impl Write) -> Result<()> {
    if json {
        return say_json(out, &findings);
    }
    for Finding { ok, subject, text } in findings {
        let (mark, subject, text) = (if *ok { "ok     " } else { "PROBLEM" }, escape(subject), escape(text));
        say(out, format_args!("{mark} {subject}: {text}"))?;
    }
    Ok(())
}
