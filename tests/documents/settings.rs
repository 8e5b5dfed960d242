//! Every setting is in the book, and every one in the book is a setting: the programs' own readers say so.

use std::collections::BTreeSet;
use std::fs;
use std::path::Path;
use std::process::Command;

use oci_minidump::settings::admin::Admin;
use tempfile::TempDir;

use crate::binaries::{HOOK, OCICONTAINER};
use crate::files::root;
use crate::markdown::Document;

fn page() -> Document {
    Document::open(&root().join("docs/settings.md"))
}

/// The first block of TOML below a heading.
fn sample(title: &str) -> String {
    let section = page().section(title);
    let section = Document { path: "docs/settings.md".into(), text: section };
    let blocks = section.blocks().into_iter().find(|block| block.language == "toml");
    blocks.unwrap_or_else(|| panic!("no sample below {title}")).lines.join("\n")
}

/// The settings that a program expects in the table `table` of its file: it lists them when it is given another one.
fn expected(command: &mut Command, file: &Path, table: &str) -> BTreeSet<String> {
    let header = if table.is_empty() { String::new() } else { format!("[{table}]\n") };
    fs::write(file, format!("{header}nonsense = 1\n")).unwrap();
    let output = command.output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr).into_owned();
    let (_, list) =
        message.split_once("unknown field `nonsense`").unwrap_or_else(|| panic!("{command:?}: {message}"));
    list.split('`').skip(1).step_by(2).map(str::to_owned).collect()
}

/// The settings of the table `table` in a sample.
fn used(sample: &str, table: &str) -> BTreeSet<String> {
    let value: toml::Table = sample.parse().unwrap();
    let table = if table.is_empty() { &value } else { value[table].as_table().unwrap() };
    table.keys().cloned().collect()
}

#[test]
fn the_sample_of_the_hook_has_every_setting_and_is_read() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("settings.toml");
    let sample = sample("The hook");
    for table in ["", "retention", "annotations"] {
        let mut sweep = Command::new(HOOK);
        sweep.arg("sweep").arg("--settings").arg(&file);
        assert_eq!(used(&sample, table), expected(&mut sweep, &file, table), "[{table}]");
    }
    fs::write(&file, &sample).unwrap();
    let admin = Admin::load(&file).unwrap_or_else(|error| panic!("{}", error.report()));
    assert_ne!(admin, Admin::default(), "the sample shows more than the defaults");
    // What the comments and the rest of the book say of the defaults.
    let paths =
        |admin: &Admin| (admin.image_dir.clone(), admin.host_destination.clone(), admin.state_dir.clone());
    assert_eq!(paths(&admin), paths(&Admin::default()));
    assert_eq!(admin.annotations.max_imgsize, Admin::default().annotations.max_imgsize);
}

#[test]
fn the_table_of_the_daemon_has_every_setting_and_flag() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("settings.toml");
    let rows = page().rows("The daemon");
    let rows: Vec<_> =
        rows.iter().skip(1).map(|row| [&row[0], &row[1]].map(|cell| cell.trim_matches('`'))).collect();
    let mut serve = Command::new(OCICONTAINER);
    serve.arg("serve").arg("--config").arg(&file);
    let expected = expected(&mut serve, &file, "");
    let named: BTreeSet<String> = rows.iter().map(|[setting, _]| (*setting).to_owned()).collect();
    // A list may also be called by the name of its flag.
    let is_flag = |name: &&String| {
        rows.iter().any(|[_, flag]| flag.trim_start_matches('-').replace('-', "_") == **name)
    };
    let other: Vec<_> = expected.difference(&named).filter(|name| !is_flag(name)).collect();
    assert!(other.is_empty(), "not in the table: {other:?}");
    assert_eq!(named.difference(&expected).collect::<Vec<_>>(), Vec::<&String>::new(), "no settings");
    let help = Command::new(OCICONTAINER).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for [_, flag] in &rows {
        assert!(
            help.contains(&format!("{flag} ")) || help.contains(&format!("{flag}\n")),
            "there is no {flag}"
        );
    }
}

#[test]
fn a_daemon_takes_the_sample_of_its_settings() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("settings.toml");
    // It goes as far as the state directory, which cannot be made, and so never listens.
    fs::write(&file, sample("The daemon")).unwrap();
    let mut serve = Command::new(OCICONTAINER);
    serve.args(["serve", "--config"]).arg(&file).args(["--state-dir", "/proc/no/such/place"]);
    let output = serve.output().unwrap();
    let message = String::from_utf8_lossy(&output.stderr);
    assert!(message.contains("/proc/no"), "{message}");
    assert!(!message.contains("settings.toml"), "{message}");
}
