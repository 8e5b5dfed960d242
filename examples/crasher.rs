//! A program whose crashes are caught by real Breakpad: what an app in a container does, as one static file.
//!
//! ```text
//! crasher DIRECTORY ACTION...      the dump goes to DIRECTORY/UUID.dmp, and a copy to descriptor $BREAKPAD_FD, if
//!                                  that is set
//!
//! segv             reads address 0x1234
//! abort            calls abort()
//! stack-overflow   calls itself for ever
//! thread           one thread of six, named worker-3, reads address 0x1234
//! write NAME SIZE  writes DIRECTORY/NAME: MDMP, then byte I is I modulo 251; exit code 1 if there is no room
//! trickle NAME SIZE SECONDS
//!                  writes the same file in many small pieces during that time, and its first bytes last, as Breakpad
//!                  does with the header of a dump
//! say WORD         prints WORD as a line
//! thread-goes-on   ends the first thread; another one does what follows
//! sleep SECONDS    waits
//! none             does nothing
//! ```
//!
//! Actions follow one another: `write a.dmp 1000 segv`. Without a crash the exit code is 0; 2 means a wrong command
//! line. A container's root that holds nothing but this file is enough, if it was linked statically:
//!
//! ```text
//! cargo rustc --features crasher --example crasher -- -C target-feature=+crt-static
//! ```

use std::error::Error;
use std::fs::File;
use std::io::Write;
use std::os::unix::fs::FileExt;
use std::path::{Path, PathBuf};
use std::process::ExitCode;
use std::sync::Barrier;
use std::time::Duration;

use breakpad_handler::{BreakpadHandler, InstallOptions};

const USAGE: &str = "usage: crasher DIRECTORY {segv|abort|stack-overflow|thread|write NAME SIZE|trickle NAME SIZE SECONDS|say WORD|\
     thread-goes-on|sleep SECONDS|none}...";

fn main() -> ExitCode {
    match run() {
        Ok(()) => ExitCode::SUCCESS,
        Err(error) => {
            let _closed = writeln!(std::io::stderr(), "crasher: {error}");
            ExitCode::from(if error.is::<WrongUsage>() { 2 } else { 1 })
        }
    }
}

fn run() -> Result<(), Box<dyn Error>> {
    let mut words = std::env::args().skip(1).collect::<Vec<_>>().into_iter();
    let directory = words.next().ok_or(WrongUsage)?;
    let directory = Path::new(&directory);
    let descriptor = descriptor()?;
    let on_crash = move |dump: PathBuf| {
        // Whoever waits for the dump finds it incomplete then.
        let _failed =
            descriptor.as_ref().map(|mut target| std::io::copy(&mut File::open(dump)?, &mut target));
    };
    let _handler = BreakpadHandler::attach(directory, InstallOptions::BothHandlers, Box::new(on_crash))?;
    act(directory, words)
}

fn act(directory: &Path, mut words: std::vec::IntoIter<String>) -> Result<(), Box<dyn Error>> {
    let mut done = 0;
    while let Some(action) = words.next() {
        match action.as_str() {
            "segv" => read_nowhere(),
            "abort" => std::process::abort(),
            "stack-overflow" => drop(std::hint::black_box(overflow(0))),
            "thread" => crash_one_of_six(),
            "write" => {
                let name = words.next().ok_or(WrongUsage)?;
                write(&directory.join(name), number(words.next())?)?;
            }
            "trickle" => {
                let name = words.next().ok_or(WrongUsage)?;
                trickle(&directory.join(name), number(words.next())?, seconds(words.next())?)?;
            }
            "say" => {
                let line = words.next().ok_or(WrongUsage)? + "\n";
                std::io::stdout().write_all(line.as_bytes())?;
            }
            "thread-goes-on" => go_on_in_thread(directory.to_owned(), words),
            "sleep" => std::thread::sleep(seconds(words.next())?),
            "none" => {}
            _ => return Err(WrongUsage.into()),
        }
        done += 1;
    }
    if done == 0 { Err(WrongUsage.into()) } else { Ok(()) }
}

