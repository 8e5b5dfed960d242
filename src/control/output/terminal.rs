//! The reading end of a container's terminal, its master.
//!
//! Reading from one that no program has open fails. So that a container may close its terminal and open it again, it is held
//! open here as well, until the container has ended.

use std::fs::File;
use std::io::{ErrorKind, Read};
use std::os::fd::{AsFd, BorrowedFd, OwnedFd};

use rustix::io::Errno;
use rustix::pty::{OpenptFlags, ioctl_tiocgptpeer};

/// A terminal that is read.
#[derive(Debug)]
pub(crate) struct Terminal {
    master: File,
    /// The programs' end, since Linux 4.13.
    held: Option<OwnedFd>,
    end: End,
    hung_up: bool,
}

/// When it ends.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum End {
    /// Not before it is released.
    Awaited,
    /// When no program has it open: nothing here learns when its container ends.
    WhenClosed,
    /// Its container has ended, and what outlived that has it open.
    Released,
}

/// What was read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Came {
    /// That many bytes.
    Bytes(usize),
    /// Nothing at the moment.
    Nothing,
    /// Nothing, and nothing more will.
    End,
}

impl Terminal {
    /// One that ends once [`Terminal::release`] was called and no program has it open.
    pub(crate) fn awaited(master: OwnedFd) -> Self {
        let flags = OpenptFlags::RDWR | OpenptFlags::NOCTTY | OpenptFlags::CLOEXEC;
        let held = ioctl_tiocgptpeer(&master, flags).ok();
        Self { master: master.into(), held, end: End::Awaited, hung_up: false }
    }

    /// One that ends once no program has it open.
    pub(crate) fn until_closed(master: OwnedFd) -> Self {
        Self { master: master.into(), held: None, end: End::WhenClosed, hung_up: false }
    }

    pub(crate) fn read(&mut self, buffer: &mut [u8]) -> Came {
        self.hung_up = false;
        match self.master.read(buffer) {
            Ok(count @ 1..) => Came::Bytes(count),
            Err(error) if matches!(error.kind(), ErrorKind::WouldBlock | ErrorKind::Interrupted) => {
                Came::Nothing
            }
            Err(error) if Errno::from_io_error(&error) == Some(Errno::IO) && self.end == End::Awaited => {
                self.hung_up = true;
                Came::Nothing
            }
            Ok(0) | Err(_) => Came::End,
        }
    }

    /// From now on it ends with the last program that has it open.
    pub(crate) fn release(&mut self) {
        self.held = None;
        self.end = End::Released;
    }

    /// Whether its container has ended.
    pub(crate) fn is_released(&self) -> bool {
        self.end == End::Released
    }

    /// Whether no program has it open at the moment: it counts as readable all the time then.
    pub(crate) fn is_hung_up(&self) -> bool {
        self.hung_up
    }
}

impl AsFd for Terminal {
    fn as_fd(&self) -> BorrowedFd<'_> {
        self.master.as_fd()
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use rustix::fs::{Mode, OFlags};
    use rustix::pty::{grantpt, openpt, ptsname, unlockpt};

    use super::*;

    fn terminal() -> (OwnedFd, impl Fn() -> File) {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        rustix::io::ioctl_fionbio(&master, true).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let open = move || rustix::fs::open(&name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        (master, move || open().into())
    }

    #[test]
    fn a_terminal_that_is_closed_for_a_while_goes_on_until_its_container_has_ended() {
        let mut buffer = [0; 64];
        for holds in [true, false] {
            let (master, open) = terminal();
            let mut terminal = Terminal::awaited(master);
            if !holds {
                // As before Linux 4.13.
                terminal.held = None;
            }
            for _ in 0..2 {
                assert_eq!(terminal.read(&mut buffer), Came::Nothing);
                open().write_all(b"text").unwrap();
                assert_eq!((terminal.read(&mut buffer), &buffer[..4]), (Came::Bytes(4), &b"text"[..]));
                assert_eq!(terminal.read(&mut buffer), Came::Nothing);
                assert_eq!(terminal.is_hung_up(), !holds);
            }
            let mut left = open();
            terminal.release();
            left.write_all(b"last").unwrap();
            assert_eq!(terminal.read(&mut buffer), Came::Bytes(4));
            assert_eq!(terminal.read(&mut buffer), Came::Nothing, "a process that outlived its container");
            drop(left);
            assert_eq!(terminal.read(&mut buffer), Came::End);
        }
        let (master, open) = terminal();
        let program = open();
        let mut terminal = Terminal::until_closed(master);
        assert_eq!(terminal.read(&mut buffer), Came::Nothing);
        drop(program);
        assert_eq!(terminal.read(&mut buffer), Came::End);
    }
}
