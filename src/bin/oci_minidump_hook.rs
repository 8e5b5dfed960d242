//! `oci-minidump-hook`: the OCI runtime hook and its commands for people.

use std::io::Write;
use std::os::fd::AsFd;
use std::path::Path;
use std::time::Duration;

use log::LevelFilter;
use oci_minidump::calls::{lxc, runtime};
use oci_minidump::command::command_line::args::{self, Args};
use oci_minidump::command::command_line::requests::Request;
use oci_minidump::command::list::beside::beside;
use oci_minidump::command::{add, check, core, doctor, enable, harvest, list, notify, remove, sweep};
use oci_minidump::doctor::sample;
use oci_minidump::error::{ExitCode, Result, Tried};
use oci_minidump::hook::{self, Options};
use oci_minidump::notify::start;
use oci_minidump::oci::state::State;
use oci_minidump::settings::admin::Admin;
use oci_minidump::{crash, dump, process};

#[global_allocator]
static ALLOCATOR: dlmalloc::GlobalDlmalloc = dlmalloc::GlobalDlmalloc;

const PROGRAM: &str = "oci-minidump-hook";
/// How long a runtime may take to write the state.
const STATE_TIMEOUT: Duration = Duration::from_secs(10);

fn main() -> std::process::ExitCode {
    process::end_on_panic();
    if runtime::is_called(std::env::args_os().next().as_deref()) {
        // Whatever was inherited is for the runtime.
        oci_minidump::log::start(PROGRAM, LevelFilter::Warn, LevelFilter::Info);
        let error = runtime::become_it(std::env::args_os());
        log::error!("{}", error.report());
        return error.exit_code().into();
    }
    match args::parse(std::env::args_os().skip(1)).and_then(run) {
        Ok(code) => code.into(),
        Err(error) => {
            oci_minidump::log::start(PROGRAM, LevelFilter::Warn, LevelFilter::Info);
            log::error!("{}", error.report());
            error.exit_code().into()
        }
    }
}

fn run(Args { request, settings }: Args) -> Result<ExitCode> {
    if let Request::Core(crash) = &request {
        // What the kernel gave may be for the previous handler.
        let admin = for_hook(&settings);
        let handled = crash::run(crash, std::io::stdin(), &admin);
        if admin.notify.is_on() {
            crash::bounds::lift();
            start::finish(&admin, &settings);
        }
        return handled.map(|()| ExitCode::Ok);
    }
    process::inherit_nothing();
    let mut out = std::io::stdout().lock();
    let done = |()| ExitCode::Ok;
    match request {
        Request::Core(_) => Ok(ExitCode::Ok),
        Request::Pattern => core::pattern(&mut out).map(done),
        Request::Hook(options) => be_hook(&options, &settings).map(done),
        Request::Show(text) => out.write_all(text.as_bytes()).tried(|| "cannot write the help").map(done),
        Request::List(dirs, filter, json) => {
            list::list(&dirs, &filter, json, &for_people(&settings)?, &mut out).map(done)
        }
        Request::Info(files, json) if files.is_empty() => {
            dump::show::info::info_with(&[list::newest(&for_people(&settings)?)?], json, beside, &mut out)
        }
        Request::Info(files, json) => {
            // It needs no settings, but tells of bad files by the log.
            oci_minidump::log::start(PROGRAM, LevelFilter::Warn, LevelFilter::Off);
            dump::show::info::info_with(&files, json, beside, &mut out)
        }
        Request::Lxc(words) => {
            let admin = for_hook(&settings);
            let outcome = lxc::run(&words, &admin);
            start::finish(&admin, &settings);
            outcome.map(done)
        }
        Request::Doctor(crash, json) => {
            oci_minidump::log::start(PROGRAM, LevelFilter::Warn, LevelFilter::Off);
            doctor::doctor(&settings, crash, json, &mut out)
        }
        Request::Crash(dir) => {
            sample::crash(&dir)?;
            // As a shell says it of a program that SIGSEGV ended; the first process of a container cannot raise one.
            std::process::exit(sample::EXIT_CODE.into())
        }
        Request::EnableCore(undo, dry_run) => core::enable(undo, dry_run, &mut out).map(done),
        Request::Enable(request) => enable::enable(&request, &mut out).map(done),
        Request::Add(request) => add::add(&request, &settings, &for_people(&settings)?, &mut out).map(done),
        Request::Remove(bundle) => remove::remove(&bundle, &mut out).map(done),
        Request::Check(bundle, json) => check::check(&bundle, json, &for_people(&settings)?, &mut out),
        Request::HarvestRunning(ids, json) => {
            and_hand_over(&settings, json, |admin| harvest::running(&ids, json, admin, &mut out))
        }
        Request::Watch(json) => sweep::watch(json, &for_hook(&settings), &settings, &mut out).map(done),
        Request::Sweep(json) => and_hand_over(&settings, json, |admin| sweep::sweep(json, admin, &mut out)),
        Request::Notify(all, after) => notify::notify(all, after, &for_worker(&settings)?, &mut out),
        Request::Harvest(image, to, json) => {
            let to = std::path::absolute(&to).tried(|| format!("cannot resolve {}", to.display()))?;
            and_hand_over(&settings, json, |admin| {
                harvest::harvest(&image, &to, json, admin, &mut out).map(done)
            })
        }
    }
}

/// Harvests for a person, and hands over what waits for it, also when a part of the harvest failed. A program that reads the
/// result does not wait for that.
fn and_hand_over(
    settings: &Path,
    is_for_a_program: bool,
    work: impl FnOnce(&Admin) -> Result<ExitCode>,
) -> Result<ExitCode> {
    let admin = for_people(settings)?;
    let outcome = work(&admin);
    if is_for_a_program {
        start::finish_all(&admin, settings);
    } else {
        notify::after(&admin);
    }
    outcome
}

/// The settings, with the log set up for a person at a terminal.
fn for_people(settings: &Path) -> Result<Admin> {
    let admin = Admin::load(settings)?;
    oci_minidump::log::start(PROGRAM, LevelFilter::Warn, LevelFilter::Off);
    Ok(admin)
}

/// The settings, with the log set up for a worker: started by a hook, by a unit or by a person.
fn for_worker(settings: &Path) -> Result<Admin> {
    let admin = Admin::load(settings)?;
    oci_minidump::log::start(PROGRAM, LevelFilter::Warn, admin.log_level);
    Ok(admin)
}

fn be_hook(options: &Options, settings: &Path) -> Result<()> {
    let state = State::read(std::io::stdin().as_fd(), STATE_TIMEOUT)?;
    // Some runtimes leave the bundle out of the state and run the hook in it.
    let cwd = std::env::current_dir().unwrap_or_else(|_| "/".into());
    let admin = for_hook(settings);
    let outcome = hook::run(options, &state, &cwd, &admin);
    start::finish(&admin, settings);
    outcome
}

/// The settings, or what stands for those that cannot be read, with the log set up for an engine.
fn for_hook(settings: &Path) -> Admin {
    let admin = Admin::load(settings).unwrap_or_else(|error| {
        oci_minidump::log::start(PROGRAM, LevelFilter::Warn, LevelFilter::Info);
        log::warn!("{}; the defaults are used, and annotations may name no path", error.report());
        Admin::cautious()
    });
    oci_minidump::log::start(PROGRAM, LevelFilter::Warn.min(admin.log_level), admin.log_level);
    admin
}
