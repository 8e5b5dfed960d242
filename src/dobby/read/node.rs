//! A value of the spec together with its place: every check notes its mistake there and goes on.

use std::fmt::Display;
use std::ops::RangeInclusive;

use serde_json::{Map, Value};

use crate::dobby::read::problems::{Findings, Problem};
use crate::log::{cut, escape, shown};

/// A value and where it stands.
#[derive(Debug, Clone)]
pub(crate) struct Node<'a> {
    at: String,
    value: &'a Value,
    findings: &'a Findings,
}

impl<'a> Node<'a> {
    /// The value at `at`.
    pub(crate) fn new(at: impl Into<String>, value: &'a Value, findings: &'a Findings) -> Self {
        Self { at: at.into(), value, findings }
    }

    /// The value itself.
    pub(crate) fn value(&self) -> &'a Value {
        self.value
    }

    /// Notes that the value breaks a rule.
    pub(crate) fn wrong(&self, rule: impl Display) {
        let value = Some(shown(self.value));
        self.findings.wrong(Problem { field: self.at.clone(), value, rule: rule.to_string() });
    }

    /// Notes that the value is odd.
    pub(crate) fn warn(&self, what: impl Display) {
        self.findings.warn(format!("{}: {} {what}", self.at, shown(self.value)));
    }

    /// The member `key`, whatever it is.
    pub(crate) fn member(&self, key: &str) -> Option<Self> {
        let value = self.value.get(key)?;
        let name = cut(&escape(key));
        let at = if self.at.is_empty() { name } else { format!("{}.{name}", self.at) };
        Some(Self { at, value, findings: self.findings })
    }

    /// The member `key`, unless it is null, which stands for nothing there.
    pub(crate) fn given(&self, key: &str) -> Option<Self> {
        self.member(key).filter(|member| !member.value.is_null())
    }

    /// The member `key`, which must be there.
    pub(crate) fn need(&self, key: &str) -> Option<Self> {
        let member = self.member(key);
        if member.is_none() {
            let field = if self.at.is_empty() { key.to_owned() } else { format!("{}.{key}", self.at) };
            self.findings.wrong(Problem { field, value: None, rule: "is missing".to_owned() });
        }
        member
    }

    /// The node itself if it is an object.
    pub(crate) fn object(&self) -> Option<(&Self, &'a Map<String, Value>)> {
        let object = self.value.as_object();
        if object.is_none() {
            self.wrong("is not an object");
        }
        object.map(|object| (self, object))
    }

    /// Warns of the members that mean nothing.
    pub(crate) fn only(&self, known: &[&str]) {
        for key in self.value.as_object().into_iter().flat_map(Map::keys) {
            if !known.contains(&key.as_str())
                && let Some(member) = self.member(key)
            {
                member.warn("is not a known field and has no effect");
            }
        }
    }

    /// The items if it is an array.
    pub(crate) fn items(&self) -> Vec<Self> {
        let Some(items) = self.value.as_array() else {
            self.wrong("is not an array");
            return Vec::new();
        };
        let node = |(n, value)| Self { at: format!("{}[{n}]", self.at), value, findings: self.findings };
        items.iter().enumerate().map(node).collect()
    }

    /// The text if it is a string that a program can be given.
    pub(crate) fn text(&self) -> Option<String> {
        match self.value.as_str() {
            None => self.wrong("is not a string"),
            Some(text) if text.contains('\0') => self.wrong("contains a NUL character"),
            Some(text) => return Some(text.to_owned()),
        }
        None
    }

    /// The texts if it is an array of strings.
    pub(crate) fn texts(&self) -> Vec<String> {
        self.items().iter().filter_map(Self::text).collect()
    }

    /// The text if it is one of `allowed`.
    pub(crate) fn one_of(&self, allowed: &[&str]) -> Option<String> {
        let text = self.text()?;
        if allowed.contains(&text.as_str()) {
            return Some(text);
        }
        self.wrong(format_args!("is not one of {}", allowed.join(", ")));
        None
    }

    /// The truth value if it is one.
    pub(crate) fn boolean(&self) -> Option<bool> {
        let boolean = self.value.as_bool();
        if boolean.is_none() {
            self.wrong("is not true or false");
        }
        boolean
    }

    /// The number if it is a whole one (`2.0` is) within `range`.
    pub(crate) fn whole<N: TryFrom<i64>>(&self, range: RangeInclusive<i64>) -> Option<N> {
        let Some(number) = whole(self.value) else {
            self.wrong("is not a whole number");
            return None;
        };
        let number = i64::try_from(number).ok().filter(|number| range.contains(number));
        let number = number.and_then(|number| N::try_from(number).ok());
        if number.is_none() {
            self.wrong(format_args!("is out of range {}..{}", range.start(), range.end()));
        }
        number
    }

    /// Whether it is a number at all that counts as whole.
    pub(crate) fn is_whole(&self) -> bool {
        whole(self.value).is_some()
    }
}

/// The value of a JSON number without a fraction.
fn whole(value: &Value) -> Option<i128> {
    let number = value.as_number()?;
    let real = || number.as_f64().filter(|real| real.fract() == 0.0);
    // Far beyond every range of the spec, and a conversion that saturates stays beyond them.
    number.as_i128().or_else(|| real().map(|real| real as i128))
}

#[cfg(test)]
mod tests {
    use super::*;
    use serde_json::json;

    #[test]
    fn whole_numbers_are_those_without_a_fraction() {
        let cases = [
            (json!(0), Some(0)),
            (json!(-1), Some(-1)),
            (json!(41_943_040.0), Some(41_943_040)),
            (json!(1.5e3), Some(1500)),
            (json!(u64::MAX), Some(i128::from(u64::MAX))),
            (json!(1.5), None),
            (json!("1"), None),
            (json!(null), None),
            (json!(true), None),
        ];
        for (value, expected) in cases {
            assert_eq!(whole(&value), expected, "{value}");
        }
        assert!(whole(&json!(1e300)).is_some_and(|number| number > i128::from(u64::MAX)));
    }
}
