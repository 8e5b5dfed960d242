//! The API of Thunder's `org.rdk.OCIContainer` plugin: requests, dispatch and responses.
//!
//! The bytes on the wire are those of Thunder 4.4. Where Thunder sends nothing at all (a parse error, an id that is a
//! string), JSON-RPC 2.0 says what to do.
//!
//! From the bottom up:
//!
//! - [`api`]: the versions of the interface.
//! - [`errors`]: failures as a client sees them.
//! - [`id`]: the id of a request; [`envelope`]: requests and responses as JSON.
//! - [`designator`]: how the member `method` is read; [`params`]: how the parameters are read.
//! - [`identity`]: the callsign of the plugin; [`controller`]: Thunder's Controller.
//! - [`subscriptions`]: the events that a connection wants.
//! - [`methods`]: the methods of the plugin; [`streams`]: commands whose input and output are frames of a connection.
//! - [`service`]: from a message to its answer.

pub mod api;
pub mod controller;
pub mod designator;
pub mod envelope;
pub mod errors;
pub mod id;
pub mod identity;
pub mod methods;
pub mod params;
pub mod service;
pub mod streams;
pub mod subscriptions;
