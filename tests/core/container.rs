//! A container that is only its mount namespace and its record, with a live process that stands for one that crashed: the
//! kernel holds that just as still.

use std::fs::{self, File};
use std::io::Write;
use std::os::fd::{AsRawFd, OwnedFd};
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Output, Stdio};

use oci_minidump::hook::record::{Prepared, Record};
use oci_minidump::proc::stat::stat;
use oci_minidump::settings::Plan;
use rustix::process::{Pid, PidfdFlags, pidfd_open};

use crate::head_builder::{HeadBuilder, X86_64};
use crate::support::host::{files_in, hook_program, wait_until};

/// `rsp` and `rip` among the general registers.
const POINTERS: [usize; 2] = [152, 128];

/// What the environment of the process holds.
pub(crate) const SECRET: &str = "of the environment";

/// A directory of its own, and a process in a mount namespace of its own.
#[derive(Debug)]
pub(crate) struct Container {
    pub(crate) dir: tempfile::TempDir,
    pub(crate) process: Child,
    pub(crate) record: Record,
}

impl Container {
    /// One that has asked for minidumps of its crashes.
    pub(crate) fn new() -> Self {
        Self::with(&["--mount"], |_| {})
    }

    /// One whose process was started by unshare(1) with `options`, and whose record is changed before it is written.
    pub(crate) fn with(options: &[&str], change: impl FnOnce(&mut Record)) -> Self {
        let dir = tempfile::tempdir().unwrap();
        let mut command = Command::new("unshare");
        let process = command
            .args(options)
            .args(["sleep", "1000"])
            .env("OCI_MINIDUMP_TEST", SECRET)
            .stdin(Stdio::null())
            .stdout(Stdio::null())
            .stderr(Stdio::null())
            .spawn()
            .unwrap();
        let pid = process.id();
        let is_asleep = || fs::read(format!("/proc/{pid}/comm")).is_ok_and(|name| name == b"sleep\n");
        if options.contains(&"--fork") {
            // It forks once it is in its namespaces, which the record names.
            let children = format!("/proc/{pid}/task/{pid}/children");
            wait_until(|| fs::read_to_string(&children).is_ok_and(|children| !children.is_empty()));
        } else {
            let is_held =
                || fs::read_to_string(format!("/proc/{pid}/syscall")).is_ok_and(|call| call.len() > 20);
            wait_until(|| is_asleep() && is_held());
        }
        let pid = pid.cast_signed();
        let started = stat(pid).unwrap().unwrap().start_time;
        let mut container =
            Self { record: Record::new("app", Path::new("/b"), None, (pid, started)), dir, process };
        container.record.core = true;
        container.record.paths =
            vec![Prepared { plan: container.plan(), identity: None, memory: None, mount: None }];
        change(&mut container.record);
        container.record.write(&container.dir.path().join("records")).unwrap();
        container.settings("");
        container
    }

    fn plan(&self) -> Plan {
        Plan {
            image: self.path("app.img"),
            container_source: "/opt/minidumps".into(),
            host_destination: self.path("dumps"),
            imgsize: 8 << 20,
            backing: None,
            origin: "a test".to_owned(),
        }
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.dir.path().join(name)
    }

    pub(crate) fn settings(&self, more: &str) {
        let (state_dir, known_dirs) = (self.path("records"), self.path("image-dirs"));
        let text = format!("state_dir = {state_dir:?}\nknown_dirs = {known_dirs:?}\n{more}");
        fs::write(self.path("settings.toml"), text).unwrap();
    }

    pub(crate) fn pid(&self) -> u32 {
        self.process.id()
    }

    pub(crate) fn dumps(&self) -> Vec<PathBuf> {
        files_in(&self.path("dumps"))
    }

    /// What the kernel would write of the process: its one thread, its mappings, its files.
    pub(crate) fn head(&self) -> HeadBuilder {
        head_of(self.pid(), self.pid())
    }

    /// The same at another address: no two crashes are alike.
    pub(crate) fn head_at(&self, address: u64) -> Vec<u8> {
        let mut head = self.head();
        head.notes.retain(|(_, kind, _)| *kind != 0x5349_4749);
        head.signal(11, 1, address).bytes()
    }

