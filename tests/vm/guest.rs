//! A guest: booted, listened to, and switched off as a power cut does it.

use std::fs::File;
use std::io::{BufRead, BufReader};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::mpsc::{Receiver, RecvTimeoutError, channel};
use std::time::{Duration, Instant};

use nix::unistd::Pid;

use crate::interrupt::{end, places, started};
use crate::options::{Engine, Options};

/// How long a job may take, booting included.
const PATIENCE: Duration = Duration::from_secs(180);

/// A running guest.
#[derive(Debug)]
pub(crate) struct Guest {
    child: Child,
    group: Pid,
    lines: Receiver<String>,
    deadline: Instant,
    /// Everything it said.
    pub(crate) said: Vec<String>,
    console: PathBuf,
}

/// A directory for a guest's disks, gone with its value.
#[derive(Debug)]
pub(crate) struct Place(pub(crate) PathBuf);

impl Place {
    /// In the directory for temporary files.
    pub(crate) fn new(name: &str) -> Self {
        let ([_, disk], prefix) = places();
        Self::make(disk.join(prefix + name))
    }

    /// In memory, where the host has that: for what is synced often.
    pub(crate) fn in_memory(name: &str) -> Self {
        let ([memory, disk], prefix) = places();
        Self::make(if memory.is_dir() { memory } else { disk }.join(prefix + name))
    }

    fn make(path: PathBuf) -> Self {
        std::fs::create_dir_all(&path).unwrap();
        Self(path)
    }

    /// A new disk with an ext4 file system as Debian makes it.
    pub(crate) fn disk(&self, name: &str, size: &str) -> PathBuf {
        let path = self.0.join(name);
        let output = Command::new("mke2fs").args(["-q", "-t", "ext4"]).arg(&path).arg(size).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
        path
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        std::fs::remove_dir_all(&self.0).unwrap();
    }
}

impl Guest {
    /// Boots a guest that runs `job`: a script of tests/vm/guest and its arguments.
    pub(crate) fn boot(options: &Options, place: &Place, disks: &[&Path], job: &[String]) -> Self {
        let console = place.0.join("console");
        let job = format!("job={}", job.join(":"));
        let mut command = match options.engine {
            Engine::Uml => uml(&options.guest, disks, &job),
            Engine::Tcg => tcg(&options.guest, disks, &job, &console),
        };
        if options.engine == Engine::Uml {
            command.stderr(File::create(&console).unwrap());
        }
        let mut child = command.process_group(0).stdin(Stdio::null()).stdout(Stdio::piped()).spawn().unwrap();
        let group = Pid::from_raw(i32::try_from(child.id()).unwrap());
        started(group);
        let output = BufReader::new(child.stdout.take().unwrap());
        let (sender, lines) = channel();
        std::thread::spawn(move || {
            for line in output.split(b'\n').map_while(Result::ok) {
                let line = String::from_utf8_lossy(&line).trim_end_matches('\r').to_owned();
                if sender.send(line).is_err() {
                    break;
                }
            }
        });
        Self { child, group, lines, deadline: Instant::now() + PATIENCE, said: Vec::new(), console }
    }

    /// The next line, or why there is none.
    fn line(&mut self, deadline: Instant) -> Result<String, RecvTimeoutError> {
        let line = self.lines.recv_timeout(deadline.saturating_duration_since(Instant::now()))?;
        self.said.push(line.clone());
        Ok(line)
    }

    /// Listens until a line begins with `mark`; without one, the guest's words are the error.
    pub(crate) fn wait_for(&mut self, mark: &str) -> Result<(), String> {
        loop {
            match self.line(self.deadline) {
                Ok(line) if line.starts_with(mark) => return Ok(()),
                Ok(_) => {}
                Err(why) => return Err(format!("no {mark} from the guest ({why}):\n{}", self.story())),
            }
        }
    }

    /// Listens for `time`, then cuts the power. Gives everything the guest said.
    pub(crate) fn cut_after(mut self, time: Duration) -> Vec<String> {
        let moment = Instant::now() + time;
        while self.line(moment).is_ok() {}
        self.off();
        // What was under way when the power went.
        while let Ok(line) = self.lines.recv() {
            self.said.push(line);
        }
        std::mem::take(&mut self.said)
    }

    /// Listens until the job has ended with code 0 and the machine is off.
    pub(crate) fn finish(mut self) -> Result<Vec<String>, String> {
        self.wait_for("@exit ")?;
        if self.said.last().map(String::as_str) != Some("@exit 0") {
            return Err(format!("the job failed:\n{}", self.story()));
        }
        // Its disks are written by then.
        while self.line(self.deadline).is_ok() {}
        self.off();
        Ok(std::mem::take(&mut self.said))
    }

    /// The power switch: all of the machine's processes at once, with nothing flushed.
    fn off(&mut self) {
        end(self.group);
        let _status = self.child.wait();
    }

    fn story(&self) -> String {
        let console = std::fs::read(&self.console).unwrap_or_default();
        let console = String::from_utf8_lossy(&console[console.len().saturating_sub(3000)..]).into_owned();
        let said: Vec<&str> =
            self.said.iter().map(String::as_str).filter(|line| !line.starts_with("@beat")).collect();
        format!("{}\nconsole:\n{console}", said.join("\n"))
    }
}

impl Drop for Guest {
    fn drop(&mut self) {
        self.off();
    }
}

fn uml(guest: &Path, disks: &[&Path], job: &str) -> Command {
    let mut command = Command::new(guest.join("uml/kernel"));
    command.env("LD_PRELOAD", guest.join("xstate.so"));
    command.args(["mem=384M", "loglevel=5", "panic=-1", "con=null", "con0=null,fd:2", "con1=null,fd:1", job]);
    command.arg(format!("initrd={}", guest.join("uml/initrd.cpio").display()));
    command.arg(format!("ubd0r={}", guest.join("root.ext4").display()));
    for (n, disk) in disks.iter().enumerate() {
        command.arg(format!("ubd{}={}", n + 1, disk.display()));
    }
    command
}

fn tcg(guest: &Path, disks: &[&Path], job: &str, console: &Path) -> Command {
    let mut command = Command::new("qemu-system-x86_64");
    command.args(["-machine", "q35", "-accel", "tcg,thread=multi", "-cpu", "max", "-smp", "2", "-m", "512"]);
    command.args(["-nodefaults", "-no-user-config", "-display", "none", "-no-reboot"]);
    command.arg("-kernel").arg(guest.join("tcg/kernel")).arg("-initrd").arg(guest.join("tcg/initrd.cpio"));
    command.arg("-append").arg(format!("console=ttyS0 loglevel=5 panic=-1 mitigations=off {job}"));
    command.arg("-serial").arg(format!("file:{}", console.display()));
    command.args(["-device", "virtio-serial-pci", "-chardev", "file,id=out,path=/dev/stdout"]);
    command.args(["-device", "virtserialport,chardev=out,name=out"]);
    let root = guest.join("root.ext4");
    for (n, disk) in std::iter::once(root.as_path()).chain(disks.iter().copied()).enumerate() {
        let only = if n == 0 { "on" } else { "off" };
        command.arg("-drive").arg(format!(
            "file={},format=raw,if=none,id=disk{n},readonly={only},file.locking=off",
            disk.display()
        ));
        command.arg("-device").arg(format!("virtio-blk-pci,drive=disk{n}"));
    }
    command.stderr(Stdio::null());
    command
}
