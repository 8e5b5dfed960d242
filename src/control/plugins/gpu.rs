//! `gpu`: the limit of graphics memory, on kernels that count it. Device nodes and mounts of the GPU come with the
//! configuration, into which the conversion of a spec writes those of the host's settings.

use super::{Job, Plugin, Site, Work, counted};
use crate::error::{Error, ErrorKind, Result};

const CONTROLLER: &str = "gpu";
/// The limit in bytes.
const LIMIT: &str = "gpu.limit_in_bytes";

pub(super) struct Gpu;

impl Plugin for Gpu {
    fn wants_process(&self, _job: &Job<'_>) -> bool {
        true
    }

    fn created<'a>(&'a self, job: &'a Job<'a>, pid: i32) -> Work<'a> {
        Box::pin(async move {
            let bytes = bytes(job)?;
            counted::set(&counted::enter(job, CONTROLLER, pid)?.join(LIMIT), &bytes.to_string())
        })
    }

    fn stopped<'a>(&'a self, site: &'a Site<'a>, _last: bool) -> Work<'a> {
        Box::pin(async move { counted::leave(site, CONTROLLER) })
    }
}

fn bytes(job: &Job<'_>) -> Result<u64> {
    let bytes = job.data["memory"].as_f64().filter(|bytes| *bytes > 0.0);
    let bytes = bytes.ok_or_else(|| Error::new(ErrorKind::Config, "data.memory is not above 0"))?;
    Ok(bytes as u64)
}
