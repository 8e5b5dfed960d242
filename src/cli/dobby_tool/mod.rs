//! `DobbyTool`: the program under that name speaks Dobby's verbs and words, for scripts that were written for it. Unlike
//! Dobby's own it ends with a true exit status, and says on standard error why something failed.
//!
//! From the bottom up:
//!
//! - `failure`: what failed, in Dobby's words; `json`: JSON as Dobby writes it.
//! - `life`: verbs that start and stop; `inside`: verbs that change a container that runs; `query`: verbs that look.
//! - `verbs`: all verbs; `perform`: one verb, carried out or explained; `shell`: verbs from standard input.
//! - `program`: the program.

mod failure;
mod inside;
mod json;
mod life;
mod perform;
mod program;
mod query;
mod shell;
mod verbs;

pub use perform::NAME;
pub use program::run;
