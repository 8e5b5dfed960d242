//! The subscriptions of one connection, and its notifications.

use serde_json::{Value, json};

use crate::control::{Event, Since};
use crate::rpc::api::Api;
use crate::rpc::controller::StateChange;
use crate::rpc::envelope::notification;
use crate::rpc::errors::Fault;
use crate::rpc::identity::Target;
use crate::rpc::params::Params;

/// The longest name of an event, and prefix of its notifications.
const MAX_NAME_BYTES: usize = 1024;
/// The most subscriptions of one connection.
const MAX_SUBSCRIPTIONS: usize = 64;

/// The subscriptions of one connection, in the order of their registration. They die with it.
#[derive(Debug, Default)]
pub struct Subscriptions {
    entries: Vec<Registration>,
    /// How many there ever were.
    count: usize,
    /// The interface that the notifications are for.
    api: Api,
}

/// One subscription. Its key is all but `since`.
#[derive(Debug)]
struct Registration {
    source: Target,
    event: String,
    prefix: String,
    /// The number of the event that the client saw last.
    since: Option<u64>,
    /// Its number among all that there ever were on this connection.
    serial: usize,
}

impl Registration {
    /// Reads the parameters of `register` and `unregister`: `event`, in `id` the prefix of the notifications, and `since`.
    fn read(source: Target, params: &Params, serial: usize) -> Result<Self, Fault> {
        let text = |name| {
            let text = match params.get(name) {
                Some(Value::String(text)) => text.clone(),
                Some(other) => other.to_string(),
                None => String::new(),
            };
            // It is sent again with each event.
            if text.len() > MAX_NAME_BYTES {
                let what = format!("parameter {name} is longer than {MAX_NAME_BYTES} bytes");
                return Err(Fault::parameter(what));
            }
            Ok(text)
        };
        let since = params.count("since", u64::MAX)?;
        Ok(Self { source, event: text("event")?, prefix: text("id")?, since, serial })
    }

    fn is_same(&self, other: &Self) -> bool {
        (self.source, &self.event, &self.prefix) == (other.source, &other.event, &other.prefix)
    }

    fn wants(&self, source: Target, event: &str) -> bool {
        self.source == source && self.event == event
    }
}

impl Subscriptions {
    /// None yet, for clients of an interface.
    #[must_use]
    pub fn of(api: Api) -> Self {
        Self { api, ..Self::default() }
    }

    /// Adds a subscription. Unknown event names are accepted, as with Thunder.
    ///
    /// # Errors
    /// It is there already, or the connection has too many.
    pub fn register(&mut self, source: Target, params: &Params) -> Result<Value, Fault> {
        let wanted = Registration::read(source, params, self.count)?;
        if self.entries.iter().any(|entry| entry.is_same(&wanted)) {
            return Err(Fault::registered_already());
        }
        if self.entries.len() >= MAX_SUBSCRIPTIONS {
            let why = format!("a connection can have {MAX_SUBSCRIPTIONS} subscriptions");
            return Err(Fault::parameter(why));
        }
        self.entries.push(wanted);
        self.count += 1;
        Ok(0.into())
    }

    /// Removes a subscription.
    ///
    /// # Errors
    /// There is none of that event and prefix.
    pub fn unregister(&mut self, source: Target, params: &Params) -> Result<Value, Fault> {
        let unwanted = Registration::read(source, params, 0)?;
        let index = self.entries.iter().position(|entry| entry.is_same(&unwanted));
        self.entries.remove(index.ok_or_else(Fault::not_registered)?);
        Ok(0.into())
    }

    /// Whether there are none.
    #[must_use]
    pub fn is_empty(&self) -> bool {
        self.entries.is_empty()
    }

    /// How many there ever were: those that come later are after this.
    #[must_use]
    pub fn count(&self) -> usize {
        self.count
    }

    /// The notifications of a container's event for this connection.
    #[must_use]
    pub fn messages(&self, number: u64, event: &Event) -> Vec<String> {
        let (name, params) = numbered(number, event, self.api);
        render(self.entries.iter(), Target::Plugin, name, &params)
    }

    /// The same, but only for those after the first `known` subscriptions, and not for those that said what they saw last.
    #[must_use]
    pub fn messages_after(&self, known: usize, number: u64, event: &Event) -> Vec<String> {
        let (name, params) = numbered(number, event, self.api);
        let entries = self.entries.iter().filter(|entry| entry.serial >= known && entry.since.is_none());
        render(entries, Target::Plugin, name, &params)
    }

    /// The notifications for those after the first `known` subscriptions that said what they saw last: of what came `since`,
    /// and before it of what is not known any more.
    pub async fn messages_since(&self, known: usize, since: impl AsyncFn(u64) -> Since) -> Vec<String> {
        let new = self.entries.iter().filter(|entry| entry.serial >= known);
        let mut messages = Vec::new();
        for (entry, number) in new.filter_map(|entry| Some((entry, entry.since?))) {
            let Since { events, complete } = since(number).await;
            if !complete {
                let first = events.first().map(|(number, _)| *number);
                let lost = json!({"since": number, "first": first});
                messages.push(notification(&format!("{}.onEventsLost", entry.prefix), &lost));
            }
            for (number, event) in events {
                let (name, params) = numbered(number, &event, self.api);
                messages.extend(render(std::iter::once(entry), Target::Plugin, name, &params));
            }
        }
        messages
    }

