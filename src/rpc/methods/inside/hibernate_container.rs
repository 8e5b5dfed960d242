//! `hibernateContainer`: has memcr write the memory of a container's processes out; `onContainerStateChanged` reports how that ends.

use crate::control::{HibernateOptions, Manager};
use crate::rpc::errors::CallResult;
use crate::rpc::methods::common::{container, done};
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "hibernateContainer",
    aliases: &[],
    access: Access::Change,
    parameters: &[
        "containerId*",
        "options (text: dest=DIRECTORY, compress=lz4 or compress=zstd, with a comma between them)",
    ],
    result: &["success, once memcr is reached"],
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> CallResult {
    let id = container(&manager, &params)?;
    let options = HibernateOptions::parse(params.optional_text("options")?.unwrap_or_default())?;
    manager.hibernate(&id, options).await?;
    done()
}
