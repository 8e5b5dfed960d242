//! `waitContainer`: waits until a container is gone and gives the exit status of its last run, or until it runs.
//!
//! Not in Thunder's plugin. One that is restarted is not gone. Parameters: `containerId`, `timeout` in milliseconds (absent: as long as it takes), and `state`
//! (`stopped`, or `started`: the container need not be there yet). Result: `containerId` as sent, then `exitCode` or
//! `signal` (both null when the exit status is unknown), or the `descriptor` of one that runs; `success`.

use serde_json::json;

use crate::control::Manager;
use crate::error::ErrorKind;
use crate::rpc::errors::{CallResult, Fault};
use crate::rpc::methods::common::exit_members;
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "waitContainer",
    aliases: &[],
    access: Access::Read,
    parameters: &["containerId*", "timeout (milliseconds)", "state (stopped, started; default stopped)"],
    result: &[
        "containerId",
        "exitCode",
        "signal (one of them null, both when the exit status is unknown)",
        "descriptor (instead of them, for started)",
        "success",
    ],
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> CallResult {
    let sent = params.text("containerId")?.to_owned();
    let timeout = params.milliseconds("timeout")?;
    let start = match params.optional_text("state")? {
        None | Some("stopped") => false,
        Some("started" | "running") => true,
        Some(_) => return Err(Fault::parameter("parameter state must be \"stopped\" or \"started\"")),
    };
    // It may be a long wait, and the parameters may be large.
    drop(params);
    // One that has ended is known by its id only.
    let id = match manager.resolve(&sent) {
        Ok(id) => id,
        Err(error) if error.kind() == ErrorKind::NotFound => sent.parse().map_err(|_| error)?,
        Err(error) => return Err(error.into()),
    };
    if start {
        let descriptor = manager.wait_started(&id, timeout).await?;
        return Ok(json!({"containerId": sent, "descriptor": descriptor, "success": true}));
    }
    let (code, signal) = exit_members(manager.wait(&id, timeout).await?);
    Ok(json!({"containerId": sent, "exitCode": code, "signal": signal, "success": true}))
}
