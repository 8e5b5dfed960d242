//! `logs`: a container's output.

use std::cell::RefCell;
use std::ops::Range;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::{Client, decode};
use crate::cli::common::Common;
use crate::cli::query::follow::{follow, is_gone};
use crate::cli::query::stamps::Stamps;
use crate::cli::query::tail;
use crate::cli::{term, units};
use crate::command::list::filter::Moment;
use crate::error::{ErrorKind, Result};

/// The most bytes that come at once.
const MAX_BYTES: u64 = 256 * 1024;
/// How many bytes of the end there are when the caller doesn't say.
const DEFAULT_BYTES: u64 = 64 * 1024;
/// The most bytes of output in a JSON value.
const MAX_JSON_BYTES: u64 = 16 * 1024 * 1024;

/// Print the end of a container's output
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Id or descriptor; of one that has ended, its id
    id: String,
    /// Go on printing until the container has ended
    #[arg(short, long, conflicts_with = "json")]
    follow: bool,
    /// Maximum number of bytes; without --since and --tail, 65536
    #[arg(long)]
    bytes: Option<u64>,
    /// Only this many lines of the end, each of them whole
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
        let range = self.range(&mut client)?;
        if self.common.json {
            return term::json(&self.value(&mut client, range)?);
        }
        let client = RefCell::new(client);
        let stamps = RefCell::new(self.timestamps.then(Stamps::default));
        let mut is_first = true;
        let part = |from: Option<u64>| {
            let from = from.unwrap_or(range.start);
            let most = if self.follow { MAX_BYTES } else { MAX_BYTES.min(range.end.saturating_sub(from)) };
            if most == 0 {
                return Ok((Vec::new(), from));
            }
            let (mut log, part) = match self.bytes_at(&mut client.borrow_mut(), from, most) {
                // While a container runs, its next output would make the log again.
                Err(error) if error.kind() == ErrorKind::NotFound && !is_first => {
                    log::warn!("the log is gone: {}", error.report());
                    return Ok((Vec::new(), from));
                }
                part => part?,
            };
            let next = number(&part, "next");
            if std::mem::take(&mut is_first) && self.tail.is_some() && first_place(&log, &part) > from {
                // It was cut off since its beginning was found.
                log = tail::whole_lines(&log).unwrap_or_default().to_vec();
            }
            if let Some(stamps) = stamps.borrow_mut().as_mut() {
                stamps.know(first_place(&log, &part), &part["times"]);
            }
            Ok((log, next))
        };
        let gone = || match self.follow {
            true => is_gone(client.borrow_mut().about("getContainerState", &self.id)),
            false => Ok(true),
        };
        follow(Some(range.start), part, gone, |new| match stamps.borrow_mut().as_mut() {
            Some(stamps) => term::output(&stamps.stamp(new), self.raw),
            None => term::output(new, self.raw),
        })
    }

    /// The places of what is wanted of all that there is now.
    fn range(&self, client: &mut Client) -> Result<Range<u64>> {
        let begin = match self.since {
            Some(since) => json!({"sinceTime": since.milliseconds(), "bytes": 0}),
            None => json!({"from": 0, "bytes": 0}),
        };
        let begin = self.call(client, begin)?;
        let (first, end) = (number(&begin, "next"), number(&begin, "end"));
        let most = match self.bytes {
            None if self.tail.is_none() && self.since.is_none() => DEFAULT_BYTES,
            None => u64::MAX,
            Some(bytes) => bytes,
        };
        let start = first.max(end.saturating_sub(most));
        let Some(lines) = self.tail else { return Ok(start..end) };
        let is_whole = start == first && begin["cut"] != true;
        // The end of a line right before it makes it whole.
        let part = if is_whole { start } else { start.saturating_sub(1) }..end;
        let found = tail::begin(lines, part, is_whole, |places| {
            let (log, part) = self.bytes_at(client, places.start, places.end - places.start)?;
            Ok((first_place(&log, &part), log))
        })?;
        Ok(found..end)
    }

    /// The output of a range, as the daemon gives a part of it.
    fn value(&self, client: &mut Client, range: Range<u64>) -> Result<Value> {
        let (mut all, mut times) = (Vec::new(), Vec::new());
        let mut place = range.start.max(range.end.saturating_sub(MAX_JSON_BYTES));
        let is_cut = place > range.start;
        let mut part = loop {
            let (log, mut part) = self.bytes_at(client, place, MAX_BYTES.min(range.end - place))?;
            all.extend_from_slice(&log);
            times.extend(part["times"].as_array_mut().map(std::mem::take).unwrap_or_default());
            place = number(&part, "next");
            if log.is_empty() || place >= range.end {
                break part;
            }
        };
        let mut wanted = all.as_slice();
        if is_cut {
            wanted = tail::whole_lines(wanted).unwrap_or_default();
            let most = units::size(MAX_JSON_BYTES);
            log::warn!("only the last {most} are printed: it is the most with --json");
        }
        part["log"] = String::from_utf8_lossy(wanted).into();
        if self.timestamps {
            times.dedup_by(|next, before| next["time"] == before["time"]);
            part["times"] = times.into();
        }
        Ok(part)
    }

    /// At most so many bytes of output at a place, and what the daemon says of them.
    fn bytes_at(&self, client: &mut Client, from: u64, bytes: u64) -> Result<(Vec<u8>, Value)> {
        let part = self.call(client, json!({"from": from, "bytes": bytes}))?;
        Ok((decode(&part["log"])?, part))
    }

    fn call(&self, client: &mut Client, mut params: Value) -> Result<Value> {
        params["containerId"] = self.id.as_str().into();
        params["encoding"] = "base64".into();
        params["timestamps"] = self.timestamps.into();
        client.call("getContainerLogs", params)
    }
}

fn number(part: &Value, name: &str) -> u64 {
    part[name].as_u64().unwrap_or_default()
}

/// The place of the first byte of some output, which ends where what follows begins.
fn first_place(log: &[u8], part: &Value) -> u64 {
    number(part, "next").saturating_sub(log.len() as u64)
}
