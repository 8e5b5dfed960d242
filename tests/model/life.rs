//! Carries operations out, and keeps the model up to date with them.

use std::fs;
use std::io::Write;
use std::sync::Arc;

use rustix::process::{Pid, Signal, kill_process};

use crate::meeting::Harm;
use crate::model::{ImageId, Model};
use crate::operations::{Action, BUNDLES, CONTAINERS, Operation, Wish};
use crate::place::Place;
use crate::problem::{Kind, Problem};
use crate::quiet;
use crate::sight;
use crate::support::host::{files_in, wait_until};
use crate::writers::{Draft, Pin, Writers};

/// A place, what lives there, and what ought to be true of it.
#[derive(Debug)]
pub(crate) struct Life {
    // Given up before the place.
    pub(crate) writers: Writers,
    pub(crate) model: Model,
    pub(crate) place: Arc<Place>,
    pub(crate) problems: Vec<Problem>,
    /// Whether nothing is left any more.
    over: bool,
}

impl Life {
    pub(crate) fn new(runtime: &'static str) -> Self {
        let place = Arc::new(Place::new(runtime));
        let (writers, model, problems) = (Writers::default(), Model::default(), Vec::new());
        let mut life = Self { writers, model, place, problems, over: false };
        for bundle in 0..BUNDLES {
            life.configure(bundle, Wish { image: bundle, destination: bundle, ..Wish::default() });
        }
        life
    }

    /// Does one thing, and looks whether all is well then. Says whether it made sense.
    ///
    /// # Errors
    /// What is not as promised.
    pub(crate) fn step(&mut self, operation: &Operation) -> Result<bool, Vec<Problem>> {
        self.note(&format!("{operation:?}"));
        let done = self.apply(operation);
        if done {
            self.problems.extend(quiet::problems(&self.model, &self.place));
        } else {
            self.note("passed over");
        }
        self.verdict().map(|()| done)
    }

    /// The problems there are.
    fn verdict(&mut self) -> Result<(), Vec<Problem>> {
        let mut problems = std::mem::take(&mut self.problems);
        problems.retain(|problem| !problem.is_overlooked());
        if problems.is_empty() { Ok(()) } else { Err(problems) }
    }

    pub(crate) fn complain(&mut self, kind: Kind, what: String) {
        self.problems.push(Problem::new(kind, what));
    }

    /// Writes a line into the hooks' log.
    fn note(&self, line: &str) {
        let log = fs::File::options().create(true).append(true).open(self.place.world.path("hook.log"));
        writeln!(log.unwrap(), "--- {line}").unwrap();
    }

    /// Does it, if it makes sense.
    pub(crate) fn apply(&mut self, operation: &Operation) -> bool {
        match operation {
            Operation::Act(action) => self.act(*action, Harm::None, None),
            Operation::Killed(action, call) => self.act(*action, Harm::Kill(*call), None),
            Operation::Meeting { first, held, meanwhile } => {
                let harm = if *held == 0 { Harm::None } else { Harm::Hold(*held) };
                self.act(*first, harm, Some(meanwhile))
            }
            Operation::Write { which, size } => self.write(*which, *size),
            Operation::Begin { which, size } => self.writers.may_begin() && self.begin(*which, *size),
            Operation::Complete { which } => {
                let draft = self.writers.take_draft(*which);
                draft.map(|draft| self.complete(draft)).is_some()
            }
            Operation::Abandon { which } => self.writers.take_draft(*which).is_some(),
            Operation::End { container } => self.end(*container),
            Operation::Pin { container } => self.pin(*container),
            Operation::Unpin { which } => self.writers.unpin(*which),
            Operation::Configure { bundle, wish } => self.configure(*bundle, *wish),
            Operation::Obstruct { destination } => self.obstruct(*destination, true),
            Operation::Clear { destination } => self.obstruct(*destination, false),
            Operation::LoseRecords => self.lose_records(),
        }
    }

    fn write(&mut self, which: usize, size: usize) -> bool {
        let draft = self.draft(which, size);
        draft.map(|draft| self.complete(draft)).is_some()
    }

    fn begin(&mut self, which: usize, size: usize) -> bool {
        let draft = self.draft(which, size);
        let begun = draft.is_some();
        self.writers.drafts.extend(draft);
        begun
    }

