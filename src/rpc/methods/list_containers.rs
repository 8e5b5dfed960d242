//! `listContainers`: all containers, by descriptor and id. No parameters.

use serde_json::json;

use super::{Access, Method};
use crate::control::{Listed, Manager};
use crate::rpc::params::Params;
use crate::rpc::service::Outcome;

pub(super) const METHOD: Method = Method {
    name: "listContainers",
    aliases: &[],
    access: Access::Read,
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, _params: Params) -> Outcome {
    let entry = |listed: &Listed| json!({"Descriptor": listed.descriptor, "Id": listed.id.as_str()});
    let containers: Vec<_> = manager.list().iter().map(entry).collect();
    Ok(json!({"containers": containers, "success": true}))
}
