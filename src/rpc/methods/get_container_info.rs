//! `getContainerInfo`: processes, memory and processor time of a container.

use serde_json::json;

use super::{Access, Method, container};
use crate::control::Manager;
use crate::rpc::params::Params;
use crate::rpc::service::Outcome;

pub(super) const METHOD: Method = Method {
    name: "getContainerInfo",
    aliases: &[],
    access: Access::Read,
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> Outcome {
    let info = manager.info(&container(&manager, &params)?).await?;
    Ok(json!({"info": info, "success": true}))
}
