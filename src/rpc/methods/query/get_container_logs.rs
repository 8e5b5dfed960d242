//! `getContainerLogs`: gives the end of a container's output; also of one that has ended.
//!
//! Not in Thunder's plugin. Parameters: `containerId`, `bytes` (at most, default 64 KiB, up to 256 KiB), `from` (the place to
//! read from; the end when absent), or `sinceTime` (from the first line of this time on), `timestamps` (whether times are
//! wanted), `encoding` (`text` or `base64`). Result: `containerId` as sent, `log`, `next` (the place of what follows, as
//! long as the same daemon answers), `end` (the place behind the last byte), `cut` (true when `log` begins within a line
//! whose beginning is gone), `times`, `success`.

use serde_json::{Value, json};

use crate::control::{Came, LogBegin, Manager};
use crate::rpc::errors::{CallResult, Fault};
use crate::rpc::methods::common::Encoding;
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "getContainerLogs",
    aliases: &[],
    access: Access::Read,
    parameters: &[
        "containerId*",
        "bytes (default 65536, at most 262144)",
        "from (a place; else the last bytes)",
        "sinceTime (milliseconds since 1970; from the first line of that time on)",
        "timestamps (whether times are wanted)",
        "encoding (text, base64)",
    ],
    result: &[
        "containerId",
        "log",
        "next (the place of what follows, for the next call to the same daemon)",
        "end (the place behind all that there is)",
        "cut (true when log begins with the first line that there is, and that has lost its beginning; else absent)",
        "times (place and time, in milliseconds since 1970 or null, of each change; with timestamps)",
        "success",
    ],
    call: |manager, params| Box::pin(call(manager, params)),
};

/// How much comes when the caller doesn't say.
const DEFAULT_BYTES: u64 = 64 * 1024;
/// The most that comes at once.
const MAX_BYTES: u64 = 256 * 1024;

async fn call(manager: Manager, params: Params) -> CallResult {
    let sent = params.text("containerId")?;
    let bytes = params.count("bytes", MAX_BYTES)?.unwrap_or(DEFAULT_BYTES);
    let encoding = Encoding::read(&params)?;
    let begin = match (params.count("from", u64::MAX)?, params.count("sinceTime", u64::MAX)?) {
        (None, None) => LogBegin::Last,
        (Some(place), None) => LogBegin::Place(place),
        (None, Some(time)) => LogBegin::Time(time),
        (Some(_), Some(_)) => return Err(Fault::parameter("give from or sinceTime")),
    };
    // A descriptor is known only while the container is.
    let id = manager.resolve(sent);
    let id = id.as_ref().map_or(sent, |id| id.as_str());
    let (part, came) = manager.logs_with_times(id, begin, bytes)?;
    let log = encoding.put(&part.bytes);
    let mut result =
        json!({"containerId": sent, "log": log, "next": part.next, "end": part.end, "success": true});
    if part.is_cut {
        result["cut"] = true.into();
    }
    if params.flag("timestamps")? {
        let time = |came: &Came| json!({"place": came.place, "time": came.time});
        result["times"] = came.iter().map(time).collect::<Value>();
    }
    Ok(result)
}
