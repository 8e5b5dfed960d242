//! `wakeupContainer`: reads the memory of a hibernated container back, and answers when it runs.

use crate::control::Manager;
use crate::rpc::errors::CallResult;
use crate::rpc::methods::common::{container, done};
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "wakeupContainer",
    aliases: &[],
    access: Access::Change,
    parameters: &["containerId*"],
    result: &["success, once it runs"],
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> CallResult {
    let id = container(&manager, &params)?;
    manager.wakeup(&id).await?;
    done()
}
