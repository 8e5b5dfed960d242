//! Thunder's Controller, as far as clients of the plugin use it.

use std::cell::Cell;

use serde_json::{Value, json};
use tokio::sync::broadcast;

use crate::rpc::api::Api;
use crate::rpc::errors::{CallResult, Fault, quoted};
use crate::rpc::identity::{CONTROLLER, PluginIdentity};
use crate::rpc::params::Params;

/// How many changes of state a slow subscriber may lag behind.
const MAX_LAG: usize = 16;
/// The methods that are answered.
const METHODS: [&str; 11] = [
    "activate",
    "configuration",
    "deactivate",
    "environment",
    "exists",
    "links",
    "register",
    "status",
    "subsystems",
    "unregister",
    "version",
];

/// The plugin changed its state; sent to subscribers of the Controller's `statechange`.
#[derive(Debug, Clone)]
pub struct StateChange {
    callsign: String,
}

impl StateChange {
    /// The parameters of the notification.
    #[must_use]
    pub fn to_json(&self) -> Value {
        json!({"callsign": self.callsign, "state": "Activated", "reason": "Requested"})
    }
}

/// The interface version of the plugin that this daemon stands in for.
fn plugin_version(api: Api) -> Value {
    json!({
        "hash": concat!("oci-minidump-", env!("CARGO_PKG_VERSION")),
        "major": 1,
        "minor": 0,
        "patch": api.patch(),
    })
}

/// The release of Thunder whose behaviour this is.
fn thunder_version() -> Value {
    json!({"hash": "", "major": 4, "minor": 4, "patch": 1})
}

/// The Controller in its own list.
fn controller_status() -> Value {
    json!({
        "callsign": CONTROLLER,
        "locator": "",
        "classname": CONTROLLER,
        "autostart": true,
        "startmode": "Activated",
        "state": "activated",
        "observers": 0,
        "module": "Application",
        "version": thunder_version(),
    })
}

fn unknown_plugin(callsign: &str) -> Fault {
    Fault::unknown_key(format!("there is no plugin {} here", quoted(callsign)))
}

/// The answer of `exists`: 0 or 22 for a bare name, as Thunder 4 means it; true or false for `{"method": name}`, as Thunder
/// 5 does.
pub(crate) fn exists(params: &Params, is_known: impl Fn(&str) -> bool) -> Value {
    match params.raw() {
        Value::String(name) => if is_known(name) { 0 } else { 22 }.into(),
        _ => params.get("method").and_then(Value::as_str).is_some_and(is_known).into(),
    }
}

/// The Controller: it activates the plugin and notifies subscribers.
#[derive(Debug)]
pub(crate) struct Controller {
    identity: PluginIdentity,
    active: Cell<bool>,
    changes: broadcast::Sender<StateChange>,
}

impl Controller {
    pub(crate) fn new(identity: PluginIdentity) -> Self {
        let active = Cell::new(identity.autostart);
        Self { identity, active, changes: broadcast::Sender::new(MAX_LAG) }
    }

    /// The plugin that it controls.
    pub(crate) fn identity(&self) -> &PluginIdentity {
        &self.identity
    }

    /// Whether the plugin answers.
    pub(crate) fn is_active(&self) -> bool {
        self.active.get()
    }

    /// The plugin's changes of state, from now on.
    pub(crate) fn state_changes(&self) -> broadcast::Receiver<StateChange> {
        self.changes.subscribe()
    }

    /// Answers a call.
    ///
    /// # Errors
    /// -32601 for methods that no client needs, 22 for a callsign that is not here.
    pub(crate) fn call(&self, method: &str, index: Option<&str>, params: &Params) -> CallResult {
        match method {
            "status" => self.status(index),
            "activate" => self.activate(params),
            "deactivate" => self.deactivate(params),
            "version" => Ok(thunder_version()),
            "configuration" => self.configuration(index),
            // What Thunder waits for before it activates a plugin: a box that runs this has it.
            "subsystems" => Ok(json!([{"subsystem": "Platform", "active": true}])),
            // Connections of others are not shown, nor the variables of the daemon's environment.
            "links" => Ok(json!([])),
            "environment" => {
                let name = quoted(index.unwrap_or_default());
                Err(Fault::unknown_key(format!("there is no variable {name} for clients")))
            }
            "exists" => Ok(exists(params, |name| METHODS.contains(&name))),
            _ => Err(Fault::unknown_method()),
        }
    }

    /// `status@callsign`: a list of one, as Thunder 4 gives; without a callsign, of all.
    fn status(&self, index: Option<&str>) -> CallResult {
        match index.filter(|index| !index.is_empty()) {
            None => Ok(json!([self.plugin_status(), controller_status()])),
            Some(CONTROLLER) => Ok(json!([controller_status()])),
            Some(callsign) if self.identity.is_own_callsign(callsign) => Ok(json!([self.plugin_status()])),
            Some(callsign) => Err(unknown_plugin(callsign)),
        }
    }

    /// `configuration@callsign`: what Thunder would hand to the plugin, which needs nothing.
    fn configuration(&self, index: Option<&str>) -> CallResult {
        match index.unwrap_or_default() {
            callsign if callsign == CONTROLLER || self.identity.is_own_callsign(callsign) => Ok(json!({})),
            callsign => Err(unknown_plugin(callsign)),
        }
    }

    fn plugin_status(&self) -> Value {
        let identity = &self.identity;
        json!({
            "callsign": identity.callsign,
            "locator": identity.locator,
            "classname": identity.classname,
            "autostart": identity.autostart,
            "startmode": if identity.autostart { "Activated" } else { "Deactivated" },
            "state": if self.is_active() { "activated" } else { "deactivated" },
            "observers": 0,
            "module": "Plugin_OCIContainer",
            "version": plugin_version(self.identity().api),
        })
    }

    /// `activate {callsign}`: always succeeds; subscribers are notified before the answer.
    fn activate(&self, params: &Params) -> CallResult {
        self.check_callsign(params)?;
        if !self.active.replace(true) {
            // Fails only without subscribers.
            let _no_subscribers = self.changes.send(StateChange { callsign: self.identity.callsign.clone() });
        }
        Ok(Value::Null)
    }

    /// `deactivate {callsign}`: accepted without effect, so that one client cannot disable the API for all others.
    /// Containers go on running in any case.
    fn deactivate(&self, params: &Params) -> CallResult {
        self.check_callsign(params)?;
        log::info!("a client asked to deactivate the plugin; it stays active");
        Ok(Value::Null)
    }

    fn check_callsign(&self, params: &Params) -> Result<(), Fault> {
        match params.get("callsign").and_then(Value::as_str) {
            Some(callsign) if self.identity.is_own_callsign(callsign) => Ok(()),
            Some(callsign) => Err(unknown_plugin(callsign)),
            None => Err(Fault::unknown_key("parameter callsign is missing")),
        }
    }
}
