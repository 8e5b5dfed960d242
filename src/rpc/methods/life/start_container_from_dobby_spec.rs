//! `startContainerFromDobbySpec`: starts a container from a legacy Dobby specification and gives its descriptor.
//!
//! Parameters: `containerId`, `dobbySpec` (an object, its JSON text, or the absolute path of its file); optional
//! `command`, `westerosSocket`, `envvar` (array of `NAME=value`).

use crate::control::{Manager, Source};
use crate::dobby::read::input::Input;
use crate::rpc::errors::CallResult;
use crate::rpc::errors::Fault;
use crate::rpc::methods::life::start_container;
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;

pub(crate) const METHOD: Method = Method {
    name: "startContainerFromDobbySpec",
    aliases: &[],
    access: Access::Change,
    parameters: &[
        "containerId*",
        "dobbySpec* (an object, its text, or the path of its file)",
        "command",
        "westerosSocket",
        "envvar",
        "terminal (as of startContainer)",
        "interactive (as of startContainer)",
    ],
    result: &["descriptor", "success"],
    call: |manager, params| Box::pin(call(manager, params)),
};

async fn call(manager: Manager, params: Params) -> CallResult {
    let spec = params.get("dobbySpec").ok_or_else(|| Fault::parameter("parameter dobbySpec is missing"))?;
    let source = Source::Spec(Input::new(spec)?);
    start_container::start(manager, &params, source).await
}
