//! The minidump of a crash, from the head of the core file and from what is known of the process.

use std::time::{SystemTime, UNIX_EPOCH};

use crate::coredump::{Head, registers};
use crate::crash::process::{Crashed, MAX_TEXT};
use crate::crash::{memory, modules};
use crate::dump::write::{Contents, Crash, Thread};
use crate::error::Result;
use crate::proc::stat;

/// The most bytes of `/proc/PID/maps` and of the command line that are kept.
const MAX_MAPS: u64 = 512 << 10;
const MAX_COMMAND: u64 = 4096;
/// Breakpad's `MD_LINUX_PROC_STATUS`, `_CMD_LINE`, `_AUXV` and `_MAPS`.
const STATUS: u32 = 0x4767_0004;
const COMMAND: u32 = 0x4767_0006;
const AUXV: u32 = 0x4767_0008;
const MAPS: u32 = 0x4767_0009;
/// What is kept of `/proc/PID/status`: no ids of the host.
const STATUS_LINES: [&[u8]; 9] =
    [b"Name:", b"State:", b"Vm", b"Rss", b"Threads:", b"Sig", b"Shd", b"NoNewPrivs:", b"Seccomp"];

/// Gathers what goes into the minidump. The kernel's own word for the signal counts when the core file has none.
///
/// # Errors
/// The kernel's, when the memory cannot be opened: the process is gone.
pub fn contents(head: &Head, crashed: &Crashed, signal: u32) -> Result<Contents> {
    let cpu = head.machine.cpu;
    let file = crashed.memory()?;
    let mut saved = memory::save(head, &file);
    // It lies at the end of the first thread's stack, and holds secrets.
    if let Some(environment) = crashed.read("stat", MAX_TEXT).ok().and_then(|text| stat::environment(&text)) {
        saved.blank(&environment);
    }
    let names = crashed.thread_names();
    let threads = head.threads.iter().zip(saved.stacks).map(|(thread, stack)| Thread {
        id: thread.id,
        name: names.iter().find(|(id, _)| *id == thread.id).map(|(_, name)| name.clone()).unwrap_or_default(),
        context: registers::context(cpu, thread),
        stack,
    });
    let crash = Crash {
        signal: if head.signal.number == 0 { signal } else { head.signal.number },
        code: head.signal.code,
        address: head.signal.address,
    };
    let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
    let processors = std::thread::available_parallelism().map_or(1, usize::from);
    let system = rustix::system::uname();
    Ok(Contents {
        cpu,
        time: u32::try_from(now.as_secs()).unwrap_or(u32::MAX),
        processors: u8::try_from(processors).unwrap_or(u8::MAX),
        system: format!("Linux {}", system.release().to_string_lossy()),
        process: head.process.id,
        crash,
        threads: threads.collect(),
        modules: modules::modules(head, &file),
        memory: saved.pieces,
        texts: texts(head, crashed),
    })
}

/// The streams of text. What cannot be read is left out. The environment always is.
fn texts(head: &Head, crashed: &Crashed) -> Vec<(u32, Vec<u8>)> {
    let status = crashed.read("status", MAX_TEXT).map(|text| inner_status(&text, head.process.id));
    let texts = [
        (STATUS, status.unwrap_or_default()),
        (COMMAND, crashed.read("cmdline", MAX_COMMAND).unwrap_or_default()),
        (AUXV, head.auxv.clone()),
        (MAPS, whole_lines(crashed.read("maps", MAX_MAPS).unwrap_or_default())),
    ];
    texts.into_iter().filter(|(_, text)| !text.is_empty()).collect()
}

/// The status as the container would see it.
fn inner_status(text: &[u8], pid: u32) -> Vec<u8> {
    let lines = text.split_inclusive(|byte| *byte == b'\n');
    let kept = lines.filter(|line| STATUS_LINES.iter().any(|start| line.starts_with(start)));
    let mut status: Vec<u8> = kept.flatten().copied().collect();
    status.extend_from_slice(format!("Tgid:\t{pid}\nPid:\t{pid}\n").as_bytes());
    status
}

/// The text without a last line that was cut.
fn whole_lines(mut text: Vec<u8>) -> Vec<u8> {
    let end = text.iter().rposition(|byte| *byte == b'\n').map_or(0, |at| at.saturating_add(1));
    text.truncate(end);
    text
}