/// The process is without its first thread from here on, and ends with the other one.
fn go_on_in_thread(directory: PathBuf, words: std::vec::IntoIter<String>) -> ! {
    std::thread::spawn(move || std::process::exit(i32::from(act(&directory, words).is_err())));
    #[expect(unsafe_code, reason = "the standard library ends no first thread without its process")]
    // SAFETY: the call takes no pointer. What lies on the stack of this thread stays where it is.
    unsafe {
        nix::libc::syscall(nix::libc::SYS_exit, 0);
    }
    std::process::abort()
}

/// The file that was handed over for dumps.
fn descriptor() -> std::io::Result<Option<File>> {
    let Some(number) = std::env::var_os("BREAKPAD_FD") else { return Ok(None) };
    File::options().write(true).open(Path::new("/proc/self/fd").join(number)).map(Some)
}

fn number(word: Option<String>) -> Result<u64, WrongUsage> {
    word.and_then(|word| word.parse().ok()).ok_or(WrongUsage)
}

fn seconds(word: Option<String>) -> Result<Duration, WrongUsage> {
    let seconds = word.and_then(|word| word.parse().ok()).ok_or(WrongUsage)?;
    Duration::try_from_secs_f64(seconds).map_err(|_| WrongUsage)
}

#[derive(Debug)]
struct WrongUsage;

impl std::fmt::Display for WrongUsage {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(USAGE)
    }
}

impl Error for WrongUsage {}

#[inline(never)]
fn read_nowhere() {
    let nowhere = std::ptr::without_provenance::<u8>(0x1234);
    #[expect(unsafe_code, reason = "a real fault of the memory cannot be had without")]
    // SAFETY: there is none, on purpose: no program has memory in its first pages, so that the read ends it.
    let byte = unsafe { std::ptr::read_volatile(nowhere) };
    std::hint::black_box(byte);
}

#[expect(unconditional_recursion, reason = "the crash that is wanted")]
#[inline(never)]
fn overflow(depth: u64) -> [u64; 64] {
    let frame = std::hint::black_box([depth; 64]);
    let deeper = overflow(depth.wrapping_add(frame[0]));
    std::hint::black_box(deeper)
}

/// All six run when the third one crashes.
fn crash_one_of_six() {
    let all = Barrier::new(6);
    std::thread::scope(|scope| {
        for number in 1..=6 {
            let all = &all;
            let body = move || {
                all.wait();
                if number == 3 {
                    read_nowhere();
                }
                std::thread::sleep(Duration::from_secs(60));
            };
            let name = format!("worker-{number}");
            if std::thread::Builder::new().name(name).spawn_scoped(scope, body).is_err() {
                std::process::exit(1);
            }
        }
    });
}

/// The byte at `at` of what is written.
fn byte(at: u64) -> u8 {
    b"MDMP".get(at as usize).copied().unwrap_or((at % 251) as u8)
}

fn write(path: &Path, size: u64) -> std::io::Result<()> {
    // Made at once, since benchmarks must not measure how this program, not optimised, makes bytes one by one.
    let mut block = (0..251).collect::<Vec<u8>>().repeat(256);
    let head = block.iter().copied().take(4).collect::<Vec<u8>>();
    block[..4].copy_from_slice(b"MDMP");
    let mut file = File::create(path)?;
    let mut left = usize::try_from(size).map_err(std::io::Error::other)?;
    while left > 0 {
        let count = left.min(block.len());
        file.write_all(&block[..count])?;
        block[..4].copy_from_slice(&head);
        left -= count;
    }
    Ok(())
}

fn trickle(path: &Path, size: u64, time: Duration) -> std::io::Result<()> {
    // No divisor of a page, so that pieces share pages and blocks.
    const PIECE: u64 = 700;
    const HEADER: u64 = 32;
    let file = File::create(path)?;
    let pieces = size.saturating_sub(HEADER).div_ceil(PIECE);
    let start = std::time::Instant::now();
    for n in 0..pieces {
        let at = HEADER + n * PIECE;
        let piece: Vec<u8> = (at..size.min(at + PIECE)).map(byte).collect();
        file.write_all_at(&piece, at)?;
        let due = time.mul_f64(n as f64 / pieces as f64);
        std::thread::sleep(due.saturating_sub(start.elapsed()));
    }
    let header: Vec<u8> = (0..size.min(HEADER)).map(byte).collect();
    file.write_all_at(&header, 0)
}
