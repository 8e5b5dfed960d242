//! `annotate`: makes an annotation on a container, which getContainerInfo shows for as long as the container exists.

use crate::control::Manager;
use crate::rpc::errors::CallResult;
use crate::rpc::methods::common::{container, done};
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "annotate",
    aliases: &[],
    access: Access::Change,
    parameters: &["containerId*", "key* (at most 256 bytes)", "value* (at most 4096 bytes)"],
    result: &["success"],
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> CallResult {
    let id = container(&manager, &params)?;
    manager.annotate(&id, params.text("key")?, params.text("value")?).await?;
    done()
}
