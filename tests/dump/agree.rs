//! Our reader says what the `minidump` crate says.

use std::fs::File;
use std::ops::Deref;

use minidump::system_info::{Cpu, Os};
use minidump::{
    Minidump, MinidumpException, MinidumpLinuxProcStatus, MinidumpModuleList, MinidumpSystemInfo,
    MinidumpThreadList, MinidumpThreadNames, Module,
};
use oci_minidump::dump::{Completeness, Report, completeness};

use crate::samples::{self, WHOLE};

type Oracle<'a> = Minidump<'a, &'a [u8]>;

/// Fails unless `report` says of the whole dump in `bytes` what the other reader says.
pub(crate) fn assert_agree(name: &str, report: &Report, bytes: &[u8]) {
    let oracle: Oracle<'_> = Minidump::read(bytes).unwrap_or_else(|error| panic!("{name}: {error}"));
    let system = oracle.get_stream::<MinidumpSystemInfo>().unwrap();
    assert_eq!(report.truncated, None, "{name}");
    assert_crash(name, report, &oracle, &system);
    assert_place(name, report, &oracle, &system);
    assert_process(name, report, &oracle);
    let ours = report.system.as_ref().unwrap();
    assert_eq!((ours.os.as_str(), system.os), ("Linux", Os::Linux), "{name}");
    assert_eq!((ours.cpu.as_str(), system.cpu), ("x86_64", Cpu::X86_64), "{name}");
    assert_eq!(ours.version.as_deref(), system.csd_version().as_deref(), "{name}");
    let time = ::time::OffsetDateTime::from_unix_timestamp(oracle.header.time_date_stamp.into()).unwrap();
    let time = time.format(&::time::format_description::well_known::Rfc3339).unwrap();
    assert_eq!(report.time.as_deref(), Some(time.as_str()), "{name}");
}

fn assert_crash(name: &str, report: &Report, oracle: &Oracle<'_>, system: &MinidumpSystemInfo) {
    let exception = oracle.get_stream::<MinidumpException>().unwrap();
    let crash = report.crash.as_ref().unwrap();
    let reason = exception.get_crash_reason(system.os, system.cpu).to_string();
    let ours = format!("{} / {}", crash.signal, crash.code.as_deref().unwrap());
    assert_eq!(ours, reason, "{name}");
    // Of an abort, the other reader takes the sender's pid and user for an address.
    if crash.signal == "SIGABRT" {
        assert_eq!(crash.address, None, "{name}");
    } else {
        assert_eq!(crash.address.unwrap().0, exception.get_crash_address(system.os, system.cpu), "{name}");
    }
    let thread = report.thread.as_ref().unwrap();
    assert_eq!(thread.id, exception.get_crashing_thread_id(), "{name}");
    if let Ok(names) = oracle.get_stream::<MinidumpThreadNames>() {
        assert_eq!(thread.name.as_deref(), names.get_name(thread.id).as_deref(), "{name}");
    }
    let threads = oracle.get_stream::<MinidumpThreadList<'_>>().unwrap();
    assert_eq!(report.threads.map(|count| count as usize), Some(threads.threads.len()), "{name}");
}

fn assert_place(name: &str, report: &Report, oracle: &Oracle<'_>, system: &MinidumpSystemInfo) {
    let exception = oracle.get_stream::<MinidumpException>().unwrap();
    let address = exception.context(system, None).unwrap().get_instruction_pointer();
    let modules = oracle.get_stream::<MinidumpModuleList>().unwrap();
    assert_eq!(report.modules.map(|count| count as usize), Some(modules.iter().count()), "{name}");
    let place = report.place.as_ref().unwrap();
    assert_eq!(place.address.0, address, "{name}");
    let theirs = modules.module_at_address(address).unwrap();
    assert_eq!(place.offset.unwrap().0, address - theirs.base_address(), "{name}");
    for (ours, theirs) in [(&place.module, theirs), (&report.program, modules.main_module().unwrap())] {
        let ours = ours.as_ref().unwrap();
        assert_eq!(ours.path, theirs.code_file(), "{name}");
        assert_eq!((ours.base.0, ours.size), (theirs.base_address(), theirs.size()), "{name}");
        let code = theirs.code_identifier().map(|id| id.to_string());
        assert_eq!(ours.build_id, code, "{name}");
        let debug = theirs.debug_identifier().map(|id| id.breakpad().to_string());
        assert_eq!(ours.debug_id, debug, "{name}");
    }
}

fn assert_process(name: &str, report: &Report, oracle: &Oracle<'_>) {
    let status = oracle.get_stream::<MinidumpLinuxProcStatus<'_>>().unwrap();
    let field = |wanted: &str| {
        let mut fields = status.iter().map(|(key, value)| (key.to_string_lossy(), value.to_string_lossy()));
        fields.find(|(key, _)| key.deref() == wanted).map(|(_, value)| value.into_owned()).unwrap()
    };
    let process = report.process.as_ref().unwrap();
    assert_eq!(process.pid.unwrap().to_string(), field("Tgid"), "{name}");
    assert_eq!(process.uid.unwrap().to_string(), field("Uid").split_whitespace().next().unwrap(), "{name}");
    assert_eq!(report.thread.as_ref().unwrap().name.as_deref().unwrap(), field("Name"), "{name}");
    assert_eq!(
        process.name.as_deref(),
        report.program.as_ref().map(|program| program.name.as_str()),
        "{name}"
    );
}

#[test]
fn the_samples_are_read_as_the_other_reader_reads_them() {
    for sample in &WHOLE {
        let bytes = samples::bytes(sample.name);
        let report = Report::read(bytes.as_slice()).unwrap();
        assert_agree(sample.name, &report, &bytes);
        assert_eq!(report.to_string(), format!("{}, build id {}", sample.summary, sample.build_id));
        assert_eq!(report.time.as_deref(), Some(sample.time), "{}", sample.name);
        assert_eq!(report.process.as_ref().unwrap().uid, Some(sample.uid), "{}", sample.name);
    }
}

#[test]
fn a_file_gives_the_same_report_as_memory_and_keeps_its_cursor() {
    use std::io::Seek;
    for sample in &WHOLE {
        let mut file = File::open(samples::path(sample.name)).unwrap();
        file.seek(std::io::SeekFrom::Start(5)).unwrap();
        let report = Report::read(&file).unwrap();
        assert_eq!(report, Report::read(samples::bytes(sample.name).as_slice()).unwrap());
        assert_eq!(completeness(&file).unwrap(), Completeness::Complete);
        assert_eq!(file.stream_position().unwrap(), 5);
    }
}

#[test]
fn a_dump_from_a_full_file_system_is_said_to_be_truncated() {
    let dump = samples::truncated();
    let reason = "no system information (17 of the promised streams were never written)";
    assert_eq!(completeness(dump.as_slice()).unwrap(), Completeness::Truncated(reason.to_owned()));
    let report = Report::read(dump.as_slice()).unwrap();
    assert_eq!(report.to_string(), format!("no crash recorded (truncated: {reason})"));
    assert_eq!(report.time.as_deref(), Some("2026-11-22T01:57:41Z"));
    assert_eq!(report.crash, None);
    let oracle = Minidump::read(dump.as_slice()).unwrap();
    assert!(oracle.get_stream::<MinidumpSystemInfo>().is_err());
}
