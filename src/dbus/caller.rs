//! Who calls, and whether that user may.

use std::collections::HashMap;
use std::fmt;

use zbus::Connection;
use zbus::names::UniqueName;
use zbus::zvariant::{OwnedValue, Value};

use crate::dbus::{broken, broker};
use crate::error::{Error, ErrorKind, Result};

/// The users that may call: those that may use the Unix socket, too.
#[derive(Debug, Clone, Default)]
pub struct Allowed {
    /// By user id.
    pub uids: Vec<u32>,
    /// The members of this group.
    pub group: Option<u32>,
}

/// The process at the other end.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Caller {
    uid: u32,
    gids: Vec<u32>,
    pid: u32,
}

impl Caller {
    /// Asks the bus who has the name `sender`.
    ///
    /// # Errors
    /// The client has gone, or the bus does not know its user.
    pub(crate) async fn ask(connection: &Connection, sender: &UniqueName<'_>) -> Result<Self> {
        let what = "cannot determine the calling user";
        let reply = broker::ask(connection, what, "GetConnectionCredentials", sender).await?;
        let body = reply.body();
        let known: HashMap<String, OwnedValue> = body.deserialize().map_err(|error| broken(what, error))?;
        let number = |name: &str| match known.get(name).map(|value| &**value) {
            Some(Value::U32(number)) => Some(*number),
            _ => None,
        };
        let uid = number("UnixUserID").ok_or_else(|| Error::new(ErrorKind::Unsupported, what))?;
        let gids = known.get("UnixGroupIDs").and_then(|gids| gids.try_clone().ok());
        let gids = gids.and_then(|gids| Vec::<u32>::try_from(gids).ok()).unwrap_or_default();
        Ok(Self { uid, gids, pid: number("ProcessID").unwrap_or_default() })
    }

    /// Whether that process may call.
    pub(crate) fn may_call(&self, allowed: &Allowed) -> bool {
        allowed.uids.contains(&self.uid) || allowed.group.is_some_and(|group| self.gids.contains(&group))
    }
}

impl fmt::Display for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "user {} over D-Bus (process {})", self.uid, self.pid)
    }
}
