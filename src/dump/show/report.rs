//! What a person wants to know of a crash, from its minidump alone.
//!
//! A minidump also holds the program's environment, its arguments and parts of its memory. None of that gets into a
//! report.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

use std::fmt;

use serde::{Serialize, Serializer};
use time::OffsetDateTime;
use time::format_description::well_known::Rfc3339;

use crate::dump::fields::Order;
use crate::dump::minidump::Minidump;
use crate::dump::records::{self, Cpu, Exception, SystemInfo};
use crate::dump::source::Source;
use crate::dump::streams::List;
use crate::dump::{completeness, signal};
use crate::error::Result;

/// Bytes of /proc/PID/status that are read; all that is wanted stands at its beginning.
const STATUS: usize = 2048;

/// What a minidump says of a crash. Whatever it does not say is `None`.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
#[non_exhaustive]
pub struct Report {
    /// What is missing of the dump, if it is not whole.
    pub truncated: Option<String>,
    /// Whether a big-endian CPU wrote it.
    pub big_endian: bool,
    /// When the dump was written: UTC, RFC 3339.
    pub time: Option<String>,
    /// Why the program crashed.
    pub crash: Option<Crash>,
    /// The thread that crashed.
    pub thread: Option<Thread>,
    /// The instruction at which it crashed.
    pub place: Option<Place>,
    /// The program.
    pub program: Option<Module>,
    /// The process.
    pub process: Option<Process>,
    /// The machine.
    pub system: Option<System>,
    /// How many threads there were.
    pub threads: Option<u32>,
    /// How many modules (the program, libraries) were loaded.
    pub modules: Option<u32>,
}

/// An address or an offset. Text in JSON (`"0x1234"`), whose numbers have no room for all of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Hex(pub u64);

impl fmt::Display for Hex {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{:#x}", self.0)
    }
}

impl Serialize for Hex {
    fn serialize<S: Serializer>(&self, serializer: S) -> std::result::Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

/// Why a program crashed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Crash {
    /// The signal (`SIGSEGV`), or its number.
    pub signal: String,
    /// The signal's code (`SEGV_MAPERR`), or its number.
    pub code: Option<String>,
    /// The address of the fault, for signals that come with one.
    pub address: Option<Hex>,
}

/// A thread.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Thread {
    /// Its id, as the container sees it.
    pub id: u32,
    /// Its name; at most 15 bytes on Linux.
    pub name: Option<String>,
}

/// A place in the code.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Place {
    /// The address.
    pub address: Hex,
    /// The module it lies in, if any.
    pub module: Option<Module>,
    /// How far into that module.
    pub offset: Option<Hex>,
}

/// A program or a library.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Module {
    /// Its file name.
    pub name: String,
    /// Its path inside the container.
    pub path: String,
    /// Where it was loaded.
    pub base: Hex,
    /// How many bytes of address space it takes.
    pub size: u64,
    /// Its GNU build id, in hex.
    pub build_id: Option<String>,
    /// Its Breakpad debug id, as in symbol stores.
    pub debug_id: Option<String>,
}

/// A process. The container may have pid and user namespaces: these are its own numbers.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Default)]
pub struct Process {
    /// The name of its first thread, or else of its program.
    pub name: Option<String>,
    /// Its pid.
    pub pid: Option<u32>,
    /// Its real user id.
    pub uid: Option<u32>,
}

/// A machine.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct System {
    /// The operating system: `Linux`.
    pub os: String,
    /// Its version, in its own words.
    pub version: Option<String>,
    /// The kind of CPU: `x86_64`.
    pub cpu: String,
}

impl Report {
    /// Reads the minidump in `source`. One that is cut or damaged gives what can be had of it.
    ///
    /// # Errors
    /// `Input` if it is no minidump; the operating system's error if it cannot be read.
    pub fn read<S: Source + ?Sized>(source: &S) -> Result<Self> {
        let dump = Minidump::open(source)?;
        Reading { dump: &dump, system: dump.system()?, exception: dump.exception()? }.report()
    }
}

/// A dump that is being reported on.
struct Reading<'d, 's, S: ?Sized> {
    dump: &'d Minidump<'s, S>,
    system: Option<SystemInfo>,
    exception: Option<Exception>,
}

impl<S: Source + ?Sized> Reading<'_, '_, S> {
    fn report(&self) -> Result<Report> {
        let status = self.status()?;
        let thread = self.exception.map(|exception| exception.thread);
        let [thread_name, main_name] = self.names([thread, status.tgid])?;
        let (program, place, modules) = self.modules()?;
        let from_status = |of| status.name.clone().filter(|_| of == status.pid && status.pid.is_some());
        let threads = self.dump.threads(|_| Ok(()))?;
        Ok(Report {
            truncated: completeness::of(self.dump)?.reason(),
            big_endian: self.dump.order == Order::Big,
            time: rfc3339(self.dump.time),
            crash: self.exception.map(|exception| self.crash(&exception)),
            thread: thread.map(|id| Thread { id, name: thread_name.or_else(|| from_status(thread)) }),
            place,
            process: self.dump.streams.status.map(|_| Process {
                name: main_name
                    .or_else(|| from_status(status.tgid))
                    .or_else(|| program.as_ref().map(|program| program.name.clone())),
                pid: status.tgid,
                uid: status.uid,
            }),
            program,
            system: self.system.map(|system| self.machine(&system)).transpose()?,
            threads: threads.count(),
            modules: modules.count(),
        })
    }

