//! Whether published dumps can be handed over, where that is configured.

use std::os::unix::fs::PermissionsExt;

use crate::doctor::finding::Finding;
use crate::error::{Error, ErrorKind, Result};
use crate::notify::spool::Spool;
use crate::settings::admin::Admin;

/// What is found; nothing where nothing is configured.
pub(super) fn look(admin: &Admin) -> Option<Finding> {
    admin.notify.is_on().then(|| Finding::of("hand-over", state(admin)))
}

fn state(admin: &Admin) -> Result<String> {
    let wrong = |what: String| Error::new(ErrorKind::Config, what);
    let notify = &admin.notify;
    if let Some(exec) = &notify.exec {
        let program = exec.program();
        let found = std::fs::metadata(program);
        if !found.is_ok_and(|found| found.is_file() && found.permissions().mode() & 0o111 != 0) {
            let what = format!("{} is not a program", program.display());
            return Err(wrong(what).advise("correct exec in [notify], or install it"));
        }
    }
    if let Some(dir) = notify.metrics.as_deref().and_then(|file| file.parent()).filter(|dir| !dir.is_dir()) {
        let what = format!("{} is not a directory", dir.display());
        return Err(wrong(what).advise("make it, or correct metrics in [notify]"));
    }
    Ok(format!("{} dumps wait", Spool::of(admin).names()?.len()))
}
