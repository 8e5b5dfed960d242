//! Reads the parameters of a call, with a reason for everything that is refused.

use std::time::Duration;

use serde_json::{Map, Value};

use crate::rpc::api::Api;
use crate::rpc::errors::Fault;

/// The parameters of one call.
#[derive(Debug, Clone)]
pub struct Params {
    raw: Value,
    /// The interface that the answer is for.
    pub api: Api,
}

impl Params {
    /// The `params` member as sent.
    #[must_use]
    pub fn new(raw: Value) -> Self {
        Self { raw, api: Api::default() }
    }

    /// The same parameters, of a client of this interface.
    #[must_use]
    pub fn for_api(self, api: Api) -> Self {
        Self { api, ..self }
    }

    /// The member as sent, for the few built-ins that take a bare string.
    #[must_use]
    pub fn raw(&self) -> &Value {
        &self.raw
    }

    /// One parameter. As with Thunder, anything but an object counts as an empty object, and null as absent.
    #[must_use]
    pub fn get(&self, name: &str) -> Option<&Value> {
        self.raw.as_object().and_then(|object: &Map<_, _>| object.get(name)).filter(|value| !value.is_null())
    }

    /// A string that must be there.
    ///
    /// # Errors
    /// It is missing or not a string.
    pub fn text(&self, name: &str) -> Result<&str, Fault> {
        match self.get(name) {
            Some(Value::String(text)) => Ok(text),
            Some(_) => Err(Fault::parameter(format!("parameter {name} must be a string"))),
            None => Err(Fault::parameter(format!("parameter {name} is missing"))),
        }
    }

    /// A string that may be absent; the empty string and the literal text `null` count as absent too, as with Thunder.
    ///
    /// # Errors
    /// It is there and not a string.
    pub fn optional_text(&self, name: &str) -> Result<Option<&str>, Fault> {
        if self.get(name).is_none() {
            return Ok(None);
        }
        self.text(name).map(|text| Some(text).filter(|text| !matches!(*text, "" | "null")))
    }

    /// A flag, false when absent. The texts `true` and `false` count, too: RDK's own test suite sends one.
    ///
    /// # Errors
    /// It is there and anything else.
    pub fn flag(&self, name: &str) -> Result<bool, Fault> {
        match self.get(name) {
            None => Ok(false),
            Some(Value::Bool(flag)) => Ok(*flag),
            Some(Value::String(text)) if ["true", "false"].contains(&text.as_str()) => Ok(text == "true"),
            Some(_) => Err(Fault::parameter(format!("parameter {name} must be true or false"))),
        }
    }

    /// An array of strings; empty when absent.
    ///
    /// # Errors
    /// It is there and anything else.
    pub fn texts(&self, name: &str) -> Result<Vec<String>, Fault> {
        let refuse = || Fault::parameter(format!("parameter {name} must be an array of strings"));
        match self.get(name) {
            None => Ok(Vec::new()),
            Some(Value::Array(items)) => {
                items.iter().map(|item| item.as_str().map(str::to_owned).ok_or_else(refuse)).collect()
            }
            Some(_) => Err(refuse()),
        }
    }

    /// A whole number of at most `max`; `None` when absent.
    ///
    /// # Errors
    /// It is there and anything else.
    pub fn count(&self, name: &str, max: u64) -> Result<Option<u64>, Fault> {
        match self.get(name).map(|value| value.as_u64().filter(|number| *number <= max)) {
            None => Ok(None),
            Some(Some(number)) => Ok(Some(number)),
            Some(None) => {
                Err(Fault::parameter(format!("parameter {name} must be a whole number up to {max}")))
            }
        }
    }

    /// A duration in milliseconds of at most a day; `None` when absent.
    ///
    /// # Errors
    /// It is there and anything else.
    pub fn milliseconds(&self, name: &str) -> Result<Option<Duration>, Fault> {
        Ok(self.count(name, 86_400_000)?.map(Duration::from_millis))
    }
}
