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

/// The settings of the table `table` in a sample; one that has no default of its own may stand in a comment. In the table
/// without a name, those that begin another one count.
fn used(sample: &str, table: &str) -> BTreeSet<String> {
    let mut section = "";
    let mut used = BTreeSet::new();
    for line in sample.lines() {
        if let Some(name) = line.strip_prefix('[').and_then(|line| line.split(']').next()) {
            section = name;
            if table.is_empty() {
                used.insert(name.to_owned());
            }
        }
        let name = line.trim_start_matches("# ").split(" =").next().unwrap_or_default();
        let is_name = line.contains(" =") && name.chars().all(|c| c.is_ascii_lowercase() || c == '_');
        if is_name && section == table {
            used.insert(name.to_owned());
        }
    }
    used
}

#[test]
fn the_sample_of_the_hook_has_every_setting_and_is_read() {
    let dir = TempDir::new().unwrap();
    let file = dir.path().join("settings.toml");
    let sample = sample("The hook");
    for table in ["", "retention", "annotations", "notify"] {
        let mut sweep = Command::new(HOOK);
        sweep.arg("sweep").arg("--settings").arg(&file);
        assert_eq!(used(&sample, table), expected(&mut sweep, &file, table), "[{table}]");
    }
    fs::write(&file, &sample).unwrap();
    let admin = Admin::load(&file).unwrap_or_else(|error| panic!("{}", error.report()));
    // What the rest of the book says of the defaults.
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
    let flag = |row: &[String]| {
        let cell = row.iter().find(|cell| cell.starts_with("`--"));
        cell.unwrap_or_else(|| panic!("no flag in {row:?}")).trim_matches('`').to_owned()
    };
    let rows = rows.iter().skip(1).map(|row| (row[0].trim_matches('`').to_owned(), flag(row)));
    let rows: Vec<(String, String)> = rows.collect();
    let mut serve = Command::new(OCICONTAINER);
    serve.arg("serve").arg("--config").arg(&file);
    let expected = expected(&mut serve, &file, "");
    let named: BTreeSet<String> = rows.iter().map(|(setting, _)| setting.clone()).collect();
    // A list may also be called by the name of its flag.
    let is_flag = |name: &&String| {
        rows.iter().any(|(_, flag)| flag.trim_start_matches('-').replace('-', "_") == **name)
    };
    let other: Vec<_> = expected.difference(&named).filter(|name| !is_flag(name)).collect();
    assert!(other.is_empty(), "not in the table: {other:?}");
    assert_eq!(named.difference(&expected).collect::<Vec<_>>(), Vec::<&String>::new(), "no settings");
    let help = Command::new(OCICONTAINER).args(["serve", "--help"]).output().unwrap();
    let help = String::from_utf8(help.stdout).unwrap();
    for (_, flag) in &rows {
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
