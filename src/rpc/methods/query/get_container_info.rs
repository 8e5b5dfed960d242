//! `getContainerInfo`: gives processes, memory and processor time of a container.

use serde_json::json;

use crate::control::Manager;
use crate::rpc::errors::CallResult;
use crate::rpc::methods::common::container;
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "getContainerInfo",
    aliases: &[],
    access: Access::Read,
    parameters: &["containerId*"],
    result: &[
        "info (annotations, gpu and ion if there are any, cpu, memory, pids, processes, state, timestamp)",
        "age (in milliseconds since its start or restart; null when that is not known)",
        "restarts (in a row; null when it is not to be restarted)",
        "success",
    ],
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> CallResult {
    let id = container(&manager, &params)?;
    let info = manager.info(&id).await?;
    let summary = manager.summaries().into_iter().find(|summary| summary.id == id);
    let age = summary.as_ref().and_then(|summary| u64::try_from(summary.age?.as_millis()).ok());
    let restarts = summary.and_then(|summary| summary.restarts);
    Ok(json!({"info": info, "age": age, "restarts": restarts, "success": true}))
}
