//! Containers that go on: their complete dumps are brought to the host while they run, and removed from their images.
//!
//! Which containers run, and which images are theirs, is known from the hook's records. Whatever does not fit, an image
//! that is not attached, another image of that name, an init that has ended, is left to poststop and `sweep`. Of several
//! that work on one image at the same moment, the image's lock lets one at a time; each finds there what the earlier ones
//! have left.
//!
//! - [`images`]: the images of containers that run, and the harvest of one.
//! - [`once`]: the harvest of all of them, for a person.
//! - `directories`: which directories in them change (inotify(7)); `pace`: how often each may be looked at.
//! - [`watch`]: harvests each as soon as something in it is complete.

mod directories;
pub mod images;
pub mod once;
mod pace;
pub mod watch;
