//! Expressions of DWARF in call frame information: how to calculate an address or a value.

#![warn(clippy::arithmetic_side_effects, clippy::as_conversions)]

use gimli::{Encoding, EndianSlice, EvaluationResult, Expression, LittleEndian, Location, Value};
use minidump_unwind::FrameWalker;

use super::registers;
use crate::dump::records::Cpu;

/// The content of a section.
pub(super) type Bytes<'s> = EndianSlice<'s, LittleEndian>;

/// The most operations of one expression; a jump may lead back.
const MAX_OPERATIONS: u32 = 1000;

/// What an expression may ask for.
pub(super) struct Asked<'w> {
    pub(super) walker: &'w dyn FrameWalker,
    pub(super) cpu: Cpu,
    /// What to add to addresses of the file.
    pub(super) bias: u64,
    /// The frame's own address, if it is known yet: it is what a register's expression begins with.
    pub(super) frame: Option<u64>,
}

/// The value of an expression; `None` when it is damaged, or asks for what the dump does not have.
pub(super) fn evaluate(
    expression: Expression<Bytes<'_>>,
    encoding: Encoding,
    asked: &Asked<'_>,
) -> Option<u64> {
    let mut evaluation = expression.evaluation(encoding);
    evaluation.set_max_iterations(MAX_OPERATIONS);
    if let Some(frame) = asked.frame {
        evaluation.set_initial_value(frame);
    }
    let mut state = evaluation.evaluate().ok()?;
    loop {
        let resumed = match state {
            EvaluationResult::Complete => break,
            EvaluationResult::RequiresRegister { register, .. } => {
                let name = registers::name(asked.cpu, register)?;
                evaluation.resume_with_register(Value::Generic(asked.walker.get_callee_register(name)?))
            }
            EvaluationResult::RequiresMemory { address, size, .. } => {
                let word = asked.walker.get_register_at_address(address)?;
                let bits = u32::from(size).saturating_mul(8).min(64);
                let mask = u64::MAX.checked_shr(64_u32.saturating_sub(bits)).unwrap_or_default();
                evaluation.resume_with_memory(Value::Generic(word & mask))
            }
            EvaluationResult::RequiresCallFrameCfa => evaluation.resume_with_call_frame_cfa(asked.frame?),
            EvaluationResult::RequiresRelocatedAddress(address) => {
                evaluation.resume_with_relocated_address(address.wrapping_add(asked.bias))
            }
            _ => return None,
        };
        state = resumed.ok()?;
    }
    match evaluation.as_result().first()?.location {
        Location::Address { address } => Some(address),
        _ => None,
    }
}
