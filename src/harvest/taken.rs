//! What a harvest may take, and what it took.

use std::path::{Path, PathBuf};

use serde::{Deserialize, Serialize};

use crate::deadline::Deadline;
use crate::dump::show::info;
use crate::dump::show::report::Report;
use crate::error::Error;
use crate::image::read::files::{Place, Rest};
use crate::log::escape;

/// The most lines of a kind about single files: a container can make any number of them.
const MAX_LINES: usize = 100;

/// A dump that is safe on the host.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Harvested {
    /// Where it lies.
    pub path: PathBuf,
    /// Its length in bytes.
    pub size: u64,
    /// What is missing, when the app could not write all of it.
    pub truncated: Option<String>,
    /// Whether an earlier harvest had put it there already.
    pub already: bool,
}

/// An entry that looked like a dump and is none.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct Skipped {
    /// The name that the container gave it, with bytes that are no UTF-8 replaced.
    pub name: String,
    /// Why it was left.
    pub reason: String,
}

/// How far a harvest may go.
#[derive(Debug, Clone, Copy)]
pub struct Bounds {
    /// How many bytes may be published. An honest image cannot hold more than its size, but sparse files can claim any
    /// amount.
    pub budget: u64,
    /// When to give up; never, when there is none.
    pub deadline: Deadline,
    /// Whether something may still be writing to the image. A dump that is not complete is left in it then.
    pub is_mounted: bool,
}

/// What was taken.
#[derive(Debug, Default)]
pub struct Taken {
    /// The dumps that are safe now.
    pub dumps: Vec<Harvested>,
    /// What has the name of a dump and is not one; of many, the first 100.
    pub skipped: Vec<Skipped>,
    /// How many more there were.
    pub more_skipped: usize,
    /// How many dumps were left because something may still be writing them.
    pub unfinished: usize,
    /// Why dumps could not be published, one error for each of them. All others were.
    pub failures: Vec<Error>,
    /// What lies in the image beside the dumps.
    pub rest: Rest,
    /// Whether the image is looked at again and again while its container runs, so that what is left in it is not worth a
    /// warning each time.
    pub is_again: bool,
}

impl Taken {
    /// Says in one line what is lost when the image is removed.
    pub fn log_rest(&self, image: &Path) {
        if self.rest.count > 0 {
            let verb = if self.rest.count == 1 { "goes" } else { "go" };
            log::warn!("{} {verb} with the image {}", self.rest, image.display());
        }
    }

    /// Notes that a file is not a dump.
    pub(super) fn skip(&mut self, place: &Place, reason: String) {
        if self.skipped.len() == MAX_LINES {
            self.more_skipped += 1;
            return;
        }
        let name = place.text();
        log::log!(self.level(), "skipped {}: {reason}", escape(&name));
        self.skipped.push(Skipped { name, reason });
    }

    /// Notes that a file may become a dump yet.
    pub(super) fn leave(&mut self, place: &Place, reason: &str) {
        self.unfinished += 1;
        if self.unfinished <= MAX_LINES {
            let name = escape(&place.text());
            log::log!(self.level(), "left {name} in the image, which is still mounted: {reason}");
        }
    }

    fn level(&self) -> log::Level {
        if self.is_again { log::Level::Debug } else { log::Level::Warn }
    }

    /// Notes that a dump could not be published.
    pub(super) fn fail(&mut self, place: &Place, error: Error) {
        let error = error.within(format!("cannot publish {}", escape(&place.text())));
        // The caller tells of the first one.
        if (1..MAX_LINES).contains(&self.failures.len()) {
            log::error!("{}", error.report());
        }
        self.failures.push(error);
    }
}

/// Says what was harvested, once it is safe: an image in memory has it for no second harvest when the power goes.
pub(super) fn log_dump(dump: &Harvested, container: Option<&str>) {
    let who = container.map_or_else(String::new, |id| format!(" of container {id}"));
    let (path, size) = (dump.path.display(), dump.size);
    match &dump.truncated {
        _ if dump.already => log::info!("the minidump{who} was harvested before: {path}"),
        None => log::info!("harvested a minidump{who}: {path} ({size} bytes){}", crash(&dump.path)),
        Some(why) => log::warn!(
            "harvested a truncated minidump{who}: {path} ({size} bytes): {why}; raise imgsize if the image ran full"
        ),
    }
}

/// What crashed, as the dump says; nothing when that cannot be read.
fn crash(path: &Path) -> String {
    // Who may write to the destination may have put a FIFO in its place, which must not be waited for.
    let report = info::open(path).and_then(|file| Report::read(&file)).ok();
    report.map_or_else(String::new, |report| {
        let program = report.program.as_ref().map_or("a program", |program| program.name.as_str());
        format!(": {}: {report}", escape(program))
    })
}
