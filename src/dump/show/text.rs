//! A report in words. Whatever a container may have written is escaped.

use std::fmt::{self, Display};

use super::report::{Crash, Module, Place, Process, Report, System, Thread};
use crate::log::escape;

/// One line, for a log: what crashed, where, which build.
impl Display for Report {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match &self.crash {
            Some(crash) => crash.fmt(f)?,
            None => f.write_str("no crash recorded")?,
        }
        if let Some(place) = &self.place {
            write!(f, " in {place}")?;
        }
        if let Some(thread) = &self.thread {
            write!(f, ", thread {thread}")?;
        }
        // Code outside all modules has no build; the program that jumped there has.
        let module = self.place.as_ref().and_then(|place| place.module.as_ref()).or(self.program.as_ref());
        if let Some(build) = module.and_then(Module::build) {
            write!(f, ", {build}")?;
        }
        match &self.truncated {
            Some(reason) => write!(f, " (truncated: {})", escape(reason)),
            None => Ok(()),
        }
    }
}

impl Display for Crash {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.signal)?;
        if let Some(code) = &self.code {
            write!(f, " ({code})")?;
        }
        match self.address {
            Some(address) => write!(f, " at {address}"),
            None => Ok(()),
        }
    }
}

impl Display for Thread {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}", self.id)?;
        match &self.name {
            Some(name) => write!(f, " \"{}\"", escape(name)),
            None => Ok(()),
        }
    }
}

impl Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match (&self.module, self.offset) {
            (Some(module), Some(offset)) => write!(f, "{}+{offset}", escape(&module.name)),
            _ => write!(f, "{}, outside all modules", self.address),
        }
    }
}

impl Module {
    /// The best there is to find its symbols by, in words.
    fn build(&self) -> Option<String> {
        let build_id = self.build_id.as_ref().map(|id| format!("build id {id}"));
        build_id.or_else(|| self.debug_id.as_ref().map(|id| format!("debug id {id}")))
    }
}

/// A report on several lines, for a person: [`Report::details`].
#[derive(Debug, Clone, Copy)]
pub struct Details<'r>(&'r Report);

impl Report {
    /// The report on several lines, one fact each, the last one with a line feed too.
    #[must_use]
    pub fn details(&self) -> Details<'_> {
        Details(self)
    }
}

impl Display for Details<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let report = self.0;
        let mut line = |name: &str, value: Option<String>| match value {
            Some(value) => writeln!(f, "{:<12}{value}", format!("{name}:")),
            None => Ok(()),
        };
        let crash = report.crash.as_ref().map(ToString::to_string);
        line("crash", crash.or_else(|| Some("none recorded".to_owned())))?;
        line("in", report.place.as_ref().map(ToString::to_string))?;
        line("thread", report.thread.as_ref().map(|thread| thread_of(thread, report.threads)))?;
        let module = report.place.as_ref().and_then(|place| place.module.as_ref());
        if module.is_some_and(|module| Some(module) != report.program.as_ref()) {
            line("module", module.map(module_line))?;
        }
        line("program", report.program.as_ref().map(module_line))?;
        line("process", report.process.as_ref().map(process))?;
        line("time", report.time.clone())?;
        line("system", report.system.as_ref().map(system))?;
        line("bytes", report.big_endian.then(|| "big-endian".to_owned()))?;
        line("truncated", report.truncated.as_deref().map(escape))
    }
}

fn thread_of(thread: &Thread, count: Option<u32>) -> String {
    match count {
        Some(count) => format!("{thread}, one of {count}"),
        None => thread.to_string(),
    }
}

fn module_line(module: &Module) -> String {
    let mut line = escape(&module.path);
    if let Some(build_id) = &module.build_id {
        line.push_str(&format!(", build id {build_id}"));
    }
    if let Some(debug_id) = &module.debug_id {
        line.push_str(&format!(", debug id {debug_id}"));
    }
    line
}

fn process(process: &Process) -> String {
    let mut line = escape(process.name.as_deref().unwrap_or("unnamed"));
    if let Some(pid) = process.pid {
        line.push_str(&format!(", pid {pid}"));
    }
    if let Some(uid) = process.uid {
        line.push_str(&format!(", uid {uid}"));
    }
    line + " (as the container counts)"
}

/// The version usually begins with the system's name.
fn system(system: &System) -> String {
    match system.version.as_deref().map(escape) {
        Some(version) if version.starts_with(&system.os) => format!("{}, {version}", system.cpu),
        Some(version) => format!("{}, {} {version}", system.cpu, system.os),
        None => format!("{}, {}", system.cpu, system.os),
    }
}
