//! Each system call of the hook fails once: no space, a broken disk, too many files, no memory. The hook says so in one
//! line, gives up or goes on, and never loses a dump.

use std::fs;

use crate::fault_cases::{Case, Image, OPTIONAL, POSTSTOP, PRESTART, SWEEP};
use crate::fault_injection::Stage;
use crate::held::Held;
use crate::support::run::Run;

/// How many worlds share the calls of a case: most of the time a life waits for the kernel.
const WORKERS: usize = 4;

const EIO: i32 = 5;
const ENOMEM: i32 = 12;
const EMFILE: i32 = 24;
const ENOSPC: i32 = 28;

/// What a run with a fault has to tell.
type Story<'a> = &'a dyn Fn() -> String;

/// Lets each call of `kinds` fail in the stage, with the errors in turn. `judge` looks at what the stage did, and at its
/// container, and brings everything to its end. Gives the count of errors.
fn fail_everywhere(
    case: &Case,
    kinds: &str,
    errors: &[i32],
    judge: impl Fn(&Stage<'_>, Held, &Run, Story<'_>) + Sync,
) -> usize {
    let judge = &judge;
    let count = std::thread::scope(|scope| {
        let workers: Vec<_> = (1..=WORKERS)
            .map(|first| scope.spawn(move || fail_at(case, kinds, errors, first, judge)))
            .collect();
        workers.into_iter().map(|worker| worker.join().unwrap()).max().unwrap()
    });
    assert!(count > 10, "{}: only {count} calls", case.name);
    println!("{}: each of {count} calls among {kinds} failed", case.name);
    count
}

fn fail_at(
    case: &Case,
    kinds: &str,
    errors: &[i32],
    first: usize,
    judge: &impl Fn(&Stage<'_>, Held, &Run, Story<'_>),
) -> usize {
    let stage = Stage::new(case);
    for step in (first..).step_by(WORKERS) {
        stage.lay();
        let held = Held::new();
        let error = errors[step % errors.len()];
        let (run, calls) = stage.run(&held, kinds, &format!("{error}@{step}"));
        let story = || {
            format!("{}: error {error} from {:?} ({step})\n{}", case.name, calls.get(step - 1), run.story())
        };
        assert_words(&run, usize::from(case.refusing), &story);
        stage.dumps(&story);
        judge(&stage, held, &run, &story);
        if calls.len() < step {
            let code = i32::from(case.refusing && case.stage == "sweep");
            assert_eq!(run.code(), Some(code), "{}", story());
            return calls.len();
        }
    }
    0
}

/// A documented exit code, whole lines for people, and one error at most beside those that there are `anyway`.
fn assert_words(run: &Run, anyway: usize, story: Story<'_>) {
    let text = run.stderr();
    // Before the hook's first instruction.
    if text.contains("error while loading shared libraries") || text.starts_with("kernel_without: ") {
        return;
    }
    assert!(run.code().is_some_and(|code| (0..=9).contains(&code)), "{}", story());
    let starts = ["error: ", "warning: "];
    assert!(text.lines().all(|line| starts.iter().any(|start| line.starts_with(start))), "{}", story());
    let errors = text.lines().filter(|line| line.starts_with("error: ")).count();
    assert!(errors <= 1 + anyway && (run.code() == Some(0) || errors >= 1), "{}", story());
}

/// A container that needs its directory starts with it, or not at all.
fn required(stage: &Stage<'_>, held: Held, run: &Run, story: Story<'_>) {
    if run.code() == Some(0) {
        assert!(held.has_directory(&stage.bundle), "{}", story());
        stage.write_last(&held);
        drop(held);
        return stage.end(true, story);
    }
    assert!(!held.has_directory(&stage.bundle), "{}", story());
    drop(held);
    stage.assert_as_before(story);
    stage.finish(story);
}

/// A container that can do without starts in any case.
fn not_required(stage: &Stage<'_>, held: Held, run: &Run, story: Story<'_>) {
    let text = run.stderr();
    // Until config.json is read, the hook cannot know that it may fail.
    let knows = !["OCI state", "config.json", "shared libraries", "kernel_without: "]
        .iter()
        .any(|word| text.contains(word));
    assert!(run.code() == Some(0) || !knows, "{}", story());
    let has_directory = held.has_directory(&stage.bundle);
    assert!(
        has_directory || !knows || text.contains("it starts without this minidump directory"),
        "{}",
        story()
    );
    if has_directory {
        stage.write_last(&held);
    }
    drop(held);
    stage.end(has_directory, story);
}

/// A harvest that fails keeps the image.
fn poststop(stage: &Stage<'_>, held: Held, run: &Run, story: Story<'_>) {
    drop(held);
    let text = run.stderr();
    let early = ["OCI state", "shared libraries", "kernel_without: "].iter().any(|word| text.contains(word));
    assert!(run.code() == Some(0) || early, "{}", story());
    stage.end(false, story);
}

#[test]
fn a_required_start_with_any_call_failing_fails_clean_or_succeeds() {
    let mut count = 0;
    for case in &PRESTART {
        count += fail_everywhere(case, "changes,opens", &[ENOSPC, EMFILE, EIO, ENOMEM], required);
    }
    for errno in [ENOSPC, EMFILE, EIO, ENOMEM] {
        count += fail_everywhere(&PRESTART[0], "changes", &[errno], required);
    }
    assert!(count > 500, "{count}");
}

