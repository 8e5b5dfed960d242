//! `deleteContainer`: removes a container with all its state, and answers when it is gone.
//!
//! Beyond the seed, which names the method and leaves it open: `containerId`, and `force` (boolean) to stop a
//! running container first; without it a running container is left alone and the call fails.

use super::{Access, Method, container, done};
use crate::control::Manager;
use crate::rpc::params::Params;
use crate::rpc::service::Outcome;

pub(super) const METHOD: Method = Method {
    name: "deleteContainer",
    aliases: &[],
    access: Access::Change,
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> Outcome {
    manager.delete(&container(&manager, &params)?, params.flag("force")).await?;
    done()
}