    /// The notifications of a change of the plugin's state for this connection.
    #[must_use]
    pub fn state_messages(&self, change: &StateChange) -> Vec<String> {
        render(self.entries.iter(), Target::Controller, "statechange", &change.to_json())
    }
}

fn render<'a>(
    entries: impl Iterator<Item = &'a Registration>,
    source: Target,
    event: &str,
    params: &Value,
) -> Vec<String> {
    let wanted = entries.filter(|entry| entry.wants(source, event));
    wanted.map(|entry| notification(&format!("{}.{event}", entry.prefix), params)).collect()
}

/// An event's name and parameters, with its number, which a client says when it comes back.
pub(crate) fn numbered(number: u64, event: &Event, api: Api) -> (&'static str, Value) {
    let (name, mut params) = describe(event, api);
    params["sequence"] = number.into();
    (name, params)
}

/// An event's name and parameters, in Thunder's shape: the descriptor is text, but for a failure, where it is a number.
/// `containerId` and `error` are those of interface 1.0.8.
fn describe(event: &Event, api: Api) -> (&'static str, Value) {
    let id = event.container().as_str();
    match event {
        Event::Started { descriptor, .. } => {
            let params = json!({"descriptor": descriptor.to_string(), "name": id, "containerId": id});
            ("onContainerStarted", params)
        }
        Event::Stopped { descriptor, .. } => {
            let params = json!({"descriptor": descriptor.to_string(), "name": id, "containerId": id});
            ("onContainerStopped", params)
        }
        Event::Failed { descriptor, error_code, .. } => {
            let params = json!({
                "descriptor": descriptor,
                "name": id,
                "errorCode": error_code,
                "containerId": id,
                "error": error_code,
            });
            ("onContainerFailed", params)
        }
        Event::StateChanged { state, .. } => {
            let params = json!({"containerId": id, "name": id, "state": api.state(*state)});
            ("onContainerStateChanged", params)
        }
        Event::Minidump { path, size, truncated, record, .. } => {
            let path = path.to_string_lossy();
            let mut params =
                json!({"name": id, "path": path, "size": size, "truncated": truncated, "containerId": id});
            if let Some(record) = record {
                params["record"] = json!(record);
            }
            ("onMinidump", params)
        }
        Event::CrashLoop { count, since, .. } => {
            let params = json!({"name": id, "count": count, "since": since, "containerId": id});
            ("onCrashLoop", params)
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn params(text: &str) -> Params {
        Params::new(serde_json::from_str(text).unwrap())
    }

    /// They are sent again with each event.
    #[test]
    fn names_that_are_too_long_are_refused() {
        let read = |length: usize| {
            let text = json!({"event": "onContainerStarted", "id": "x".repeat(length)}).to_string();
            Registration::read(Target::Plugin, &params(&text), 0)
        };
        assert!(read(MAX_NAME_BYTES).is_ok() && read(MAX_NAME_BYTES + 1).is_err());
    }

    #[test]
    fn subscribers_are_told_in_the_order_of_their_registration() {
        let mut subscriptions = Subscriptions::default();
        let mut add = |text| subscriptions.register(Target::Plugin, &params(text));
        assert_eq!(add(r#"{"event":"onContainerStarted","id":"client.events.1"}"#), Ok(0.into()));
        assert_eq!(add(r#"{"event":"onContainerStarted","id":1}"#), Ok(0.into()));
        assert_eq!(add(r#"{"event":"onContainerStarted"}"#), Ok(0.into()));
        assert_eq!(add(r#"{"event":"onContainerStarted","id":"1"}"#), Err(Fault::registered_already()));
        let event = Event::Started { id: "x".parse().unwrap(), descriptor: 91 };
        let heard = subscriptions.messages(17, &event);
        let expected = ["client.events.1.", "1.", "."].map(|prefix| {
            format!(
                "{{\"jsonrpc\":\"2.0\",\"method\":\"{prefix}onContainerStarted\",\
                 \"params\":{{\"descriptor\":\"91\",\"name\":\"x\",\"containerId\":\"x\",\"sequence\":17}}}}"
            )
        });
        assert_eq!(heard, expected);
        let gone = params(r#"{"event":"onContainerStarted","id":1}"#);
        assert_eq!(subscriptions.unregister(Target::Plugin, &gone), Ok(0.into()));
        assert_eq!(subscriptions.unregister(Target::Plugin, &gone), Err(Fault::not_registered()));
        assert_eq!(subscriptions.messages(18, &event).len(), 2);
    }
}
