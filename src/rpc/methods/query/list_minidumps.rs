//! `listMinidumps`: lists the newest dumps that were brought to this host, of all containers or of one.
//!
//! Not in Thunder's plugin. Each entry is what `oci-minidump-hook list --json` says of a dump: container, program, signal, place, and
//! its crash record if there is one.

use serde_json::{Value, json};

use crate::control::Manager;
use crate::rpc::errors::CallResult;
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "listMinidumps",
    aliases: &[],
    access: Access::Read,
    parameters: &["containerId (that of one container; also of one that has ended)"],
    result: &[
        "minidumps (the newest 200 of all, the newest first, as `list --json` of the hook gives them)",
        "success",
    ],
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> CallResult {
    let wanted = params.optional_text("containerId")?.map(str::to_owned);
    let dumps = manager.dumps().await?.into_iter().map(|dump| Value::Object(dump.entry));
    let is_wanted = |dump: &Value| wanted.as_deref().is_none_or(|id| dump["container"] == id);
    let minidumps: Vec<Value> = dumps.filter(is_wanted).collect();
    Ok(json!({"minidumps": minidumps, "success": true}))
}
