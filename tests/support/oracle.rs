//! What `minidump-stackwalk` says of a dump: the stacks of `minidump-processor`.

use std::path::{Path, PathBuf};
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use minidump::{Minidump, Module};
use minidump_processor::{ProcessState, process_minidump};
use minidump_unwind::{Symbolizer, simple_symbol_supplier};
use serde_json::{Value, json};

/// The stacks, each with the thread's id and the frames as our JSON has them; the crashed thread's first.
pub(crate) fn stacks(dump: &Path, symbols: &[PathBuf]) -> Vec<(u32, Vec<Value>)> {
    let dump = Minidump::read_path(dump).unwrap();
    let provider = Symbolizer::new(simple_symbol_supplier(symbols.to_vec()));
    let processed = pin!(process_minidump(&dump, &provider)).poll(&mut Context::from_waker(Waker::noop()));
    let Poll::Ready(state) = processed else { panic!("it waits for something") };
    let state = state.unwrap();
    let crashed = state.requesting_thread.unwrap();
    let mut order: Vec<usize> = (0..state.threads.len()).filter(|n| *n != crashed).collect();
    order.insert(0, crashed);
    order.into_iter().map(|n| stack(&state, n)).collect()
}

fn stack(state: &ProcessState, number: usize) -> (u32, Vec<Value>) {
    let stack = &state.threads[number];
    let hex = |number: u64| format!("{number:#x}");
    let frames = stack.frames.iter().map(|frame| {
        let module = frame.module.as_ref();
        json!({
            "address": hex(frame.instruction),
            "module": module.map(|module| module.code_file().rsplit('/').next().unwrap().to_owned()),
            "offset": module.map(|module| hex(frame.instruction - module.base_address())),
            "function": frame.function_name,
            "function_offset": frame.function_base.map(|base| hex(frame.instruction - base)),
            "source": frame.source_file_name,
            "line": frame.source_line,
            "found_by": frame.trust.as_str(),
        })
    });
    (stack.thread_id, frames.collect())
}

/// Fails unless the program's stacks of a dump are those of the oracle, frame by frame.
pub(crate) fn assert_agrees(dump: &Path, symbols: &[PathBuf], ours: &Value) {
    let ours: Vec<(u32, Vec<Value>)> = ours["stacks"]
        .as_array()
        .unwrap_or_else(|| panic!("{ours}"))
        .iter()
        .map(|thread| (thread["id"].as_u64().unwrap() as u32, thread["frames"].as_array().unwrap().clone()))
        .collect();
    let theirs = stacks(dump, symbols);
    assert_eq!(ours.len(), theirs.len(), "{}", dump.display());
    for (ours, theirs) in ours.iter().zip(&theirs) {
        assert_eq!(ours, theirs, "{}", dump.display());
    }
}

/// What `oci-minidump-stack info --json` says of a dump.
pub(crate) fn info(dump: &Path, symbols: &[PathBuf]) -> Value {
    let mut program = crate::support::host::stack_program();
    program.args(["info", "--json"]).arg(dump);
    for path in symbols {
        program.arg("--symbols").arg(path);
    }
    let output = program.output().unwrap();
    assert!(output.status.success(), "{output:?}");
    let all: Value = serde_json::from_slice(&output.stdout).unwrap();
    all[0].clone()
}
