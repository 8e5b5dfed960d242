//! `listContainers`: lists all containers, by descriptor and id.

use serde_json::json;

use crate::control::{Listed, Manager};
use crate::rpc::errors::CallResult;
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "listContainers",
    aliases: &[],
    access: Access::Read,
    parameters: &[],
    result: &["containers (Descriptor and Id of each)", "success"],
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, _params: Params) -> CallResult {
    let entry = |listed: &Listed| json!({"Descriptor": listed.descriptor, "Id": listed.id.as_str()});
    let containers: Vec<_> = manager.list().iter().map(entry).collect();
    Ok(json!({"containers": containers, "success": true}))
}