    /// Calls the handler as the kernel does, with `stdin` and the previous handler `previous`.
    pub(crate) fn crash(&self, stdin: &[u8], previous: &[&str]) -> Output {
        self.crash_held(&[self.pid(), self.pid()], Some(self.hold()), stdin, previous)
    }

    /// What holds the process, as the kernel gives it.
    pub(crate) fn hold(&self) -> OwnedFd {
        pidfd_open(Pid::from_raw(self.pid().cast_signed()).unwrap(), PidfdFlags::empty()).unwrap()
    }

    /// The same with other numbers, and with a pidfd or without.
    pub(crate) fn crash_held(
        &self,
        ids: &[u32; 2],
        held: Option<OwnedFd>,
        stdin: &[u8],
        previous: &[&str],
    ) -> Output {
        call(&self.path("settings.toml"), ids, held, (stdin, previous))
    }
}

impl Drop for Container {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// What the kernel would write of the process `pid`, whose number inside is `inner`.
pub(crate) fn head_of(pid: u32, inner: u32) -> HeadBuilder {
    let text = |name: &str| fs::read_to_string(format!("/proc/{pid}/{name}")).unwrap();
    let mut builder = HeadBuilder::new(X86_64);
    let mut files = Vec::new();
    let maps = text("maps");
    for line in maps.lines() {
        let fields: Vec<&str> = line.split_ascii_whitespace().collect();
        let (start, end) = fields[0].split_once('-').unwrap();
        let hex = |text: &str| u64::from_str_radix(text, 16).unwrap();
        let (start, end) = (hex(start), hex(end));
        if fields.get(5) == Some(&"[vsyscall]") {
            continue;
        }
        builder.mappings.push((start, end));
        if let Some(name) = fields.get(5).filter(|name| name.starts_with('/')) {
            files.push((start, end, hex(fields[2]) / 4096, name.as_bytes()));
        }
    }
    let mut general = [0; 216];
    // A process that has just been looked at may run for a moment.
    let is_still = || text("syscall").split_ascii_whitespace().count() > 1;
    wait_until(is_still);
    let call = text("syscall");
    let pointers: Vec<&str> = call.split_ascii_whitespace().rev().take(2).collect();
    for (at, pointer) in POINTERS.iter().zip([pointers[1], pointers[0]]) {
        let number = u64::from_str_radix(pointer.trim_start_matches("0x"), 16).unwrap();
        general[*at..*at + 8].copy_from_slice(&number.to_le_bytes());
    }
    builder.thread(inner, &general).process(inner, b"sleep").signal(11, 1, 0x1234);
    let mut auxv = Vec::new();
    std::io::Read::read_to_end(&mut File::open(format!("/proc/{pid}/auxv")).unwrap(), &mut auxv).unwrap();
    builder.note("CORE", 6, auxv).files(&files);
    builder
}

/// Calls the handler as the kernel does: with the ids of process and thread, what holds the process, the core file and the
/// previous handler.
pub(crate) fn call(
    settings: &Path,
    ids: &[u32; 2],
    held: Option<OwnedFd>,
    (stdin, previous): (&[u8], &[&str]),
) -> Output {
    let mut command = handler(settings, ids, held.as_ref(), previous);
    let mut child = command.stdin(Stdio::piped()).spawn().unwrap();
    // It may have read enough.
    let _closed = child.stdin.take().unwrap().write_all(stdin);
    child.wait_with_output().unwrap()
}

/// The command of such a call, without a core file.
pub(crate) fn handler(settings: &Path, ids: &[u32; 2], held: Option<&OwnedFd>, previous: &[&str]) -> Command {
    let number = held.map_or_else(String::new, |held| {
        rustix::io::fcntl_setfd(held, rustix::io::FdFlags::empty()).unwrap();
        held.as_raw_fd().to_string()
    });
    let mut command = Command::new(hook_program());
    command.arg("--settings").arg(settings).arg("core");
    command.args(ids.map(|id| id.to_string())).args(["11", &number]);
    if !previous.is_empty() {
        command.arg("--").args(previous);
    }
    command.env_clear().stdout(Stdio::piped()).stderr(Stdio::piped());
    command
}
