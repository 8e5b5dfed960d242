//! The counts as Prometheus reads them: its text-based exposition format, version 0.0.4.

use crate::host;
use crate::log::escape;
use crate::notify::counts::Counts;
use crate::settings::admin::Admin;

/// Shows the counts in the administrator's file, for every user to read. What cannot be shown is shown with the next ones.
pub(super) fn show(admin: &Admin, counts: &Counts) {
    let Some(path) = &admin.notify.metrics else { return };
    if let Err(error) = host::write::write_atomically(path, text(counts).as_bytes(), 0o644) {
        log::warn!("crashes are counted and not shown: {}", error.report());
    }
}

/// Shows the counts again, if their file has gone: what is in memory goes with a reboot.
pub(super) fn show_again(admin: &Admin) {
    if admin.notify.metrics.as_ref().is_some_and(|path| !path.exists()) {
        show(admin, &Counts::load(admin));
    }
}

fn text(counts: &Counts) -> String {
    let mut text = String::from(
        "# HELP oci_minidump_crashes_total Minidumps that were brought to the host.\n\
         # TYPE oci_minidump_crashes_total counter\n",
    );
    for ((container, program), count) in &counts.crashes {
        let labels = format!("container=\"{}\",program=\"{}\"", label(container), label(program));
        text.push_str(&format!("oci_minidump_crashes_total{{{labels}}} {count}\n"));
    }
    text.push_str(
        "# HELP oci_minidump_dumps_not_kept_total Minidumps of crash loops that were not kept.\n\
         # TYPE oci_minidump_dumps_not_kept_total counter\n",
    );
    for (container, count) in &counts.not_kept {
        let labels = format!("container=\"{}\"", label(container));
        text.push_str(&format!("oci_minidump_dumps_not_kept_total{{{labels}}} {count}\n"));
    }
    text
}

/// A text of a container as the value of a label: on one line, harmless on a terminal, and with what ends it escaped. Two
/// texts never become the same.
fn label(text: &str) -> String {
    escape(&text.replace('\\', "\\\\")).replace('\\', "\\\\").replace('"', "\\\"")
}
