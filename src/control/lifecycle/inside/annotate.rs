//! Annotations that clients make on a container. They are kept in its directory, so that the next daemon has them.

use std::collections::BTreeMap;

use crate::control::container::Container;
use crate::control::lifecycle::context::Context;
use crate::control::model::id::ContainerId;
use crate::error::{Error, ErrorKind, Result};

/// The file with the annotations.
const NOTE: &str = "annotations.json";
/// The most annotations of one container.
const MAX_ANNOTATIONS: usize = 64;
/// The longest key, in bytes.
const MAX_KEY: usize = 256;
/// The longest value, in bytes.
const MAX_VALUE: usize = 4096;

/// The annotations of a container, by key.
pub(crate) type Annotations = BTreeMap<String, String>;

/// The annotations of a container; none when they cannot be read.
pub(crate) fn of(container: &Container) -> Annotations {
    container
        .dir
        .note(NOTE)
        .unwrap_or_else(|error| {
            log::warn!("container {}: {}", container.id, error.report());
            None
        })
        .unwrap_or_default()
}

/// Makes an annotation, in the place of an earlier one of that key.
pub(crate) async fn annotate(ctx: &Context, id: &ContainerId, key: &str, value: &str) -> Result<()> {
    let refuse =
        |what: &str| Err(Error::new(ErrorKind::Input, format!("cannot annotate container {id}: {what}")));
    if key.is_empty() || key.len() > MAX_KEY || value.len() > MAX_VALUE {
        return refuse("a key has 1 to 256 bytes, a value at most 4096");
    }
    let container = ctx.registry.find(id)?;
    let _change = container.change.lock().await;
    must_run(&container, "annotate")?;
    let mut annotations = of(&container);
    if annotations.len() >= MAX_ANNOTATIONS && !annotations.contains_key(key) {
        return refuse("it has 64 annotations already");
    }
    annotations.insert(key.to_owned(), value.to_owned());
    container.dir.replace_note(NOTE, &annotations)
}

/// Removes an annotation.
pub(crate) async fn remove(ctx: &Context, id: &ContainerId, key: &str) -> Result<()> {
    let container = ctx.registry.find(id)?;
    let _change = container.change.lock().await;
    must_run(&container, "remove an annotation of")?;
    let mut annotations = of(&container);
    if annotations.remove(key).is_none() {
        let what = format!("container {id} has no annotation {key:?}");
        return Err(Error::new(ErrorKind::NotFound, what));
    }
    container.dir.replace_note(NOTE, &annotations)
}

/// Refuses a container whose directory may be about to go.
fn must_run(container: &Container, verb: &str) -> Result<()> {
    if container.init().is_some() {
        return Ok(());
    }
    let what = format!("cannot {verb} container {}: it is {}", container.id, container.state());
    Err(Error::new(ErrorKind::Busy, what))
}
