//! Answers to calls.

use std::collections::HashMap;

use zbus::message::{Builder, Header, Message};
use zbus::zvariant::Value;

/// What a method answers.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Answer {
    /// Nothing but that it is done.
    Nothing,
    /// Whether it is done.
    Flag(bool),
    /// A descriptor or a state.
    Number(i32),
    /// A text.
    Text(String),
    /// Descriptors, and the ids that belong to them.
    List(Vec<i32>, Vec<String>),
    /// All properties of the object.
    NoProperties,
}

/// A D-Bus error: its name and its text.
#[derive(Debug)]
pub(crate) struct BusError {
    name: &'static str,
    text: String,
}

/// The answer to a call, or the D-Bus error.
pub(crate) type Decided = Result<Answer, BusError>;

/// The form of a method's answers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Form {
    Nothing,
    Flag,
    Number,
    Text,
    List,
}

impl Form {
    /// What Dobby answers to a call that failed.
    pub(crate) fn failure(self) -> Answer {
        match self {
            Self::Nothing => Answer::Nothing,
            Self::Flag => Answer::Flag(false),
            Self::Number => Answer::Number(-1),
            Self::Text => Answer::Text(String::new()),
            Self::List => Answer::List(Vec::new(), Vec::new()),
        }
    }

    /// The types of the answer's members.
    pub(crate) fn signatures(self) -> &'static [&'static str] {
        match self {
            Self::Nothing => &[],
            Self::Flag => &["b"],
            Self::Number => &["i"],
            Self::Text => &["s"],
            Self::List => &["ai", "as"],
        }
    }
}

impl Answer {
    /// The message that answers a call.
    ///
    /// # Errors
    /// zbus's, for an answer that D-Bus cannot carry.
    pub(crate) fn message(&self, call: &Header<'_>) -> zbus::Result<Message> {
        let reply: Builder<'_> = Message::method_return(call)?;
        match self {
            Self::Nothing => reply.build(&()),
            Self::Flag(flag) => reply.build(flag),
            Self::Number(number) => reply.build(number),
            Self::Text(text) => reply.build(text),
            Self::List(descriptors, ids) => reply.build(&(descriptors, ids)),
            Self::NoProperties => reply.build(&HashMap::<&str, Value<'_>>::new()),
        }
    }
}

impl BusError {
    pub(crate) fn new(name: &'static str, text: impl Into<String>) -> Self {
        Self { name, text: text.into() }
    }

    /// The message that answers a call.
    ///
    /// # Errors
    /// zbus's.
    pub(crate) fn message(&self, call: &Header<'_>) -> zbus::Result<Message> {
        Message::error(call, self.name)?.build(&(self.text.as_str(),))
    }
}
