//! What must be true whenever no operation is under way.

use std::collections::{HashMap, HashSet};

use crate::dumps;
use crate::model::{ImageId, Model};
use crate::place::Place;
use crate::problem::{Kind, Problem};
use crate::sight::{self, Device, Harvested};

/// How often a device is looked at whose file has no name: when the hook was killed before it named a new image, the
/// kernel detaches the device a moment later.
const LOOKS: u32 = 5000;

/// Every acknowledged dump is on the host, once, whole, where it belongs, and under its container's name; or it lies in an
/// image that has a name in a directory of images, so that `sweep` or the next start will harvest it. Gives what is not
/// so.
pub(crate) fn problems(model: &Model, place: &Place) -> Vec<Problem> {
    let mut problems = Vec::new();
    let on_host = harvested(model, place, &mut problems);
    let named: HashSet<ImageId> = sight::images(place).into_iter().map(|(_, id)| id).collect();
    for (number, dump) in model.dumps.iter().filter(|(number, _)| !on_host.contains(number)) {
        if !named.contains(&dump.image) {
            let image = &model.images[&dump.image];
            let what =
                format!("dump {number} of {image:?} is not on the host, and its image has no name: {dump:?}");
            problems.push(Problem::new(Kind::Lost, what));
        }
    }
    for (number, container) in model.containers.iter().enumerate() {
        let image = container.as_ref().filter(|container| container.lives).and_then(|c| c.image);
        if image.is_some_and(|image| !named.contains(&image)) {
            let what = format!("container {number} runs, and its image has no name: {image:?}");
            problems.push(Problem::new(Kind::Lost, what));
        }
    }
    problems.extend(nameless(place));
    problems
}

/// What must be true in the end, when every container is deleted and nothing is pinned: every dump is on the host, and
/// nothing else is left. Gives what is not so.
pub(crate) fn problems_in_the_end(model: &Model, place: &Place) -> Vec<Problem> {
    let mut problems = problems(model, place);
    let on_host = harvested(model, place, &mut Vec::new());
    let missing: Vec<_> = model.dumps.iter().filter(|(number, _)| !on_host.contains(number)).collect();
    if !missing.is_empty() {
        problems.push(Problem::new(Kind::Lost, format!("not on the host in the end: {missing:?}")));
    }
    let mut left = place.world.settle();
    left.retain(|what| *what != format!("mount {}", place.destination(1).display()));
    left.extend(sight::images(place).iter().map(|(path, _)| path.display().to_string()));
    if !left.is_empty() {
        problems.push(Problem::new(Kind::Left, format!("left behind: {left:?}")));
    }
    problems
}

/// The numbers of the dumps on the host.
fn harvested(model: &Model, place: &Place, problems: &mut Vec<Problem>) -> HashSet<u64> {
    let mut seen = HashMap::new();
    for file in sight::harvested(place) {
        let path = file.path.display().to_string();
        let number = dumps::number(&file.bytes).filter(|number| model.dumps.contains_key(number));
        let Some(number) = number else {
            let what = format!("{path} is no dump that was acknowledged ({} bytes)", file.bytes.len());
            problems.push(Problem::new(Kind::Spoilt, what));
            continue;
        };
        if file.bytes != dumps::bytes(number, model.dumps[&number].size) {
            let what = format!("dump {number} is not whole: {path} ({} bytes)", file.bytes.len());
            problems.push(Problem::new(Kind::Spoilt, what));
            continue;
        }
        problems.extend(misplaced(model, place, number, &file));
        if let Some(first) = seen.insert(number, path.clone()) {
            let what = format!("dump {number} is there twice: {first} and {path}");
            problems.push(Problem::new(Kind::Spoilt, what));
        }
    }
    seen.into_keys().collect()
}

/// Whether a dump is where its container's dumps belong, and marked as its own.
fn misplaced(model: &Model, place: &Place, number: u64, file: &Harvested) -> Option<Problem> {
    let image = model.images[&model.dumps[&number].image];
    let is_marked = file.mark.as_ref().is_none_or(|mark| *mark == place.id(image.container));
    let problem = |what| {
        Problem::new(Kind::Owner, format!("dump {number} of {image:?} {what}: {}", file.path.display()))
    };
    if file.destination != image.destination {
        Some(problem("is in another destination".to_owned()))
    } else if !is_marked {
        Some(problem(format!("is marked as that of {:?}", file.mark)))
    } else {
        None
    }
}

/// No image that is attached is without a name.
fn nameless(place: &Place) -> Option<Problem> {
    let mut looks = 0;
    loop {
        let nameless = sight::devices(place).into_iter().find(|device| device.image.is_none())?;
        looks += 1;
        if looks == LOOKS {
            let Device { name, file, .. } = nameless;
            return Some(Problem::new(Kind::Lost, format!("{file} is attached to {name} and has no name")));
        }
        std::thread::sleep(std::time::Duration::from_millis(1));
    }
}
