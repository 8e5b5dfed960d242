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
        "success",
    ],
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> CallResult {
    let info = manager.info(&container(&manager, &params)?).await?;
    Ok(json!({"info": info, "success": true}))
}
