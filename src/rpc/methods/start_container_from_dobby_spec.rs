//! `startContainerFromDobbySpec`: starts a container from a legacy Dobby specification.
//!
//! Parameters: `containerId`, `dobbySpec` (an object, or its JSON text); optional `command`, `westerosSocket`.

use serde_json::{Map, Value};

use super::{Access, Method};
use crate::control::{ContainerId, Manager};
use crate::error::{Error, ErrorKind};
use crate::rpc::errors::Fault;
use crate::rpc::params::Params;
use crate::rpc::service::Outcome;

pub(super) const METHOD: Method = Method {
    name: "startContainerFromDobbySpec",
    aliases: &[],
    access: Access::Change,
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(_manager: Manager, params: Params) -> Outcome {
    let _id: ContainerId = params.text("containerId")?.parse()?;
    let _spec = spec(&params)?;
    let why = "cannot start a container from a Dobby specification: this version reads OCI bundles only";
    Err(Error::new(ErrorKind::Unsupported, why).advise("make a bundle of it and use startContainer").into())
}

/// The specification: an object, or JSON text of one.
fn spec(params: &Params) -> Result<Map<String, Value>, Fault> {
    let refuse = || Fault::parameter("parameter dobbySpec must be an object or its JSON text");
    match params.get("dobbySpec") {
        Some(Value::Object(spec)) => Ok(spec.clone()),
        Some(Value::String(text)) => serde_json::from_str(text).map_err(|_| refuse()),
        Some(_) => Err(refuse()),
        None => Err(Fault::parameter("parameter dobbySpec is missing")),
    }
}
