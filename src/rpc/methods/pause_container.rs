//! `pauseContainer`: freezes a running container.

use super::{Access, Method, container, done};
use crate::control::Manager;
use crate::rpc::params::Params;
use crate::rpc::service::Outcome;

pub(super) const METHOD: Method = Method {
    name: "pauseContainer",
    aliases: &[],
    access: Access::Change,
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> Outcome {
    manager.pause(&container(&manager, &params)?).await?;
    done()
}
