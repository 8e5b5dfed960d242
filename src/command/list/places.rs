//! The directories in which dumps lie.

use std::path::PathBuf;

use crate::hook::record::Record;
use crate::image::known;
use crate::settings::admin::Admin;

/// Where Dobby's specifications have dumps go, by custom.
const DOBBYS: &str = "/opt/minidumps";

/// Every directory that may hold dumps of this host's containers, each once: to which dumps were brought, to which those of
/// running containers will be, and the one for containers that name none.
#[must_use]
pub fn known(admin: &Admin) -> Vec<PathBuf> {
    let mut dirs = vec![admin.host_destination.clone()];
    match known::read(&admin.known_destinations()) {
        Ok(known) => dirs.extend(known),
        Err(error) => log::warn!("{}", error.report()),
    }
    // Records are root's; others see what they may.
    for record in Record::all(&admin.state_dir).unwrap_or_default().into_iter().flatten() {
        dirs.extend(record.paths.into_iter().map(|prepared| prepared.plan.host_destination));
    }
    dirs.push(DOBBYS.into());
    let mut seen = Vec::new();
    dirs.into_iter()
        .filter(|dir| {
            let real = dir.canonicalize().unwrap_or_else(|_| dir.clone());
            let is_new = !seen.contains(&real);
            seen.push(real);
            is_new
        })
        .collect()
}
