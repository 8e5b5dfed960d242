//! A terminal for a program: a person in front of it, as far as a test needs one.

use std::fs::File;
use std::io::{Read, Write};
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};

use nix::pty::{Winsize, openpty};
use nix::sys::termios::{Termios, tcgetattr};
use rustix::process::{Pid, Signal, kill_process};

use crate::support::host::PATIENCE;

/// A terminal with a program.
pub(crate) struct Pty {
    keys: File,
    /// Keeps the terminal when the program has ended.
    slave: OwnedFd,
    screen: Arc<Mutex<Vec<u8>>>,
    pub(crate) child: Child,
}

fn window(rows: u16, columns: u16) -> Winsize {
    Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 }
}

impl Pty {
    /// Starts a program in a session of its own, with a terminal of this size.
    pub(crate) fn start(program: &Command, rows: u16, columns: u16) -> Self {
        let ends = openpty(&window(rows, columns), None).unwrap();
        let stdio = || ends.slave.try_clone().unwrap();
        let mut command = Command::new("setsid");
        command.arg("--ctty").arg(program.get_program()).args(program.get_args());
        command.env("TERM", "vt220").stdin(stdio()).stdout(stdio()).stderr(stdio());
        let child = command.spawn().unwrap();
        let keys = File::from(ends.master);
        let screen = Arc::new(Mutex::new(Vec::new()));
        let (mut from, to) = (keys.try_clone().unwrap(), Arc::clone(&screen));
        std::thread::spawn(move || {
            let mut bytes = [0; 4096];
            while let Ok(count @ 1..) = from.read(&mut bytes) {
                to.lock().unwrap().extend_from_slice(&bytes[..count]);
            }
        });
        Self { keys, slave: ends.slave, screen, child }
    }

    /// Types.
    pub(crate) fn keys(&mut self, keys: &str) {
        self.keys.write_all(keys.as_bytes()).unwrap();
    }

    /// Another pair of hands: what they type may have to wait.
    pub(crate) fn hands(&self) -> File {
        self.keys.try_clone().unwrap()
    }

    /// What was shown so far.
    pub(crate) fn screen(&self) -> String {
        String::from_utf8_lossy(&self.screen.lock().unwrap()).into_owned()
    }

    /// Waits until a text is shown, and clears the screen.
    pub(crate) fn shows(&self, text: &str) -> String {
        let begin = Instant::now();
        while !self.screen().contains(text) {
            assert!(begin.elapsed() < PATIENCE, "{text:?} is not shown, but {:?}", self.screen());
            std::thread::sleep(Duration::from_millis(5));
        }
        let shown = self.screen();
        self.screen.lock().unwrap().clear();
        shown
    }

    /// Gives the window another size, as a terminal emulator does.
    pub(crate) fn resize(&self, rows: u16, columns: u16) {
        let size = rustix::termios::Winsize { ws_row: rows, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
        rustix::termios::tcsetwinsize(&self.keys, size).unwrap();
    }

    /// The settings of the terminal.
    pub(crate) fn settings(&self) -> Termios {
        tcgetattr(self.slave.as_fd()).unwrap()
    }

    /// Whether keys are shown and make signals.
    pub(crate) fn is_raw(&self) -> bool {
        !self.settings().local_flags.contains(nix::sys::termios::LocalFlags::ICANON)
    }

    /// Sends the program a signal.
    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(Pid::from_raw(i32::try_from(self.child.id()).unwrap()).unwrap(), signal).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn code(&mut self) -> Option<i32> {
        self.child.wait().unwrap().code()
    }
}
