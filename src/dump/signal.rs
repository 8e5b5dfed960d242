//! The names of Linux signals and of their codes: signal(7), sigaction(2), `asm-generic/siginfo.h`.
//!
//! The numbers are those of x86 and ARM; MIPS and others number a few differently.

/// What Breakpad writes in place of a signal when a program asked for a dump of itself.
pub const DUMP_REQUESTED: u32 = 0xffff_ffff;
/// `SI_KERNEL`: the kernel sent it and does not say more.
const SI_KERNEL: i32 = 0x80;

/// `SIGSEGV` and the like; signals that end no program by default are not among them.
#[must_use]
pub fn name(signal: u32) -> Option<&'static str> {
    Some(match signal {
        1 => "SIGHUP",
        2 => "SIGINT",
        3 => "SIGQUIT",
        4 => "SIGILL",
        5 => "SIGTRAP",
        6 => "SIGABRT",
        7 => "SIGBUS",
        8 => "SIGFPE",
        9 => "SIGKILL",
        10 => "SIGUSR1",
        11 => "SIGSEGV",
        12 => "SIGUSR2",
        13 => "SIGPIPE",
        14 => "SIGALRM",
        15 => "SIGTERM",
        16 => "SIGSTKFLT",
        24 => "SIGXCPU",
        25 => "SIGXFSZ",
        31 => "SIGSYS",
        DUMP_REQUESTED => "DUMP_REQUESTED",
        _ => return None,
    })
}

/// The codes from 1 on that the kernel gives each signal.
const CODES: [(u32, &[&str]); 6] = [
    (
        4,
        &[
            "ILL_ILLOPC",
            "ILL_ILLOPN",
            "ILL_ILLADR",
            "ILL_ILLTRP",
            "ILL_PRVOPC",
            "ILL_PRVREG",
            "ILL_COPROC",
            "ILL_BADSTK",
        ],
    ),
    (5, &["TRAP_BRKPT", "TRAP_TRACE", "TRAP_BRANCH", "TRAP_HWBKPT", "TRAP_UNK", "TRAP_PERF"]),
    (7, &["BUS_ADRALN", "BUS_ADRERR", "BUS_OBJERR", "BUS_MCEERR_AR", "BUS_MCEERR_AO"]),
    (
        8,
        &[
            "FPE_INTDIV",
            "FPE_INTOVF",
            "FPE_FLTDIV",
            "FPE_FLTOVF",
            "FPE_FLTUND",
            "FPE_FLTRES",
            "FPE_FLTINV",
            "FPE_FLTSUB",
        ],
    ),
    (
        11,
        &[
            "SEGV_MAPERR",
            "SEGV_ACCERR",
            "SEGV_BNDERR",
            "SEGV_PKUERR",
            "SEGV_ACCADI",
            "SEGV_ADIDERR",
            "SEGV_ADIPERR",
            "SEGV_MTEAERR",
            "SEGV_MTESERR",
        ],
    ),
    (31, &["SYS_SECCOMP", "SYS_USER_DISPATCH"]),
];

/// `SEGV_MAPERR`, `SI_TKILL` and the like.
#[must_use]
pub fn code_name(signal: u32, code: i32) -> Option<&'static str> {
    match code {
        0 => Some("SI_USER"),
        -1 => Some("SI_QUEUE"),
        -2 => Some("SI_TIMER"),
        -3 => Some("SI_MESGQ"),
        -4 => Some("SI_ASYNCIO"),
        -5 => Some("SI_SIGIO"),
        -6 => Some("SI_TKILL"),
        SI_KERNEL => Some("SI_KERNEL"),
        _ => {
            let (_, codes) = CODES.iter().find(|(number, _)| *number == signal)?;
            codes.get(usize::try_from(code).ok()?.checked_sub(1)?).copied()
        }
    }
}

/// Whether a signal comes with the address of a fault. Of a signal that a process sent, the same field holds the
/// sender's pid and user, and with `SI_KERNEL` the kernel does not know the address.
#[must_use]
pub fn has_address(signal: u32, code: i32) -> bool {
    matches!(signal, 4 | 5 | 7 | 8 | 11) && code > 0 && code != SI_KERNEL
}
