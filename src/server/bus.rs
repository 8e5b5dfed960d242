//! The daemon on D-Bus, in a program that was built for it.

#[cfg(not(feature = "dbus"))]
pub use left_out::{Bus, start};
#[cfg(feature = "dbus")]
pub use linked::{Bus, start};

#[cfg(feature = "dbus")]
mod linked {
    use std::rc::Rc;

    use tokio::task::JoinHandle;

    use crate::dbus::address::Address;
    use crate::dbus::caller::Allowed;
    use crate::dbus::face::Face;
    use crate::dbus::serve;
    use crate::error::Result;
    use crate::server::daemon::Daemon;

    /// The daemon on D-Bus, if it is there.
    #[derive(Debug)]
    pub struct Bus(Option<(Rc<Face>, JoinHandle<()>)>);

    /// Starts to serve on D-Bus, if the settings want it.
    ///
    /// # Errors
    /// The address is unusable.
    pub fn start(daemon: &Rc<Daemon>) -> Result<Bus> {
        let Some(address) = &daemon.config.dbus else { return Ok(Bus(None)) };
        let address = Address::parse(address)?;
        let allowed = Allowed { uids: daemon.config.dbus_uids.clone(), group: daemon.config.socket_group };
        let shared = Rc::clone(daemon);
        let warn = Box::new(move |message: &str| shared.refusals.warn(message));
        let face = Rc::new(Face::new(daemon.service.manager().clone(), allowed, warn));
        let task = tokio::task::spawn_local(serve::serve(Rc::clone(&face), address));
        Ok(Bus(Some((face, task))))
    }

    impl Bus {
        /// Resolves when a client has asked the daemon to end.
        pub async fn asked_to_end(&self) {
            match &self.0 {
                Some((face, _)) => face.asked_to_end().await,
                None => std::future::pending().await,
            }
        }

        /// Resolves when every call is answered; no further one is accepted.
        pub async fn close(self) {
            if let Some((face, task)) = self.0 {
                task.abort();
                face.idle().await;
            }
        }
    }
}

#[cfg(not(feature = "dbus"))]
mod left_out {
    use std::rc::Rc;

    use crate::error::{Error, ErrorKind, Result};
    use crate::server::daemon::Daemon;

    /// Nothing.
    #[derive(Debug)]
    pub struct Bus;

    /// Starts nothing.
    ///
    /// # Errors
    /// The settings want D-Bus.
    pub fn start(daemon: &Rc<Daemon>) -> Result<Bus> {
        if daemon.config.dbus.is_none() {
            return Ok(Bus);
        }
        let what = "cannot answer on D-Bus: this program was built without it";
        Err(Error::new(ErrorKind::Unsupported, what).advise("build it with --features dbus"))
    }

    impl Bus {
        /// Never resolves.
        pub async fn asked_to_end(&self) {
            std::future::pending().await
        }

        /// Does nothing.
        pub async fn close(self) {}
    }
}
