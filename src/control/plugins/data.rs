//! The `data` of a plugin as a typed value. The form was checked when the configuration was read; what is missing here is
//! an error and never an empty path.

use serde::de::{DeserializeOwned, Error as _};
use serde::{Deserialize, Deserializer};
use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};

/// Reads the data of a plugin; null stands for an empty object.
///
/// # Errors
/// [`ErrorKind::Config`] when it has another form.
pub(crate) fn read<T: DeserializeOwned>(data: &Value) -> Result<T> {
    let data = if data.is_null() { Value::Object(serde_json::Map::new()) } else { data.clone() };
    serde_json::from_value(data)
        .map_err(|error| Error::new(ErrorKind::Config, "the data is malformed").caused_by(error))
}

/// For a member that may be null: the default then.
///
/// # Errors
/// As those of the member's type.
pub(crate) fn or_default<'de, D, T>(deserializer: D) -> std::result::Result<T, D::Error>
where
    D: Deserializer<'de>,
    T: Deserialize<'de> + Default,
{
    Ok(Option::deserialize(deserializer)?.unwrap_or_default())
}

/// A whole number that is not negative, however JSON writes it (`8`, `8.0`, `8e0`).
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) struct Whole(pub(crate) u64);

impl<'de> Deserialize<'de> for Whole {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> std::result::Result<Self, D::Error> {
        let number = f64::deserialize(deserializer)?;
        if number < 0.0 || number.fract() != 0.0 {
            return Err(D::Error::custom(format!("{number} is not a whole number from 0 on")));
        }
        Ok(Self(number as u64))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[derive(Debug, PartialEq, Eq, Deserialize)]
    struct Data {
        path: String,
        size: Option<Whole>,
        #[serde(default, deserialize_with = "or_default")]
        names: Vec<String>,
    }

    #[test]
    fn what_is_missing_is_an_error_unless_it_may_be() {
        let data = read(&json!({"path": "/x", "size": 8.0, "names": null, "more": 1}));
        assert_eq!(data.ok(), Some(Data { path: "/x".to_owned(), size: Some(Whole(8)), names: Vec::new() }));
        for wrong in [json!({}), json!(null), json!({"path": 1}), json!({"path": "", "size": -1})] {
            assert_eq!(read::<Data>(&wrong).unwrap_err().kind(), ErrorKind::Config, "{wrong}");
        }
    }
}
