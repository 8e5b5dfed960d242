//! What writes dumps beside the containers themselves, and keeps an image mounted by that: dumps that are not finished, and
//! processes in a container's mount namespace.

use std::fs::{self, File};
use std::os::unix::fs::FileExt;
use std::path::PathBuf;
use std::process::{Child, Command, Stdio};

use crate::dumps::{self, HEADER};
use crate::model::{Dump, ImageId};
use crate::sight;
use crate::support::host::wait_until;

/// How many mounts are pinned at once: the hook waits a while for each of them.
const MAX_PINS: usize = 2;
/// How many dumps are unfinished at once.
const MAX_DRAFTS: usize = 2;

/// A dump of which everything is written but its header. The open file keeps the image mounted, as the process of a crash
/// handler does that outlives its container.
#[derive(Debug)]
pub(crate) struct Draft {
    file: File,
    path: PathBuf,
    number: u64,
    dump: Dump,
}

impl Draft {
    /// Writes the dump `number` as the `nth` one in an image, in the minidump directory of process `pid`. `None` when there
    /// is no room for it.
    ///
    /// # Errors
    /// When the directory cannot be written to.
    pub(crate) fn begin(
        pid: i32,
        image: ImageId,
        nth: usize,
        number: u64,
        size: usize,
    ) -> Result<Option<Self>, String> {
        // Names are the same in every image. Some dumps lie where Crashpad puts them.
        let dir = sight::directory(pid).join(if nth.is_multiple_of(4) { "pending" } else { "" });
        let path = dir.join(format!("dump-{nth}.dmp"));
        let write = || {
            fs::create_dir_all(&dir)?;
            let file = File::create_new(&path)?;
            file.write_all_at(&dumps::bytes(number, size)[HEADER..], HEADER as u64)?;
            Ok(file)
        };
        match write() {
            Ok(file) => Ok(Some(Self { file, path, number, dump: Dump { size, image } })),
            Err(error) if rustix::io::Errno::from_io_error(&error) == Some(rustix::io::Errno::NOSPC) => {
                let _not_even_made = fs::remove_file(&path);
                Ok(None)
            }
            Err(error) => {
                Err(format!("process {pid} cannot write a dump any more: {}: {error}", path.display()))
            }
        }
    }

    /// Writes the header and closes the file: from now on the dump must not be lost.
    ///
    /// # Errors
    /// When the file cannot be written to any more.
    pub(crate) fn complete(self) -> Result<(u64, Dump), String> {
        let header = &dumps::bytes(self.number, self.dump.size)[..HEADER];
        let written = self.file.write_all_at(header, 0);
        written.map_err(|error| format!("{} cannot be finished: {error}", self.path.display()))?;
        Ok((self.number, self.dump))
    }
}

/// A process in the mount namespace of a container.
#[derive(Debug)]
pub(crate) struct Pin {
    process: Child,
    image: ImageId,
}

impl Pin {
    /// The process, and the image into which it writes.
    pub(crate) fn writer(&self) -> (i32, ImageId) {
        (self.process.id().cast_signed(), self.image)
    }
}

impl Drop for Pin {
    fn drop(&mut self) {
        self.process.kill().unwrap();
        self.process.wait().unwrap();
    }
}

/// All of them.
#[derive(Debug, Default)]
pub(crate) struct Writers {
    pub(crate) pins: Vec<Pin>,
    pub(crate) drafts: Vec<Draft>,
    /// How many dumps were begun.
    count: u64,
}

impl Writers {
    /// A number that no other dump has.
    pub(crate) fn number(&mut self) -> u64 {
        self.count += 1;
        self.count
    }

    /// Enters the mount namespace of a container's process, unless too many are pinned.
    pub(crate) fn pin(&mut self, pid: i32, image: ImageId) -> bool {
        if self.pins.len() == MAX_PINS {
            return false;
        }
        let mut command = Command::new("nsenter");
        command.args(["--mount", "--target", &pid.to_string(), "/crasher", "/tmp", "sleep", "1000000"]);
        let process = command.stdin(Stdio::null()).stdout(Stdio::null()).spawn().unwrap();
        let pin = Pin { process, image };
        let device = sight::device_of(pid);
        wait_until(|| device.is_some() && sight::device_of(pin.writer().0) == device);
        self.pins.push(pin);
        true
    }

    /// Ends one of these processes.
    pub(crate) fn unpin(&mut self, which: usize) -> bool {
        let some = !self.pins.is_empty();
        if some {
            drop(self.pins.remove(which % self.pins.len()));
        }
        some
    }

    /// Whether another dump may be begun and left unfinished.
    pub(crate) fn may_begin(&self) -> bool {
        self.drafts.len() < MAX_DRAFTS
    }

    /// Takes an unfinished dump out.
    pub(crate) fn take_draft(&mut self, which: usize) -> Option<Draft> {
        (!self.drafts.is_empty()).then(|| self.drafts.remove(which % self.drafts.len()))
    }

    /// The images that are kept mounted.
    pub(crate) fn pinned(&self) -> impl Iterator<Item = ImageId> {
        self.pins.iter().map(|pin| pin.image).chain(self.drafts.iter().map(|draft| draft.dump.image))
    }

    /// Gives everything up.
    pub(crate) fn clear(&mut self) {
        self.pins.clear();
        self.drafts.clear();
    }
}
