//! `listEnded`: lists the last containers that have ended, the newest first.
//!
//! Not in Thunder's plugin. `time` is that of the end in milliseconds since 1970, null when it is not known. Each id comes once, and
//! only if there is not a container of it now.

use serde_json::{Value, json};

use crate::control::{Ended, Manager};
use crate::rpc::errors::CallResult;
use crate::rpc::methods::common::exit_members;
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "listEnded",
    aliases: &[],
    access: Access::Read,
    parameters: &[],
    result: &[
        "ended (containerId, descriptor, exitCode, signal, failed, time, sequence of each; the newest 100 whose \
         ends are in the journal)",
        "success",
    ],
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, _params: Params) -> CallResult {
    let entry = |ended: &Ended| {
        let (code, signal) = ended.exit.map_or((Value::Null, Value::Null), exit_members);
        json!({
            "containerId": ended.id.as_str(),
            "descriptor": ended.descriptor,
            "exitCode": code,
            "signal": signal,
            "failed": ended.exit.is_none(),
            "time": ended.time,
            "sequence": ended.number,
        })
    };
    let ended: Vec<Value> = manager.ended().await?.iter().map(entry).collect();
    Ok(json!({"ended": ended, "success": true}))
}
