//! `pauseContainer`: freezes a running container.

use crate::control::Manager;
use crate::rpc::errors::CallResult;
use crate::rpc::methods::common::{container, done};
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "pauseContainer",
    aliases: &[],
    access: Access::Change,
    parameters: &["containerId*"],
    result: &["success"],
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> CallResult {
    manager.pause(&container(&manager, &params)?).await?;
    done()
}
