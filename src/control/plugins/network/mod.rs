//! The network of a container.

mod access;
mod addresses;
mod firewall;
pub(crate) mod httpproxy;
pub(crate) mod nat;
mod netlink;
pub(crate) mod networking;
pub(crate) mod resolv_conf;
mod rules;
mod wishes;
