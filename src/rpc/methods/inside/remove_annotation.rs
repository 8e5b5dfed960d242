//! `removeAnnotation`: removes an annotation of a container.

use crate::control::Manager;
use crate::rpc::errors::CallResult;
use crate::rpc::methods::common::{container, done};
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "removeAnnotation",
    aliases: &[],
    access: Access::Change,
    parameters: &["containerId*", "key*"],
    result: &["success"],
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> CallResult {
    let id = container(&manager, &params)?;
    manager.remove_annotation(&id, params.text("key")?).await?;
    done()
}
