//! A server that speaks memcr's protocol: it stops and continues processes in place of writing their memory out.

use std::io::{Read, Write};
use std::os::unix::net::UnixListener;
use std::path::Path;
use std::sync::mpsc::{Receiver, Sender, channel};
use std::{fs, thread};

use rustix::process::Signal;

/// Listens at `path`, answers each checkpoint with `answer`, and says what it was asked for; with `gate`, each checkpoint
/// waits for a word there.
pub(crate) fn start(path: &Path, answer: i32, gate: Option<Receiver<()>>) -> Receiver<(i32, Vec<u8>)> {
    let _earlier = fs::remove_file(path);
    let listener = UnixListener::bind(path).unwrap();
    let (said, requests) = channel();
    thread::spawn(move || serve(&listener, answer, gate.as_ref(), &said));
    requests
}

fn serve(listener: &UnixListener, answer: i32, gate: Option<&Receiver<()>>, said: &Sender<(i32, Vec<u8>)>) {
    for stream in listener.incoming() {
        let mut stream = stream.unwrap();
        let mut word = || {
            let mut bytes = [0; 4];
            stream.read_exact(&mut bytes).map(|()| i32::from_ne_bytes(bytes))
        };
        // The daemon looks whether we are there.
        let Ok(mut request) = word() else { continue };
        let mut number = word().unwrap();
        let mut options = Vec::new();
        if request == 102 {
            let length = usize::try_from(number).unwrap() - 8;
            (request, number) = (word().unwrap(), word().unwrap());
            options = vec![0; length];
            stream.read_exact(&mut options).unwrap();
        }
        if said.send((request, options)).is_err() {
            return;
        }
        if let (100, Some(gate)) = (request, gate) {
            let _let_go = gate.recv();
        }
        if answer == 0 || request == 101 {
            let signal = if request == 100 { Signal::STOP } else { Signal::CONT };
            let _gone =
                rustix::process::kill_process(rustix::process::Pid::from_raw(number).unwrap(), signal);
        }
        let _given_up = stream.write_all(&if request == 100 { answer } else { 0 }.to_ne_bytes());
    }
}