#[test]
fn a_start_that_is_not_required_goes_on_with_any_call_failing() {
    let count = fail_everywhere(&OPTIONAL, "changes,opens", &[EIO, EMFILE, ENOSPC], not_required);
    assert!(count > 50, "{count}");
}

#[test]
fn a_poststop_with_any_call_failing_loses_nothing() {
    let mut count = 0;
    for case in &POSTSTOP {
        count += fail_everywhere(case, "changes,opens", &[ENOSPC, EMFILE, EIO, ENOMEM], poststop);
    }
    for errno in [ENOSPC, EMFILE, EIO, ENOMEM] {
        count += fail_everywhere(&POSTSTOP[0], "changes", &[errno], poststop);
    }
    assert!(count > 200, "{count}");
}

/// The places of the flushes among calls.
fn flushes(calls: &[String]) -> Vec<usize> {
    let is_flush = |call: &str| call.contains("fsync") || call.contains("fdatasync");
    (1..=calls.len()).filter(|n| is_flush(&calls[n - 1])).collect()
}

/// Lets the flush of that number fail; `None` when there are fewer.
fn fail_flush(stage: &Stage<'_>, number: usize) -> Option<Run> {
    let lay = || {
        let _ = fs::remove_dir_all(stage.world.dumps_dir());
        stage.lay();
    };
    loop {
        lay();
        let (_, calls) = stage.run(&Held::new(), "changes", "none");
        let step = *flushes(&calls).get(number)?;
        lay();
        let (run, calls) = stage.run(&Held::new(), "changes", &format!("{EIO}@{step}"));
        // How many calls come before depends on the loop devices that others use meanwhile.
        if flushes(&calls).contains(&step) {
            return Some(run);
        }
        stage.hook("sweep", None);
    }
}

/// Lets each flush of the stage fail. Then the power goes, and with it what has no name on the disk: that must be in the
/// image still.
fn assert_unflushed_stays(case: &Case, expected: &[&str]) {
    let stage = Stage::new(case);
    let mut number = 0;
    while let Some(run) = fail_flush(&stage, number) {
        let story = || format!("{}: EIO from flush {number}\n{}", case.name, run.story());
        // Both have their names, so it was the flush of the names that failed.
        if stage.world.image("app").exists() && stage.dumps(&story) == expected {
            assert!(run.stderr().contains("error: "), "{}", story());
            stage.world.dumps().iter().for_each(|dump| fs::remove_file(dump).unwrap());
        }
        let again = stage.hook("sweep", None);
        assert_eq!(stage.dumps(&story), expected, "{}\nfirst: {}", again.story(), story());
        assert!(!stage.world.image("app").exists(), "{}", story());
        stage.world.settle();
        number += 1;
    }
    assert!(number >= 4, "{}: {number}", case.name);
}

#[test]
fn what_could_not_be_flushed_is_not_published() {
    for case in POSTSTOP.iter().chain(&SWEEP).filter(|case| case.image == Image::Left && !case.memory) {
        assert_unflushed_stays(case, &["a.dmp", "b.dmp"]);
    }
}

/// A sweep that fails says so, and goes on with the others.
fn sweep(stage: &Stage<'_>, held: Held, _run: &Run, story: Story<'_>) {
    drop(held);
    stage.end(false, story);
}

#[test]
fn a_sweep_with_any_call_failing_loses_nothing() {
    let count = fail_everywhere(&SWEEP[0], "changes,opens", &[EIO, EMFILE, ENOSPC, ENOMEM], sweep);
    assert!(count > 50, "{count}");
}

#[test]
fn a_disk_that_cannot_be_read_costs_no_dump() {
    fail_everywhere(&PRESTART[2], "reads", &[EIO], required);
    fail_everywhere(&POSTSTOP[0], "reads", &[EIO], poststop);
}

/// How many calls at most lie before a start has found out that its image is in use, and waits.
const LOOK: [(&str, usize); 2] = [("opens", 64), ("changes", 12)];

#[test]
fn an_image_in_use_is_never_taken_whatever_fails() {
    for (kinds, calls) in LOOK {
        // Most of the time a start waits, so there may be many.
        std::thread::scope(|scope| {
            for worker in 1..=16 {
                scope.spawn(move || try_to_take(kinds, (worker..=calls).step_by(16)));
            }
        });
    }
}

/// Starts a second container with an image that is in use, with a call failing in each try.
fn try_to_take(kinds: &str, steps: impl Iterator<Item = usize>) {
    let stage = Stage::new(&PRESTART[0]);
    let owner = Held::new();
    stage.hook("prestart", Some(&owner)).expect(0);
    for step in steps {
        let held = Held::new();
        let (run, calls) = stage.run(&held, kinds, &format!("{EMFILE}@{step}"));
        let story = || format!("error {EMFILE} from {:?} ({step})\n{}", calls.get(step - 1), run.story());
        assert_words(&run, 0, &story);
        assert!(run.code() != Some(0) && !held.has_directory(&stage.bundle), "{}", story());
    }
    stage.write_last(&owner);
    drop(owner);
    stage.end(true, &|| "an image in use".to_owned());
}
