//! What is done in a container that runs.

use std::path::Path;

use crate::control::lifecycle::inside::mount::MountRequest;
use crate::control::lifecycle::inside::stream::attach::{self, Begin};
use crate::control::lifecycle::inside::{annotate, exec, hibernate, mount, stream};
use crate::control::lifecycle::supervisor;
use crate::control::manager::Manager;
use crate::control::memcr::HibernateOptions;
use crate::control::model::id::ContainerId;
use crate::control::model::request::{ExecLimits, ExecOutput, ExecRequest, StartRequest};
use crate::control::model::stream::{AttachEnd, AttachRequest, Inlet, Outlet, StreamEnd, StreamRequest};
use crate::error::{Error, ErrorKind, Result};

impl Manager {
    /// Begins to hibernate a running container by memcr, and returns; `Event::StateChanged` reports how that ends.
    ///
    /// # Errors
    /// `ErrorKind::NotFound`; `ErrorKind::Unsupported` without memcr; `ErrorKind::Busy` in any state but Running.
    pub async fn hibernate(&self, id: &ContainerId, options: HibernateOptions) -> Result<()> {
        hibernate::hibernate(self.ctx(), id, options).await
    }

    /// Wakes up a hibernated container, and returns when it runs.
    ///
    /// # Errors
    /// `ErrorKind::NotFound`; `ErrorKind::Unsupported` without memcr; `ErrorKind::Busy` in any state but Hibernated; memcr's.
    pub async fn wakeup(&self, id: &ContainerId) -> Result<()> {
        hibernate::wakeup(self.ctx(), id).await
    }

    /// Makes an annotation on a container, in the place of an earlier one of that key. It lasts as long as the container.
    ///
    /// # Errors
    /// `ErrorKind::NotFound`, `ErrorKind::Busy` unless it runs, `ErrorKind::Input` when it is too long.
    pub async fn annotate(&self, id: &ContainerId, key: &str, value: &str) -> Result<()> {
        annotate::annotate(self.ctx(), id, key, value).await
    }

    /// Removes an annotation of a container.
    ///
    /// # Errors
    /// `ErrorKind::NotFound`, `ErrorKind::Busy` unless it runs.
    pub async fn remove_annotation(&self, id: &ContainerId, key: &str) -> Result<()> {
        annotate::remove(self.ctx(), id, key).await
    }

    /// Mounts a directory of the host in a running container.
    ///
    /// # Errors
    /// `ErrorKind::NotFound`, `ErrorKind::Busy` unless Running, `ErrorKind::Input` for a flag or path that cannot be
    /// used, `ErrorKind::Attack` when the path in the container leads where nothing may be mounted; the kernel's.
    pub async fn mount(&self, id: &ContainerId, request: MountRequest) -> Result<()> {
        mount::mount(self.ctx(), id, request).await
    }

    /// Takes out again what [`Manager::mount`] put at this path in the container.
    ///
    /// # Errors
    /// `ErrorKind::NotFound`, `ErrorKind::Busy` unless Running; the kernel's.
    pub async fn unmount(&self, id: &ContainerId, target: &Path) -> Result<()> {
        mount::unmount(self.ctx(), id, target).await
    }

    /// Launches a command in a running container and returns; its output goes to the container's log.
    ///
    /// # Errors
    /// `ErrorKind::NotFound`, `ErrorKind::Busy` unless Running, `ErrorKind::Input` for a bad option.
    pub async fn exec(&self, id: &ContainerId, request: ExecRequest) -> Result<()> {
        exec::exec(self.ctx(), id, request).await
    }

    /// Runs a command in a running container to its end and gives its exit status and output. Dropping the
    /// future kills the command.
    ///
    /// # Errors
    /// As [`Manager::exec`].
    pub async fn exec_wait(
        &self,
        id: &ContainerId,
        request: ExecRequest,
        limits: ExecLimits,
    ) -> Result<ExecOutput> {
        exec::exec_wait(self.ctx(), id, request, limits).await
    }

    /// Runs a command in a running container with its input and output as streams. Dropping the future kills the command.
    ///
    /// # Errors
    /// As [`Manager::exec`]; what the client was sent the end with ([`Inlet::end`]).
    pub async fn exec_stream(
        &self,
        id: &ContainerId,
        request: StreamRequest,
        inlet: &Inlet,
        outlet: &impl Outlet,
    ) -> Result<StreamEnd> {
        stream::exec_stream(self.ctx(), id, request, inlet, outlet).await
    }

    /// Attaches a client to a container: its output from now on, its input and terminal if it was started with them, until it
    /// has ended for good. Dropping the future detaches the client; the container goes on.
    ///
    /// # Errors
    /// `ErrorKind::NotFound`; `ErrorKind::Busy` unless it runs, and with too many clients; what the client was sent the end
    /// with ([`Inlet::end`]).
    pub async fn attach(
        &self,
        id: &ContainerId,
        request: AttachRequest,
        inlet: &Inlet,
        outlet: &impl Outlet,
    ) -> Result<AttachEnd> {
        let container = self.ctx().registry.find(id)?;
        if container.init().is_none() {
            let what = format!("cannot attach to container {id}: it is {}", container.state());
            return Err(Error::new(ErrorKind::Busy, what));
        }
        attach::attach(self.ctx(), (container, Begin::Now), request, inlet, outlet).await
    }

    /// Starts a container and attaches a client to it from its start on. Both go on without the future.
    ///
    /// # Errors
    /// As [`Manager::start`] and [`Manager::attach`].
    pub async fn run(
        &self,
        start: StartRequest,
        request: AttachRequest,
        inlet: &Inlet,
        outlet: &impl Outlet,
    ) -> Result<AttachEnd> {
        let container = supervisor::start(self.ctx(), start).await?;
        attach::attach(self.ctx(), (container, Begin::Start), request, inlet, outlet).await
    }
}
