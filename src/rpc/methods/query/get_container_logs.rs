//! `getContainerLogs`: gives the end of a container's output; also of one that has ended.
//!
//! Beyond the seed. Parameters: `containerId`, `bytes` (at most, default 64 KiB, up to 256 KiB), `from` (the place to
//! read from; the end when absent), `encoding` (`text` or `base64`). Result: `containerId` as sent, `log`, `next` (the
//! place of what follows, as long as the same daemon answers), `success`.

use serde_json::json;

use crate::control::{LogPart, Manager};
use crate::rpc::errors::CallResult;
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
        "encoding (text, base64)",
    ],
    result: &[
        "containerId",
        "log",
        "next (the place of what follows, for the next call to the same daemon)",
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
    let from = params.count("from", u64::MAX)?;
    // A descriptor is known only while the container is.
    let LogPart { bytes: log, next } = match manager.resolve(sent) {
        Ok(id) => manager.logs(id.as_str(), from, bytes)?,
        Err(_) => manager.logs(sent, from, bytes)?,
    };
    Ok(json!({"containerId": sent, "log": encoding.put(&log), "next": next, "success": true}))
}
