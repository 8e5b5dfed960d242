//! `getContainerConfig`: gives the `config.json` that the runtime got for a container.
//!
//! Not in Thunder's plugin: the bundle's configuration with all that was added to it, secrets in the environment included.

use serde_json::json;

use crate::control::Manager;
use crate::rpc::errors::CallResult;
use crate::rpc::methods::common::container;
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "getContainerConfig",
    aliases: &[],
    access: Access::Read,
    parameters: &["containerId*"],
    result: &["config (the config.json that the runtime got)", "success"],
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> CallResult {
    let config = manager.config(&container(&manager, &params)?)?;
    Ok(json!({"config": config, "success": true}))
}
