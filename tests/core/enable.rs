//! `enable core` and its undoing. The kernel's settings are files of the test, mounted over the real ones where nothing else
//! sees them.

use std::fs;
use std::os::unix::fs::PermissionsExt;
use std::path::PathBuf;
use std::process::{Command, Output};

use crate::support::host::hook_program;
use crate::support::test_dir::test_dir;

const FILE: &str = "sysctl.d/60-oci-minidump.conf";

/// Settings of a kernel, and a hook that sees them.
struct Kernel {
    dir: tempfile::TempDir,
}

impl Kernel {
    fn new(pattern: &str, pipe_limit: u64) -> Self {
        let dir = tempfile::Builder::new().prefix("oci-minidump-kernel-").tempdir_in(test_dir()).unwrap();
        let kernel = Self { dir };
        kernel.set(pattern, pipe_limit);
        fs::write(kernel.path("limits"), "Max core file size        0                    unlimited\n")
            .unwrap();
        fs::create_dir(kernel.path("sysctl.d")).unwrap();
        // At a path that fits into the kernel's line, wherever the project lies.
        fs::copy(hook_program(), kernel.path("oci-minidump-hook")).unwrap();
        fs::set_permissions(kernel.path("oci-minidump-hook"), fs::Permissions::from_mode(0o755)).unwrap();
        kernel
    }

    fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    fn set(&self, pattern: &str, pipe_limit: u64) {
        fs::write(self.path("core_pattern"), format!("{pattern}\n")).unwrap();
        fs::write(self.path("core_pipe_limit"), format!("{pipe_limit}\n")).unwrap();
    }

    fn read(&self, name: &str) -> String {
        fs::read_to_string(self.path(name)).unwrap().trim_end().to_owned()
    }

    /// The kernel's pattern and limit.
    fn is(&self) -> (String, String) {
        (self.read("core_pattern"), self.read("core_pipe_limit"))
    }

    fn run(&self, words: &[&str]) -> Output {
        const MOUNT: &str = r#"cd "$1" && shift
            mount --bind core_pattern /proc/sys/kernel/core_pattern &&
            mount --bind core_pipe_limit /proc/sys/kernel/core_pipe_limit &&
            mount --bind limits /proc/1/limits && mkdir -p /etc/sysctl.d && mount --bind sysctl.d /etc/sysctl.d || exit 99
            exec "$@""#;
        let mut command = Command::new("unshare");
        command.args(["--mount", "--propagation", "private", "sh", "-c", MOUNT, "sh"]);
        command.arg(self.dir.path()).arg("./oci-minidump-hook").args(words).output().unwrap()
    }

    fn done(&self, words: &[&str]) -> String {
        let output = self.run(words);
        assert!(output.status.success(), "{words:?}: {output:?}");
        String::from_utf8(output.stdout).unwrap()
    }

    fn pattern_of(&self, previous: &str) -> String {
        format!("|{} core %P %I %s %F{previous}", self.path("oci-minidump-hook").display())
    }
}

#[test]
fn the_kernel_is_set_and_gets_back_what_it_had() {
    let kernel = Kernel::new("|/usr/bin/previous %P %s", 0);
    let said = kernel.done(&["enable", "core"]);
    let ours = kernel.pattern_of(" -- /usr/bin/previous %P %s");
    assert_eq!(kernel.is(), (ours.clone(), "16".to_owned()), "{said}");
    let file = kernel.read(FILE);
    assert!(
        file.ends_with(&format!("\nkernel.core_pipe_limit = 16\nkernel.core_pattern = {ours}")),
        "{file}"
    );
    assert!(said.contains("write /etc/sysctl.d/60-oci-minidump.conf\n"), "{said}");
    assert!(kernel.done(&["enable", "core"]).starts_with("core: nothing to change\n"));
    assert_eq!((kernel.read(FILE), kernel.is().0), (file, ours));
    let said = kernel.done(&["enable", "core", "--undo"]);
    assert!(said.ends_with("core: remove /etc/sysctl.d/60-oci-minidump.conf\n"), "{said}");
    assert_eq!(kernel.is(), ("|/usr/bin/previous %P %s".to_owned(), "0".to_owned()));
    assert!(!kernel.path(FILE).exists());
    assert_eq!(
        kernel.done(&["enable", "core", "--undo"]),
        "core: the kernel calls another program by now, which stays: |/usr/bin/previous %P %s\ncore: nothing to change\n"
    );
}

#[test]
fn a_dry_run_changes_nothing() {
    let kernel = Kernel::new("core", 4);
    let said = kernel.done(&["enable", "core", "--dry-run"]);
    assert!(
        said.contains("core: would set kernel.core_pattern = |") && said.contains("would write"),
        "{said}"
    );
    assert_eq!(kernel.is(), ("core".to_owned(), "4".to_owned()));
    assert!(!kernel.path(FILE).exists());
}

#[test]
fn another_program_that_was_set_since_stays() {
    let kernel = Kernel::new("core", 4);
    kernel.done(&["enable", "core"]);
    kernel.set("|/usr/bin/newer %P", 3);
    let said = kernel.done(&["enable", "core", "--undo"]);
    assert!(said.contains("another program by now, which stays: |/usr/bin/newer %P"), "{said}");
    assert_eq!(kernel.is(), ("|/usr/bin/newer %P".to_owned(), "3".to_owned()));
    assert!(!kernel.path(FILE).exists());
}

/// A restart between the two steps, or a file that somebody removed.
#[test]
fn what_is_half_done_is_finished_or_refused() {
    let kernel = Kernel::new("core", 4);
    kernel.done(&["enable", "core"]);
    // The file is there, and the kernel was not set.
    kernel.set("core", 4);
    kernel.done(&["enable", "core"]);
    assert_eq!(kernel.is(), (kernel.pattern_of(""), "4".to_owned()));
    fs::remove_file(kernel.path(FILE)).unwrap();
    let output = kernel.run(&["enable", "core", "--undo"]);
    let message = String::from_utf8(output.stderr).unwrap();
    assert_eq!(output.status.code(), Some(4), "{message}");
    assert!(message.contains("does not say what kernel.core_pattern was before"), "{message}");
    assert_eq!(kernel.is().0, kernel.pattern_of(""));
}

#[test]
fn core_files_in_use_and_another_root_are_refused() {
    let kernel = Kernel::new("/var/cores/%e", 4);
    for (words, code, expected) in [
        (&["enable", "core"][..], 4, "which only the kernel can write to"),
        (&["enable", "core", "--root", "/"], 2, "--root cannot be given"),
        (&["enable", "core", "more"], 2, "more"),
    ] {
        let output = kernel.run(words);
        let message = String::from_utf8(output.stderr).unwrap();
        assert_eq!(output.status.code(), Some(code), "{words:?}: {message}");
        assert!(message.contains(expected), "{message}");
    }
    assert_eq!(kernel.is().0, "/var/cores/%e");
    assert!(fs::read_dir(kernel.path("sysctl.d")).unwrap().next().is_none());
}
