//! `logs`: a container's output.

use std::cell::RefCell;

use clap::Args;
use serde_json::{Value, json};

use super::client::Client;
use super::exec::decode;
use super::follow::{follow, is_gone};
use super::{Common, term};
use crate::error::Result;

/// Print the end of a container's output
#[derive(Debug, Args)]
pub(super) struct Logs {
    /// Id or descriptor; of one that has ended, its id
    id: String,
    /// Go on printing until the container has ended
    #[arg(short, long, conflicts_with = "json")]
    follow: bool,
    /// At most so many bytes, up to 262144
    #[arg(long, default_value_t = 65_536)]
    bytes: u64,
    /// Print control characters as they are, also on a terminal
    #[arg(long)]
    raw: bool,
    #[command(flatten)]
    common: Common,
}

impl Logs {
    pub(super) fn run(&self) -> Result<()> {
        let mut client = self.common.connect()?;
        if self.common.json {
            return term::json(&self.tail(&mut client, "text")?);
        }
        let tail = |client: &mut Client| decode(&self.tail(client, "base64")?["log"]);
        if !self.follow {
            return term::output(&tail(&mut client)?, self.raw);
        }
        let client = RefCell::new(client);
        follow(
            || tail(&mut client.borrow_mut()),
            || is_gone(client.borrow_mut().about("getContainerState", &self.id)),
            |new| term::output(new, self.raw),
        )
    }

    fn tail(&self, client: &mut Client, encoding: &str) -> Result<Value> {
        let params = json!({"containerId": self.id, "bytes": self.bytes, "encoding": encoding});
        client.call("getContainerLogs", params)
    }
}
