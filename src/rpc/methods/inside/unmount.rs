//! `unmount`: takes out again what `mount` put into a container.

use std::path::Path;

use crate::control::Manager;
use crate::rpc::errors::CallResult;
use crate::rpc::methods::common::{container, done};
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "unmount",
    aliases: &[],
    access: Access::Change,
    parameters: &["containerId*", "target*"],
    result: &["success"],
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> CallResult {
    let id = container(&manager, &params)?;
    manager.unmount(&id, Path::new(params.text("target")?)).await?;
    done()
}
