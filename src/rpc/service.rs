//! From a message to its answer: which method is called, whether that is allowed, and the response.

use std::rc::Rc;

use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::control::Manager;
use crate::rpc::controller::{Controller, StateChange, exists};
use crate::rpc::designator::{Designator, Version};
use crate::rpc::envelope::{self, Entry, Message, Request};
use crate::rpc::errors::{CallResult, Fault, quoted};
use crate::rpc::id::Id;
use crate::rpc::identity::{PluginIdentity, Target};
use crate::rpc::methods;
use crate::rpc::methods::method::{Access, Method};
use crate::rpc::params::Params;
use crate::rpc::streams::{OpenStream, Streams, is_stream};
use crate::rpc::subscriptions::Subscriptions;

/// The API: one for the whole daemon.
#[derive(Debug)]
pub struct Service {
    manager: Manager,
    controller: Controller,
}

/// The origin of a message, with all that its answer depends on.
#[derive(Debug)]
pub struct Caller<'a> {
    /// The client, in words for the log.
    pub name: &'a str,
    /// Whom the URL's path names.
    pub target: Target,
    /// The subscriptions of a WebSocket; plain HTTP has none.
    pub subscriptions: Option<&'a mut Subscriptions>,
    /// The streams of a WebSocket; plain HTTP has none.
    pub streams: Option<&'a mut Streams>,
    /// Whether only methods that change nothing are allowed.
    pub read_only: bool,
    /// Whether errors name their kind, for the command line `ocicontainer`.
    pub with_error_kinds: bool,
}

/// A message whose calls are decided on; [`Work::run`] carries them out.
#[derive(Debug)]
pub struct Work {
    steps: Vec<(Id, Step)>,
    batch: bool,
    with_error_kinds: bool,
}

/// One call of a message.
#[derive(Debug)]
enum Step {
    Done(CallResult),
    Call(&'static Method, Params),
    Stream(Box<OpenStream>),
}

impl Service {
    /// The API in front of `manager`.
    #[must_use]
    pub fn new(manager: Manager, identity: PluginIdentity) -> Rc<Self> {
        Rc::new(Self { manager, controller: Controller::new(identity) })
    }

    /// The containers behind the API.
    #[must_use]
    pub fn manager(&self) -> &Manager {
        &self.manager
    }

    /// The plugin as clients see it.
    #[must_use]
    pub fn identity(&self) -> &PluginIdentity {
        self.controller.identity()
    }

    /// Whether the plugin answers.
    #[must_use]
    pub fn is_active(&self) -> bool {
        self.controller.is_active()
    }

    /// The plugin's own changes of state, from now on.
    #[must_use]
    pub fn state_changes(&self) -> broadcast::Receiver<StateChange> {
        self.controller.state_changes()
    }

    /// Reads one body or frame and decides on each of its calls. Subscriptions change here and now, in order.
    ///
    /// # Errors
    /// -32700 or -32600: nothing in it can be answered by itself.
    pub fn accept(&self, bytes: &[u8], caller: &mut Caller<'_>) -> Result<Work, Fault> {
        let with_error_kinds = caller.with_error_kinds;
        let (entries, batch) = match envelope::parse(bytes)? {
            Message::Single(entry) => (vec![entry], false),
            Message::Batch(entries) => (entries, true),
        };
        if batch {
            // The answers of a batch come together, at the end of all its calls.
            caller.streams = None;
        }
        let steps = entries.into_iter().map(|entry| self.decide(entry, caller)).collect();
        Ok(Work { steps, batch, with_error_kinds })
    }

    fn decide(&self, entry: Entry, caller: &mut Caller<'_>) -> (Id, Step) {
        match entry {
            Err(fault) => (Id::null(), Step::Done(Err(fault))),
            Ok(Request { id, method, params }) => {
                let params = Params::new(params).for_api(self.identity().api);
                let step = self.route(&method, params, caller);
                (id, step.unwrap_or_else(|fault| Step::Done(Err(fault))))
            }
        }
    }

