//! `deleteContainer`: removes a container with all its state, and answers when it is gone.
//!
//! RDK names the method, and says no more of it: `containerId`, and `force` (boolean) to stop a
//! running container first; without it a running container is left alone and the call fails.

use crate::control::Manager;
use crate::rpc::errors::CallResult;
use crate::rpc::methods::common::{container, done};
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "deleteContainer",
    aliases: &[],
    access: Access::Change,
    parameters: &["containerId*", "force (boolean: stop it first if it runs)"],
    result: &["success, once the container and its state are gone"],
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> CallResult {
    manager.delete(&container(&manager, &params)?, params.flag("force")?).await?;
    done()
}
