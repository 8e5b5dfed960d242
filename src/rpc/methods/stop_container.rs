//! `stopContainer`: SIGTERM, and SIGKILL after the stop timeout; SIGKILL at once with `force`.
//!
//! Answers once the signal is sent; `onContainerStopped` tells when the container is gone.

use super::{Access, Method, container, done};
use crate::control::Manager;
use crate::rpc::params::Params;
use crate::rpc::service::Outcome;

pub(super) const METHOD: Method = Method {
    name: "stopContainer",
    aliases: &[],
    access: Access::Change,
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> Outcome {
    manager.stop(&container(&manager, &params)?, params.flag("force")).await?;
    done()
}
