//! The hook with settings of a test's own. A daemon sweeps with the hook that it has, and with the host's settings it would
//! harvest what other tests have only just prepared.

use std::fs::{self, Permissions};
use std::os::unix::fs::PermissionsExt;
use std::path::{Path, PathBuf};

use crate::support::host::hook_program;

/// Makes the program `oci-minidump-hook` in `dir`, a script that does `first` and then becomes the hook under test. What
/// the hook keeps lies in `dir/hook`.
pub(crate) fn make(dir: &Path, first: &str) -> PathBuf {
    let settings = dir.join("hook.toml");
    let text = ["state_dir", "known_dirs", "image_dir", "host_destination"]
        .map(|name| format!("{name} = {:?}\n", dir.join("hook").join(name)));
    fs::create_dir_all(dir.join("hook")).unwrap();
    fs::write(&settings, text.concat()).unwrap();
    let hook = hook_program();
    let path = dir.join("oci-minidump-hook");
    let script = format!(
        "#!/bin/busybox sh\n{first}\nexec '{}' --settings '{}' \"$@\"\n",
        hook.display(),
        settings.display()
    );
    fs::write(&path, script).unwrap();
    fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
    path
}

/// Gives a daemon its places in `dir`, and this hook.
pub(crate) fn live_in(command: &mut std::process::Command, dir: &Path) {
    for (flag, name) in [
        ("--socket", "socket"),
        ("--state-dir", "state"),
        ("--log-dir", "log"),
        ("--runtime-root", "runtime"),
        ("--hook", "oci-minidump-hook"),
    ] {
        command.arg(flag).arg(dir.join(name));
    }
    command.env_remove("NOTIFY_SOCKET").env_remove("LISTEN_FDS");
}