    fn route(&self, text: &str, params: Params, caller: &mut Caller<'_>) -> Result<Step, Fault> {
        let designator = Designator::parse(text);
        // At the plugin's own path it looks only at what follows the callsign.
        let target = match caller.target {
            Target::Plugin => Target::Plugin,
            Target::Controller => self
                .identity()
                .target(designator.callsign)
                .ok_or_else(|| Fault::unknown_callsign(designator.callsign))?,
        };
        if target == Target::Plugin && !self.is_active() {
            return Err(Fault::inactive());
        }
        if let Some(done) = subscribe(target, designator.method, &params, caller) {
            return done.map(|result| Step::Done(Ok(result)));
        }
        if designator.version == Version::Unsupported {
            return Err(Fault::unsupported_version());
        }
        match target {
            Target::Controller => {
                let outcome = self.controller.call(designator.method, designator.index, &params)?;
                Ok(Step::Done(Ok(outcome)))
            }
            Target::Plugin => plugin_call(&self.manager, designator.method, params, caller),
        }
    }
}

/// `register` and `unregister`, whose version Thunder 4.4 does not check. Without a connection for notifications they do nothing.
fn subscribe(target: Target, method: &str, params: &Params, caller: &mut Caller<'_>) -> Option<CallResult> {
    match (method, &mut caller.subscriptions) {
        ("register", Some(subscriptions)) => Some(subscriptions.register(target, params)),
        ("unregister", Some(subscriptions)) => Some(subscriptions.unregister(target, params)),
        ("register" | "unregister", None) => Some(Ok(0.into())),
        _ => None,
    }
}

/// A call to the plugin: the built-ins that Thunder gives every plugin, then its methods.
fn plugin_call(
    manager: &Manager,
    name: &str,
    params: Params,
    caller: &mut Caller<'_>,
) -> Result<Step, Fault> {
    match name {
        "versions" => return Ok(Step::Done(Ok(json!([])))),
        "exists" => return Ok(Step::Done(Ok(exists(&params, methods::is_known)))),
        _ => {}
    }
    let method = methods::find(name).ok_or_else(Fault::unknown_method)?;
    if caller.read_only && method.access != Access::Read {
        return Err(Fault::not_permitted("this address is read-only; use the Unix socket"));
    }
    if method.access != Access::Read {
        let container = params.get("containerId").and_then(Value::as_str).unwrap_or_default();
        log::info!("{} calls {} for {}", caller.name, method.name, quoted(container));
    }
    match &mut caller.streams {
        Some(streams) if is_stream(method) => {
            streams.open(manager, method.name, &params).map(|stream| Step::Stream(Box::new(stream)))
        }
        _ => Ok(Step::Call(method, params)),
    }
}

impl Work {
    /// Whether the work ends when its client has gone.
    #[must_use]
    pub fn cancellable(&self) -> bool {
        !self
            .steps
            .iter()
            .any(|(_, step)| matches!(step, Step::Call(method, _) if method.access == Access::Change))
    }

    /// Whether it does more than look or wait: its outcome must be known.
    #[must_use]
    pub fn acts(&self) -> bool {
        self.steps
            .iter()
            .any(|(_, step)| matches!(step, Step::Call(method, _) if method.access != Access::Read))
            || self.is_stream()
    }

    /// Whether it is a command with streams, which has a limit of its own.
    #[must_use]
    pub fn is_stream(&self) -> bool {
        self.steps.iter().any(|(_, step)| matches!(step, Step::Stream(_)))
    }

    /// Whether every answer is known already, without carrying out anything.
    #[must_use]
    pub fn is_decided(&self) -> bool {
        self.steps.iter().all(|(_, step)| matches!(step, Step::Done(_)))
    }

    /// Carries out the calls, one after the other, and gives the answer; `None` when none is wanted.
    pub async fn run(self, service: Rc<Service>) -> Option<String> {
        let mut replies = Vec::new();
        for (id, step) in self.steps {
            let outcome = match step {
                Step::Done(outcome) => outcome,
                Step::Call(method, params) => {
                    (method.call)(service.manager().clone(), params).await.map(envelope::with_reason)
                }
                Step::Stream(stream) => stream.run(service.manager()).await.map(envelope::with_reason),
            };
            let outcome =
                if self.with_error_kinds { outcome.map_err(Fault::with_error_kind) } else { outcome };
            replies.extend(envelope::reply(&id, &outcome));
        }
        if self.batch && !replies.is_empty() {
            return Some(format!("[{}]", replies.join(",")));
        }
        replies.pop()
    }
}
