//! The network of a container.

pub(crate) mod httpproxy;
pub(crate) mod nat;
pub(crate) mod networking;
pub(crate) mod resolv_conf;
