//! `getContainerState`: gives the state of a container in one word.

use serde_json::json;

use crate::control::Manager;
use crate::rpc::errors::CallResult;
use crate::rpc::methods::common::container;
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "getContainerState",
    aliases: &[],
    access: Access::Read,
    parameters: &["containerId*"],
    result: &["containerId", "state", "success"],
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> CallResult {
    let sent = params.text("containerId")?;
    let state = manager.state(&container(&manager, &params)?)?;
    Ok(json!({"containerId": sent, "state": params.api.state(state), "success": true}))
}