    fn crash(&self, exception: &Exception) -> Crash {
        let Exception { code, flags, address, .. } = *exception;
        if !self.system.as_ref().is_none_or(SystemInfo::is_linux) {
            return Crash { signal: format!("exception {code:#x}"), code: None, address: Some(Hex(address)) };
        }
        let si_code = flags.cast_signed();
        let number = |name: Option<&str>, number| name.map_or(format!("{number}"), str::to_owned);
        Crash {
            signal: signal::name(code).map_or_else(|| format!("signal {code}"), str::to_owned),
            code: (code != signal::DUMP_REQUESTED).then(|| number(signal::code_name(code, si_code), si_code)),
            address: signal::has_address(code, si_code).then_some(Hex(address)),
        }
    }

    /// The names of two threads, as far as the dump has a list of names.
    fn names(&self, ids: [Option<u32>; 2]) -> Result<[Option<String>; 2]> {
        let mut names = [None, None];
        self.dump.thread_names(|thread| {
            for (id, name) in ids.iter().zip(&mut names) {
                if *id == Some(thread.id) && name.is_none() {
                    *name = self.dump.text(thread.name)?;
                }
            }
            Ok(())
        })?;
        Ok(names)
    }

    /// The program, the place of the crash, and the list of modules.
    fn modules(&self) -> Result<(Option<Module>, Option<Place>, List)> {
        let address = match (self.system, self.exception) {
            (Some(system), Some(exception)) => self.dump.instruction_pointer(&system, exception.context)?,
            _ => None,
        };
        let (mut first, mut around) = (None, None);
        let list = self.dump.modules(|module| {
            first.get_or_insert(module);
            if let Some(offset) = address.and_then(|address| module.offset_of(address)) {
                around.get_or_insert((module, Hex(offset)));
            }
            Ok(())
        })?;
        let program = first.map(|module| self.module(&module)).transpose()?;
        let place = match (address, around) {
            (None, _) => None,
            (Some(address), None) => Some(Place { address: Hex(address), module: None, offset: None }),
            (Some(address), Some((module, offset))) => {
                let module = Some(self.module(&module)?);
                Some(Place { address: Hex(address), module, offset: Some(offset) })
            }
        };
        Ok((program, place, list))
    }

    fn module(&self, module: &records::Module) -> Result<Module> {
        let path = self.dump.text(module.name)?.unwrap_or_default();
        let build = self.dump.build(module)?;
        let (build_id, debug_id) = build.map(|build| (build.build_id, build.debug_id)).unzip();
        Ok(Module {
            name: path.rsplit('/').next().unwrap_or_default().to_owned(),
            path,
            base: Hex(module.base),
            size: module.size,
            build_id: build_id.flatten(),
            debug_id,
        })
    }

    fn machine(&self, system: &SystemInfo) -> Result<System> {
        let os = match system.platform {
            SystemInfo::LINUX => "Linux".to_owned(),
            SystemInfo::ANDROID => "Android".to_owned(),
            SystemInfo::WINDOWS => "Windows".to_owned(),
            SystemInfo::MACOS => "macOS".to_owned(),
            other => format!("platform {other:#x}"),
        };
        let cpu = match system.cpu {
            Cpu::X86 => "x86".to_owned(),
            Cpu::X86_64 => "x86_64".to_owned(),
            Cpu::Arm => "arm".to_owned(),
            Cpu::Arm64 => "arm64".to_owned(),
            Cpu::Other(other) => format!("cpu {other:#x}"),
        };
        let version = if system.version == 0 { None } else { self.dump.text(system.version)? };
        Ok(System { os, version: version.filter(|version| !version.is_empty()), cpu })
    }

    fn status(&self) -> Result<Status> {
        let location = self.dump.streams.status.unwrap_or_default();
        Ok(Status::parse(&self.dump.bytes::<STATUS>(location)?))
    }
}

/// The few lines of /proc/PID/status that are of interest, see proc_pid_status(5). It is that of the thread that
/// crashed.
#[derive(Debug, Default)]
struct Status {
    name: Option<String>,
    tgid: Option<u32>,
    pid: Option<u32>,
    uid: Option<u32>,
}

impl Status {
    fn parse(bytes: &[u8]) -> Self {
        let text = String::from_utf8_lossy(bytes);
        let mut status = Self::default();
        for line in text.split_inclusive('\n').filter(|line| line.ends_with('\n')) {
            let Some((key, value)) = line.split_once(":\t") else { continue };
            let number = || value.split_whitespace().next().and_then(|word| word.parse().ok());
            match key {
                "Name" => status.name = Some(value.trim_end_matches('\n').to_owned()),
                "Tgid" => status.tgid = number(),
                "Pid" => status.pid = number(),
                "Uid" => status.uid = number(),
                _ => {}
            }
        }
        status
    }
}

/// Seconds since 1970 as RFC 3339; `None` for 0, which stands for an unknown time.
fn rfc3339(seconds: u32) -> Option<String> {
    let time = OffsetDateTime::from_unix_timestamp(i64::from(seconds)).ok().filter(|_| seconds != 0)?;
    time.format(&Rfc3339).ok()
}
