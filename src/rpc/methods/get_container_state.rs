//! `getContainerState`: the state of a container in one word.

use serde_json::json;

use super::{Access, Method, container};
use crate::control::Manager;
use crate::rpc::params::Params;
use crate::rpc::service::Outcome;

pub(super) const METHOD: Method = Method {
    name: "getContainerState",
    aliases: &[],
    access: Access::Read,
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> Outcome {
    let sent = params.text("containerId")?;
    let state = manager.state(&container(&manager, &params)?)?;
    Ok(json!({"containerId": sent, "state": state.name(), "success": true}))
}
