//! What the host has beside the kernel: space, settings, a log, what earlier containers left, and who else has a say.

use std::os::unix::fs::FileTypeExt;
use std::path::Path;

use crate::doctor::finding::Finding;
use crate::doctor::hand_over;
use crate::error::{Error, ErrorKind, Result};
use crate::hook::record::{Liveness, Record};
use crate::host;
use crate::image::memory::tmpfs;
use crate::proc::selinux;
use crate::settings::DEFAULT_IMGSIZE;
use crate::settings::admin::Admin;

/// Where systemd's units may lie.
const UNIT_DIRS: [&str; 4] = [
    "/etc/systemd/system",
    "/usr/lib/systemd/system",
    "/usr/local/lib/systemd/system",
    "/lib/systemd/system",
];

/// Everything about the host, with the settings from the file `settings`.
#[must_use]
pub fn look(settings: &Path) -> Vec<Finding> {
    let (admin, found) = match Admin::load(settings) {
        Ok(admin) => (admin, Ok(said_of(settings))),
        Err(error) => (Admin::cautious(), Err(error)),
    };
    let mut findings = vec![Finding::of("settings", found)];
    for (name, dir) in
        [("images", &admin.image_dir), ("dumps", &admin.host_destination), ("records", &admin.state_dir)]
    {
        findings.push(Finding::of(format!("space for {name}"), space(dir)));
    }
    if admin.may_be_in_memory() {
        findings.push(Finding::of("space for images in memory", memory(&admin)));
    }
    findings.push(log());
    findings.extend(hand_over::look(&admin));
    findings.push(Finding::of("leftovers", leftovers(&admin)));
    findings.push(security());
    findings.push(units());
    findings
}

fn said_of(settings: &Path) -> String {
    let exists = if settings.exists() { "" } else { " (not there: the defaults)" };
    format!("{}{exists}", settings.display())
}

fn space(dir: &Path) -> Result<String> {
    let nearest = host::nearest(dir);
    host::check_trusted(nearest)?;
    match host::free_bytes(nearest)? {
        Some(free) if free < DEFAULT_IMGSIZE => {
            let what = format!("{}: {free} bytes free, an image has {DEFAULT_IMGSIZE}", dir.display());
            Err(Error::new(ErrorKind::NoSpace, what).advise("make room"))
        }
        Some(free) => Ok(format!("{}: {} MiB free", dir.display(), free >> 20)),
        None => Ok(dir.display().to_string()),
    }
}

/// Whether images can lie in memory, and how many more do.
fn memory(admin: &Admin) -> Result<String> {
    let dir = admin.memory_dir();
    if tmpfs::is_ready(&dir)? {
        let free = host::free_bytes(&dir)?.unwrap_or_default();
        return Ok(format!("{}: {} MiB free", dir.display(), free >> 20));
    }
    Ok(format!("{}: will be mounted ({} MiB)", dir.display(), admin.memory_size >> 20))
}

fn log() -> Finding {
    let is_socket =
        |path: &str| std::fs::metadata(path).is_ok_and(|metadata| metadata.file_type().is_socket());
    if is_socket("/dev/log") {
        return Finding::fine("log", "/dev/log");
    }
    Finding::wrong(
        "log",
        "/dev/log is not there: what the hook says is lost with crun; start syslog or systemd-journald",
    )
}

/// Runs that have ended without a harvest.
fn leftovers(admin: &Admin) -> Result<String> {
    let (mut running, mut ended) = (0_usize, 0_usize);
    for record in Record::all(&admin.state_dir)? {
        let count = if record?.liveness() == Liveness::Ended { &mut ended } else { &mut running };
        *count = count.saturating_add(1);
    }
    if ended > 0 {
        let what = format!("{ended} containers have ended and were not harvested");
        return Err(
            Error::new(ErrorKind::Config, what).advise("run 'oci-minidump-hook sweep', and at every boot")
        );
    }
    Ok(format!("none ({running} containers run with minidumps)"))
}

fn security() -> Finding {
    let selinux = selinux::is_enabled().unwrap_or(false);
    let apparmor =
        std::fs::read("/sys/module/apparmor/parameters/enabled").is_ok_and(|text| text.starts_with(b"Y"));
    let text = match (selinux, apparmor) {
        (false, false) => "neither SELinux nor AppArmor",
        (true, _) => "SELinux: mounts get the container's label",
        (false, true) => "AppArmor: a profile of the container must let the app write to its directory",
    };
    Finding::fine("security modules", text)
}

fn units() -> Finding {
    let is_there = |name: &str| UNIT_DIRS.iter().any(|dir| Path::new(dir).join(name).exists());
    let there: Vec<_> = ["oci-minidump-sweep.service", "oci-minidump-watch.service", "ocicontainer.service"]
        .into_iter()
        .filter(|name| is_there(name))
        .collect();
    let text = match &there[..] {
        [] => "none: nothing sweeps at boot, unless you do ('oci-minidump-hook sweep')".to_owned(),
        there => there.join(", "),
    };
    Finding::fine("units", text)
}
