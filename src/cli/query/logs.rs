//! `logs`: a container's output.

use std::cell::{Cell, RefCell};

use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::{Client, decode};
use crate::cli::common::Common;
use crate::cli::query::follow::{follow, is_gone};
use crate::cli::query::stamps::Stamps;
use crate::cli::term;
use crate::command::list::filter::Moment;
use crate::error::Result;

/// The most bytes that come at once.
const MAX_BYTES: u64 = 256 * 1024;
/// How many bytes of the end there are when the caller doesn't say.
const DEFAULT_BYTES: u64 = 64 * 1024;

/// Print the end of a container's output
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Id or descriptor; of one that has ended, its id
    id: String,
    /// Go on printing until the container has ended
    #[arg(short, long, conflicts_with = "json")]
    follow: bool,
    /// Maximum number of bytes, up to 262144; 65536 without --since, which prints all
    #[arg(long)]
    bytes: Option<u64>,
    /// Only this many lines of the end
    #[arg(long, alias = "lines", short = 'n', value_name = "LINES")]
    tail: Option<usize>,
    /// Begin with the first line of this time: 2026-11-27T10:00:00Z, or how long ago (30min, 2h)
    #[arg(long, value_name = "TIME")]
    since: Option<Moment>,
    /// Print in front of each line when it came, or - when that is not known
    #[arg(short, long)]
    timestamps: bool,
    /// Print control characters as they are, also on a terminal
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    common: Common,
}

impl Logs {
    pub(crate) fn run(&self) -> Result<()> {
        let mut client = self.common.connect()?;
        if self.common.json {
            return term::json(&self.first(&mut client, "text")?);
        }
        let (client, end) = (RefCell::new(client), Cell::new(None));
        let stamps = RefCell::new(self.timestamps.then(Stamps::default));
        let part = |from: Option<u64>| {
            let client = &mut client.borrow_mut();
            let left = |from: u64| end.get().map_or(0, |end: u64| end.saturating_sub(from));
            let part = match from {
                None => self.first(client, "base64")?,
                Some(from) if self.follow => self.part(client, from, MAX_BYTES, "base64")?,
                Some(from) if left(from) == 0 => return Ok((Vec::new(), from)),
                Some(from) => self.part(client, from, MAX_BYTES.min(left(from)), "base64")?,
            };
            let mut log = decode(&part["log"])?;
            if from.is_none() {
                end.set(part["end"].as_u64());
                log = self.last_lines(&log).to_vec();
            }
            let next = part["next"].as_u64().unwrap_or_default();
            if let Some(stamps) = stamps.borrow_mut().as_mut() {
                stamps.know(next.saturating_sub(log.len() as u64), &part["times"]);
            }
            Ok((log, next))
        };
        let gone = || match self.follow {
            true => is_gone(client.borrow_mut().about("getContainerState", &self.id)),
            false => Ok(true),
        };
        follow(None, part, gone, |new| match stamps.borrow_mut().as_mut() {
            Some(stamps) => term::output(&stamps.stamp(new), self.raw),
            None => term::output(new, self.raw),
        })
    }

    /// Of the end of the output, the lines that are wanted.
    fn last_lines<'a>(&self, log: &'a [u8]) -> &'a [u8] {
        let Some(lines) = self.tail else { return log };
        let ends = log.iter().enumerate().rev().skip(1).filter(|(_, byte)| **byte == b'\n');
        let begin =
            if lines == 0 { log.len() } else { ends.map(|(at, _)| at + 1).nth(lines - 1).unwrap_or(0) };
        log.get(begin..).unwrap_or_default()
    }

    /// The end of the output, or the first part since a time.
    fn first(&self, client: &mut Client, encoding: &str) -> Result<Value> {
        let bytes = self.bytes.unwrap_or(DEFAULT_BYTES);
        let Some(since) = self.since else {
            return self.call(client, json!({"bytes": bytes}), encoding);
        };
        let begin = self.call(client, json!({"sinceTime": since.milliseconds(), "bytes": 0}), encoding)?;
        let place = |name: &str| begin[name].as_u64().unwrap_or_default();
        if self.bytes.is_none() && self.tail.is_none() {
            return self.part(client, place("next"), MAX_BYTES, encoding);
        }
        self.part(client, place("next").max(place("end").saturating_sub(bytes)), bytes, encoding)
    }

    fn part(&self, client: &mut Client, from: u64, bytes: u64, encoding: &str) -> Result<Value> {
        self.call(client, json!({"from": from, "bytes": bytes}), encoding)
    }

    fn call(&self, client: &mut Client, mut params: Value, encoding: &str) -> Result<Value> {
        params["containerId"] = self.id.as_str().into();
        params["encoding"] = encoding.into();
        params["timestamps"] = self.timestamps.into();
        client.call("getContainerLogs", params)
    }
}
