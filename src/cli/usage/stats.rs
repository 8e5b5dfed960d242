//! `stats`: what containers use at the moment.

use std::collections::BTreeMap;
use std::io::IsTerminal as _;
use std::time::{Duration, Instant};

use clap::Args;
use serde_json::{Value, json};

use crate::cli::client::Client;
use crate::cli::common::Common;
use crate::cli::ids::Failures;
use crate::cli::{ids, term, units};
use crate::error::{ErrorKind, Result};

/// Between two looks: what the share of the processor is measured over.
const INTERVAL: Duration = Duration::from_secs(1);
/// Clears a terminal and goes to its beginning.
const CLEAR: &[u8] = b"\x1b[2J\x1b[H";

/// Print what containers use, again every second, until interrupted
#[derive(Debug, Args)]
pub(crate) struct Stats {
    /// Ids or descriptors; all containers without any
    #[arg(value_name = "ID")]
    ids: Vec<String>,
    /// Print it once
    #[arg(long)]
    no_stream: bool,
    #[command(flatten)]
    common: Common,
}

/// Processor time in nanoseconds, of each container, and when it was read.
type Times = BTreeMap<String, (u64, Instant)>;

/// The containers that were named and are still there.
struct Wanted {
    ids: Vec<String>,
    failures: Failures,
}

impl Stats {
    pub(crate) fn run(&self) -> Result<()> {
        let mut client = self.common.connect()?;
        let mut before = Times::new();
        let mut wanted = Wanted { ids: self.ids.clone(), failures: Failures::default() };
        self.look(&mut client, &mut wanted, &mut before)?;
        while self.ids.is_empty() || !wanted.ids.is_empty() {
            std::thread::sleep(INTERVAL);
            let rows = self.look(&mut client, &mut wanted, &mut before)?;
            self.print(&rows)?;
            if self.no_stream {
                break;
            }
        }
        wanted.failures.end()
    }

    /// A look at each container, with its share of a processor since the one before, in percent.
    fn look(&self, client: &mut Client, wanted: &mut Wanted, before: &mut Times) -> Result<Vec<Value>> {
        let named = if self.ids.is_empty() { ids::all(client)? } else { wanted.ids.clone() };
        let mut rows = Vec::new();
        let mut times = Times::new();
        for id in named {
            let result = match client.about("getContainerInfo", &id) {
                Ok(result) => result,
                // One of all that has ended meanwhile.
                Err(_) if self.ids.is_empty() => continue,
                Err(error) if error.kind() == ErrorKind::Unreachable => return Err(error),
                Err(error) => {
                    wanted.ids.retain(|other| *other != id);
                    wanted.failures.note(Err(error));
                    continue;
                }
            };
            let (info, now) = (&result["info"], Instant::now());
            let total = info["cpu"]["usage"]["total"].as_u64();
            let share = total.zip(before.get(&id)).map(|(total, (earlier, then))| {
                let time = now.duration_since(*then).as_nanos().max(1);
                u64::try_from(u128::from(total.saturating_sub(*earlier)) * 1000 / time).unwrap_or(0)
            });
            times.extend(total.map(|total| (id.clone(), (total, now))));
            rows.push(json!({
                "id": id,
                "cpuPermille": share,
                "memory": info["memory"]["user"]["usage"],
                "memoryLimit": info["memory"]["user"]["limit"],
                "processes": info["pids"].as_array().map(Vec::len),
            }));
        }
        *before = times;
        Ok(rows)
    }

    fn print(&self, rows: &[Value]) -> Result<()> {
        if self.common.json {
            return term::json(&json!({"containers": rows, "success": true}));
        }
        if !self.no_stream && std::io::stdout().is_terminal() {
            term::write(CLEAR)?;
        }
        let number = |row: &Value, name: &str, text: fn(u64) -> String| {
            row[name].as_u64().map_or_else(|| "-".to_owned(), text)
        };
        let percent = |permille: u64| format!("{}.{} %", permille / 10, permille % 10);
        let cells = |row: &Value| {
            vec![
                row["id"].as_str().unwrap_or_default().to_owned(),
                number(row, "cpuPermille", percent),
                number(row, "memory", units::size),
                number(row, "memoryLimit", limit),
                number(row, "processes", |count| count.to_string()),
            ]
        };
        let rows: Vec<_> = rows.iter().map(cells).collect();
        term::table(&["ID", "CPU", "MEMORY", "LIMIT", "PROCESSES"], &rows)
    }
}

/// A limit; cgroup v1 has a number near the largest for none.
fn limit(bytes: u64) -> String {
    if bytes >= 1 << 60 { "-".to_owned() } else { units::size(bytes) }
}
