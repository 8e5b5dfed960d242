//! What `info` says of a dump besides what stands in it: its crash record, and what was not kept before it.

use std::path::Path;

use serde_json::Value;

use crate::dump::show::info::Beside;
use crate::harvest::crash_record::CrashRecord;
use crate::harvest::marks;

/// What lies beside the dump at `path`.
#[must_use]
pub fn beside(path: &Path) -> Beside {
    let mut beside = Beside::default();
    if let Some(record) = CrashRecord::find(path) {
        beside.lines.extend(lines(&record));
        beside.json.extend(serde_json::to_value(&record).ok().map(|record| ("record".to_owned(), record)));
    }
    let not_kept = marks::not_kept(path);
    if not_kept > 0 {
        beside.lines.push(("not kept", format!("{not_kept} crashes before this one")));
        beside.json.insert("not_kept".to_owned(), Value::from(not_kept));
    }
    beside
}

fn lines(record: &CrashRecord) -> impl Iterator<Item = (&'static str, String)> {
    let subject = &record.subject;
    let image = match (&subject.image, &subject.digest) {
        (Some(image), Some(digest)) if !image.contains(digest.as_str()) => {
            Some(format!("{image} ({digest})"))
        }
        (image, digest) => image.clone().or_else(|| digest.clone()),
    };
    let exit = match (subject.run.exit_code, subject.run.exit_signal) {
        (Some(code), _) => Some(format!("code {code}")),
        (None, signal) => signal.map(|signal| format!("signal {signal}")),
    };
    let lines = [
        ("container", record.container.clone()),
        ("name", subject.name.clone()),
        ("pod", subject.pod.clone()),
        ("namespace", subject.namespace.clone()),
        ("image", image),
        ("bundle", subject.bundle.clone()),
        ("boot", subject.boot.clone()),
        ("restarts", subject.run.restarts.map(|count| count.to_string())),
        ("exit", exit),
        ("sha256", Some(record.sha256.clone())),
    ];
    lines.into_iter().filter_map(|(name, text)| Some((name, text?)))
}