    /// A dump that is written but for its header, if anybody can write one and there is room.
    fn draft(&mut self, which: usize, size: usize) -> Option<Draft> {
        let busy = self.model.under_way.0;
        let containers = self.model.containers.iter().enumerate().filter(|(number, _)| busy != Some(*number));
        let living = containers.filter_map(|(_, container)| container.as_ref()).filter(|c| c.lives);
        let mut writers: Vec<(i32, ImageId)> = living.filter_map(|c| Some((c.pid, c.image?))).collect();
        writers.extend(self.writers.pins.iter().map(Pin::writer));
        let (pid, id) = *writers.get(which.checked_rem(writers.len())?)?;
        let image = self.model.images.get_mut(&id)?;
        image.dumps += 1;
        let drafted = Draft::begin(pid, id, image.dumps, self.writers.number(), size);
        drafted.unwrap_or_else(|what| {
            self.complain(Kind::Lost, what);
            None
        })
    }

    fn complete(&mut self, draft: Draft) {
        match draft.complete() {
            Ok((number, dump)) => drop(self.model.dumps.insert(number, dump)),
            Err(what) => self.complain(Kind::Lost, what),
        }
    }

    fn end(&mut self, number: usize) -> bool {
        let is_busy = self.model.under_way.0 == Some(number);
        let container =
            self.model.containers[number].as_mut().filter(|container| container.lives && !is_busy);
        let Some(container) = container else { return false };
        kill_process(Pid::from_raw(container.pid).unwrap(), Signal::KILL).unwrap();
        wait_until(|| !sight::runs(container.pid));
        container.lives = false;
        true
    }

    fn pin(&mut self, number: usize) -> bool {
        let container = self.model.containers[number].as_ref().filter(|container| container.lives);
        let writer = container.and_then(|container| Some((container.pid, container.image?)));
        writer.is_some_and(|(pid, image)| self.writers.pin(pid, image))
    }

    fn configure(&mut self, bundle: usize, wish: Wish) -> bool {
        self.place.configure(bundle, wish);
        self.model.wishes[bundle] = wish;
        true
    }

    fn obstruct(&mut self, destination: usize, obstructed: bool) -> bool {
        if self.model.obstructed[destination] == obstructed {
            return false;
        }
        self.model.obstructed[destination] = obstructed;
        if obstructed {
            self.place.obstruct(destination)
        } else {
            self.place.clear(destination)
        }
        true
    }

    fn lose_records(&mut self) -> bool {
        for record in files_in(&self.place.world.path("records")) {
            fs::remove_file(record).unwrap();
        }
        self.model.lose_records();
        true
    }

    /// Brings everything to its end: then every dump is on the host, and nothing else is left.
    ///
    /// # Errors
    /// What is not so.
    pub(crate) fn finish(&mut self) -> Result<(), Vec<Problem>> {
        self.note("the end");
        while let Some(draft) = self.writers.take_draft(0) {
            self.complete(draft);
        }
        self.let_go();
        for container in 0..CONTAINERS {
            self.end(container);
            self.act(Action::Delete { container }, Harm::None, None);
        }
        // An image that is just being released may be left to the next sweep, but this is the last one.
        self.place.world.settle();
        for _ in 0..2 {
            self.act(Action::Sweep { elsewhere: false }, Harm::None, None);
        }
        self.problems.extend(quiet::problems_in_the_end(&self.model, &self.place));
        self.verdict()?;
        self.clear();
        Ok(())
    }

    /// Nothing is pinned any more, and every destination can be used.
    fn let_go(&mut self) {
        self.writers.clear();
        for destination in 0..self.model.obstructed.len() {
            self.obstruct(destination, false);
        }
    }

    /// Removes by force what is left after a failure.
    fn clear(&mut self) {
        self.over = true;
        self.let_go();
        for container in (0..CONTAINERS).filter(|container| self.place.exists(*container)) {
            self.place.perform(Action::Delete { container });
        }
        self.place.world.settle();
        let images = sight::images(&self.place).into_iter().map(|(path, _)| path);
        for path in images.chain(files_in(&self.place.world.path("records"))) {
            fs::remove_file(path).unwrap();
        }
        self.place.unmount();
    }
}

impl Drop for Life {
    fn drop(&mut self) {
        if !self.over {
            self.clear();
        }
    }
}
