//! `logs`: a container's output.

use std::cell::RefCell;

use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::{Client, decode};
use crate::cli::common::Common;
use crate::cli::query::follow::{follow, is_gone};
use crate::cli::term;
use crate::error::Result;

/// The most bytes that come at once.
const MAX_BYTES: u64 = 256 * 1024;

/// Print the end of a container's output
#[derive(Debug, Args)]
pub(crate) struct Logs {
    /// Id or descriptor; of one that has ended, its id
    id: String,
    /// Go on printing until the container has ended
    #[arg(short, long, conflicts_with = "json")]
    follow: bool,
    /// Maximum number of bytes, up to 262144
    #[arg(long, default_value_t = 65_536)]
    bytes: u64,
    /// Only this many lines of the end
    #[arg(long, alias = "lines", short = 'n', value_name = "LINES")]
    tail: Option<usize>,
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
            return term::json(&self.end(&mut client, "text")?);
        }
        if !self.follow {
            let log = decode(&self.end(&mut client, "base64")?["log"])?;
            return term::output(self.last_lines(&log), self.raw);
        }
        let client = RefCell::new(client);
        let part = |from: Option<u64>| {
            let client = &mut client.borrow_mut();
            let part = match from {
                None => self.end(client, "base64")?,
                Some(from) => self.part(client, json!({"from": from, "bytes": MAX_BYTES}), "base64")?,
            };
            let log = decode(&part["log"])?;
            let log = if from.is_none() { self.last_lines(&log).to_vec() } else { log };
            Ok((log, part["next"].as_u64().unwrap_or_default()))
        };
        follow(
            None,
            part,
            || is_gone(client.borrow_mut().about("getContainerState", &self.id)),
            |new| term::output(new, self.raw),
        )
    }

    /// Of the end of the output, the lines that are wanted.
    fn last_lines<'a>(&self, log: &'a [u8]) -> &'a [u8] {
        let Some(lines) = self.tail else { return log };
        let ends = log.iter().enumerate().rev().skip(1).filter(|(_, byte)| **byte == b'\n');
        let begin =
            if lines == 0 { log.len() } else { ends.map(|(at, _)| at + 1).nth(lines - 1).unwrap_or(0) };
        log.get(begin..).unwrap_or_default()
    }

    /// The end of the output.
    fn end(&self, client: &mut Client, encoding: &str) -> Result<Value> {
        self.part(client, json!({"bytes": self.bytes}), encoding)
    }

    fn part(&self, client: &mut Client, mut params: Value, encoding: &str) -> Result<Value> {
        params["containerId"] = self.id.as_str().into();
        params["encoding"] = encoding.into();
        client.call("getContainerLogs", params)
    }
}
