//! The API of Thunder's `org.rdk.OCIContainer` plugin: what is asked, by whom it is answered, and in which words.
//!
//! The bytes on the wire are those of Thunder 4.4. Where Thunder says nothing at all (a parse error, an id that is a
//! string), JSON-RPC 2.0 says what to do.

pub mod controller;
pub mod designator;
pub mod envelope;
pub mod errors;
pub mod id;
pub mod methods;
pub mod params;
pub mod plugin;
pub mod service;
pub mod subscriptions;

pub use errors::Fault;
pub use plugin::Plugin;
pub use service::Service;
