//! The methods of Dobby's interface, in a table. From the bottom up:
//!
//! - [`method`]: what a method is, and how its arguments are read.
//! - `admin`: the daemon itself; `debug`: for those who look for mistakes.
//! - `start`: starts; `ctrl`: stops, freezes, looks; `inside`: changes a container that runs.

mod admin;
mod ctrl;
mod debug;
mod inside;
pub(crate) mod method;
mod start;

use crate::dbus::methods::method::Method;

/// Every method.
pub(crate) fn all() -> impl Iterator<Item = &'static Method> {
    [admin::METHODS, start::METHODS, ctrl::METHODS, inside::METHODS, debug::METHODS].into_iter().flatten()
}

/// The method of that name; a call need not name an interface.
pub(crate) fn find(interface: Option<&str>, name: &str) -> Option<&'static Method> {
    all().find(|method| method.name == name && interface.is_none_or(|wanted| wanted == method.interface))
}
