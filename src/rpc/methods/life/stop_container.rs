//! `stopContainer`: sends SIGTERM, and SIGKILL after `timeout` or else the stop timeout; SIGKILL at once with `force`.
//!
//! Answers once the signal is sent; `onContainerStopped` is sent when the container is gone.

use crate::control::{Manager, StopOptions};
use crate::rpc::errors::CallResult;
use crate::rpc::methods::common::{container, done};
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "stopContainer",
    aliases: &[],
    access: Access::Change,
    parameters: &[
        "containerId*",
        "force (boolean: SIGKILL at once)",
        "timeout (milliseconds until SIGKILL; default the stop timeout)",
    ],
    result: &["success, once the signal is sent"],
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> CallResult {
    let options = StopOptions { force: params.flag("force")?, timeout: params.milliseconds("timeout")? };
    manager.stop_with(&container(&manager, &params)?, options).await?;
    done()
}
