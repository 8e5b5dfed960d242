//! Why a bundle of an app's user is refused.

use serde_json::{Map, Value};

/// The user and the group that a bundle belongs to.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) struct Owner {
    pub(super) uid: u32,
    /// `None` where another than root may have chosen it.
    pub(super) gid: Option<u32>,
}

/// Why a bundle is refused.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Refused {
    /// What it asks for.
    pub(super) what: String,
    /// What to do.
    pub(super) advice: &'static str,
}

/// The advice where root's word is needed.
const ROOTS: &str = "give the bundle to root, whose bundles may ask for everything";

impl Refused {
    pub(super) fn new(what: impl Into<String>) -> Self {
        Self { what: what.into(), advice: ROOTS }
    }

    pub(super) fn advise(self, advice: &'static str) -> Self {
        Self { advice, ..self }
    }
}

pub(super) type Ruling = Result<(), Refused>;

/// The member as an object; absent and null are the same.
pub(super) fn object<'a>(key: &str, value: &'a Value) -> Result<&'a Map<String, Value>, Refused> {
    static EMPTY: std::sync::LazyLock<Map<String, Value>> = std::sync::LazyLock::new(Map::new);
    match value {
        Value::Null => Ok(&EMPTY),
        Value::Object(members) => Ok(members),
        _ => Err(Refused::new(format!("{key} is not an object"))),
    }
}

/// The member as a list; absent and null are the same.
pub(super) fn array<'a>(key: &str, value: &'a Value) -> Result<&'a [Value], Refused> {
    match value {
        Value::Null => Ok(&[]),
        Value::Array(items) => Ok(items),
        _ => Err(Refused::new(format!("{key} is not a list"))),
    }
}

/// Whether a member says nothing.
pub(super) fn is_empty(value: &Value) -> bool {
    match value {
        Value::Null => true,
        Value::Array(items) => items.is_empty(),
        Value::Object(members) => members.is_empty(),
        Value::String(text) => text.is_empty(),
        _ => false,
    }
}
