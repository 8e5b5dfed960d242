//! What a method of the plugin is.

use std::fmt;
use std::future::Future;
use std::pin::Pin;

use crate::control::Manager;
use crate::rpc::errors::CallResult;
use crate::rpc::params::Params;

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

/// A call under way.
pub(crate) type Call = Pin<Box<dyn Future<Output = CallResult>>>;

/// One method of the plugin.
pub struct Method {
    /// Its name, without callsign and version.
    pub name: &'static str,
    /// Other names it goes by.
    pub aliases: &'static [&'static str],
    /// Whether it changes anything.
    pub access: Access,
    /// Its parameters with what must be said of each, for manual pages and generated clients; `*` marks those that must be given.
    pub parameters: &'static [&'static str],
    /// The members of its result, for manual pages and generated clients.
    pub result: &'static [&'static str],
    /// Carries it out.
    pub call: fn(Manager, Params) -> Call,
}

impl fmt::Debug for Method {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.name)
    }
}
