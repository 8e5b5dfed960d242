//! Lets the hook run, and compares what came of it with what had to.

use std::collections::HashSet;
use std::fs;
use std::path::PathBuf;
use std::sync::Arc;

use crate::life::Life;
use crate::meeting::{self, Harm};
use crate::model::{Container, ImageId, Start};
use crate::operations::{Action, Operation};
use crate::problem::Kind;
use crate::sight;
use crate::support::run::Run;

impl Life {
    /// Whether it makes sense now. Nobody starts or deletes a container with which a runtime is busy.
    fn makes_sense(&self, action: Action) -> bool {
        let containers = &self.model.containers;
        let is_free = |container| self.model.under_way.0 != Some(container);
        match action {
            Action::Start { container, .. } => containers[container].is_none() && is_free(container),
            Action::Delete { container } => containers[container].is_some() && is_free(container),
            Action::Poststop { .. } | Action::Sweep { .. } => true,
        }
    }

    /// Lets the hook run, and something else happen meanwhile.
    pub(crate) fn act(&mut self, action: Action, harm: Harm, meanwhile: Option<&Operation>) -> bool {
        if !self.makes_sense(action) {
            return false;
        }
        let before = self.outlook(action);
        let (run, killed) = match meanwhile {
            None => meeting::alone(&self.place, action, harm),
            Some(other) => {
                let taken = self.taken(action);
                let outer = std::mem::replace(&mut self.model.under_way, taken);
                let met = meeting::of(&Arc::clone(&self.place), action, harm, || self.apply(other));
                self.model.under_way = outer;
                (met, false)
            }
        };
        let outlook = if before == self.outlook(action) { before } else { Start::Either };
        match action {
            Action::Start { container, bundle } => {
                self.account_for_start((container, bundle), &run, outlook, killed);
            }
            Action::Delete { container } => {
                self.model.containers[container] = None;
                if self.place.exists(container) {
                    self.complain(Kind::Command, format!("a container cannot be deleted: {}", run.story()));
                }
            }
            Action::Poststop { .. } | Action::Sweep { .. } => {
                let may_fail = match action {
                    // It may refuse what it cannot know.
                    Action::Sweep { elsewhere: true } => true,
                    Action::Sweep { .. } => self.model.obstructed.contains(&true) && run.code() == Some(1),
                    _ => false,
                };
                if !(killed || may_fail || run.code() == Some(0)) {
                    self.complain(Kind::Command, format!("{action:?} failed: {}", run.story()));
                }
            }
        }
        true
    }

    /// The container that an action is about, and the image that it takes.
    fn taken(&self, action: Action) -> (Option<usize>, Option<PathBuf>) {
        match action {
            Action::Start { container, bundle } => {
                (Some(container), Some(self.place.image(self.model.wishes[bundle])))
            }
            Action::Delete { container } => (Some(container), None),
            Action::Poststop { .. } | Action::Sweep { .. } => (None, None),
        }
    }

    /// What must become of a start, as things are.
    fn outlook(&self, action: Action) -> Start {
        let Action::Start { bundle, .. } = action else { return Start::Either };
        let path = self.place.image(self.model.wishes[bundle]);
        let pinned: HashSet<ImageId> = self.writers.pinned().collect();
        self.model.start(&path, sight::image(&path), &pinned)
    }

    /// Compares what became of a start with what had to.
    fn account_for_start(
        &mut self,
        (number, bundle): (usize, usize),
        run: &Run,
        outlook: Start,
        killed: bool,
    ) {
        let wish = self.model.wishes[bundle];
        let story = || format!("its bundle has {wish:?}, it {outlook:?}: {}", run.story());
        if run.code() != Some(0) {
            let may_fail = killed || wish.required && outlook != Start::Succeeds;
            if self.place.exists(number) {
                self.complain(Kind::Command, format!("a container that did not start is left: {}", story()));
            } else if !may_fail {
                self.complain(Kind::Start, format!("a container did not start: {}", story()));
            }
            return;
        }
        let pid = fs::read_to_string(self.place.pid_file(number)).unwrap().trim().parse().unwrap();
        let image = sight::image_of(pid, &self.place).unwrap_or_else(|problem| {
            self.problems.push(problem);
            None
        });
        let wrong = match (outlook, image) {
            _ if killed => "started though its hook was killed",
            (_, None) if wish.required => "started without the directory that it requires",
            (Start::Succeeds, None) => "has no minidump directory",
            (Start::IsRefused, Some(_)) => "got an image that another one uses",
            _ => "",
        };
        if !wrong.is_empty() {
            self.complain(Kind::Start, format!("a container {wrong}: {}", story()));
        }
        let container = Container { pid, bundle, path: self.place.image(wish), image, lives: true };
        self.problems.extend(self.model.started(number, container));
    }
}
