//! The methods of the plugin: one file each, and the table of them all.

mod delete_container;
mod execute_command;
mod get_container_info;
mod get_container_logs;
mod get_container_state;
mod list_containers;
mod pause_container;
mod resume_container;
mod run_command;
mod start_container;
mod start_container_from_dobby_spec;
mod stop_container;
mod wait_container;

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use data_encoding::BASE64;
use serde_json::{Value, json};

use super::errors::Fault;
use super::params::Params;
use super::service::Outcome;
use crate::control::{ContainerId, ExitStatus, Manager};

/// Whether a method changes anything.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Access {
    /// It only looks; it ends when its client goes.
    Read,
    /// It changes something; once begun, it is carried out whether or not its client waits for it.
    Change,
    /// It changes something and lives as long as its client waits for it.
    Attached,
}

type Call = Pin<Box<dyn Future<Output = Outcome>>>;

/// One method of the plugin.
pub struct Method {
    /// Its name, without callsign and version.
    pub name: &'static str,
    /// Other names it goes by.
    pub aliases: &'static [&'static str],
    /// Whether it changes anything.
    pub access: Access,
    /// Carries it out.
    pub call: fn(Manager, Params) -> Call,
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}

/// Every method of the plugin.
pub static METHODS: [Method; 13] = [
    list_containers::METHOD,
    get_container_state::METHOD,
    get_container_info::METHOD,
    start_container::METHOD,
    start_container_from_dobby_spec::METHOD,
    stop_container::METHOD,
    pause_container::METHOD,
    resume_container::METHOD,
    execute_command::METHOD,
    delete_container::METHOD,
    wait_container::METHOD,
    get_container_logs::METHOD,
    run_command::METHOD,
];

/// The method of that name or alias; letter case counts.
#[must_use]
pub fn find(name: &str) -> Option<&'static Method> {
    METHODS.iter().find(|method| method.name == name || method.aliases.contains(&name))
}

/// Whether the plugin answers to `name`, built-ins included.
#[must_use]
pub fn is_known(name: &str) -> bool {
    matches!(name, "register" | "unregister" | "exists" | "versions") || find(name).is_some()
}

/// The container that parameter `containerId` names, by its id or its descriptor.
fn container(manager: &Manager, params: &Params) -> Result<ContainerId, Fault> {
    Ok(manager.resolve(params.text("containerId")?)?)
}

/// The result of a method that has nothing to tell.
fn done() -> Outcome {
    Ok(json!({"success": true}))
}

/// How output is put into JSON.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Encoding {
    /// As text; what is not UTF-8 is replaced.
    Text,
    /// In base64, byte for byte.
    Base64,
}

impl Encoding {
    /// Reads the optional parameter `encoding`.
    fn read(params: &Params) -> Result<Self, Fault> {
        match params.optional_text("encoding")? {
            None | Some("text") => Ok(Self::Text),
            Some("base64") => Ok(Self::Base64),
            Some(_) => Err(Fault::parameter("parameter encoding must be \"text\" or \"base64\"")),
        }
    }

    fn put(self, bytes: &[u8]) -> String {
        match self {
            Self::Text => String::from_utf8_lossy(bytes).into_owned(),
            Self::Base64 => BASE64.encode(bytes),
        }
    }
}

/// `exitCode` and `signal` of a result: one of them, or both null when nobody saw the end.
fn exit_members(exit: ExitStatus) -> (Value, Value) {
    match exit {
        ExitStatus::Code(code) => (code.into(), Value::Null),
        ExitStatus::Signal(signal) => (Value::Null, signal.into()),
        ExitStatus::Unknown => (Value::Null, Value::Null),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_name_of_the_contract_is_there() {
        for name in ["executeCommand", "execCommand", "execCommamd"] {
            assert_eq!(find(name).unwrap().name, "executeCommand");
        }
        assert!(find("deleteContainer").is_some());
        assert!(find("listcontainers").is_none());
        assert!(is_known("register") && !is_known(""));
    }
}
