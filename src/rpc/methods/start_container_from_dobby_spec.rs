//! `startContainerFromDobbySpec`: starts a container from a legacy Dobby specification and gives its descriptor.
//!
//! Parameters: `containerId`, `dobbySpec` (an object, its JSON text, or the absolute path of its file); optional
//! `command`, `westerosSocket`, `envvar` (array of `NAME=value`).

use super::{Access, Method, start_container};
use crate::control::{Manager, Source};
use crate::dobby::Input;
use crate::rpc::errors::Fault;
use crate::rpc::params::Params;
use crate::rpc::service::Outcome;

pub(super) const METHOD: Method = Method {
    name: "startContainerFromDobbySpec",
    aliases: &[],
    access: Access::Change,
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> Outcome {
    let spec = params.get("dobbySpec").ok_or_else(|| Fault::parameter("parameter dobbySpec is missing"))?;
    let source = Source::Spec(Input::new(spec)?);
    start_container::start(manager, &params, source).await
}
