//! `restartContainer`: stops a container and starts it again as it was; answers when it runs again.
//!
//! Not in Thunder's plugin. Parameters: `containerId`, and `timeout` in milliseconds until SIGKILL. A daemon that ends meanwhile
//! leaves the rest to the next one.

use serde_json::json;

use crate::control::Manager;
use crate::rpc::errors::CallResult;
use crate::rpc::methods::common::container;
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "restartContainer",
    aliases: &[],
    access: Access::Change,
    parameters: &["containerId*", "timeout (milliseconds until SIGKILL; default the stop timeout)"],
    result: &["descriptor", "success, once it runs again"],
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> CallResult {
    let timeout = params.milliseconds("timeout")?;
    let descriptor = manager.restart(&container(&manager, &params)?, timeout).await?;
    Ok(json!({"descriptor": descriptor, "success": true}))
}
