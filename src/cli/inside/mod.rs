//! Verbs that change a container which runs.

pub(crate) mod annotate;
pub(crate) mod hibernate;
pub(crate) mod mount;
pub(crate) mod remove_annotation;
pub(crate) mod unmount;
pub(crate) mod wakeup;
