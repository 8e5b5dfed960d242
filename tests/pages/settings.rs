//! The settings files of both programs.

use clap::{ArgAction, Args};
use oci_minidump::server::config::ServeOptions;
use oci_minidump::settings::admin::{Admin, Annotations, Mode, Notify, Retention};

use crate::source::fields;
use crate::table::{code, sentence, table};

/// Where the hook's settings are defined.
const ADMIN: &str = "src/settings/admin.rs";
/// Where those of `[notify]` are.
const NOTIFY: &str = "src/settings/notify/mod.rs";
/// The width of a comment in an example.
const WIDTH: usize = 100;

/// A setting of the hook.
struct Setting {
    section: &'static str,
    name: String,
    about: String,
    /// Its default in TOML, if it has one of its own.
    default: Option<String>,
}

/// The defaults, by section and name. A new field of a structure does not compile here until it is added.
fn defaults() -> Vec<(&'static str, &'static str, Option<String>)> {
    let Admin {
        state_dir,
        known_dirs,
        image_dir,
        image_backing,
        memory_size,
        bundles_choose_backing,
        host_destination,
        naming,
        crash_records,
        mode: Mode(mode),
        group,
        retention: Retention { max_count, max_bytes, keep_free, per_container_count, burst },
        annotations: Annotations { max_imgsize, image_dirs, host_destinations },
        notify: Notify { exec, webhook, metrics, deadline, attempts, keep, retry },
        log_level,
    } = Admin::default();
    assert!(exec.is_none() && webhook.is_none() && metrics.is_none());
    assert!(group.is_none() && burst.is_none() && image_dirs.is_none() && host_destinations.is_none());
    let text = |value: &dyn std::fmt::Display| Some(format!("\"{value}\""));
    let number = |value: u64| Some(value.to_string());
    vec![
        ("", "state_dir", text(&state_dir.display())),
        ("", "known_dirs", text(&known_dirs.display())),
        ("", "image_dir", text(&image_dir.display())),
        ("", "image_backing", text(&image_backing)),
        ("", "memory_size", number(memory_size)),
        ("", "bundles_choose_backing", Some(bundles_choose_backing.to_string())),
        ("", "host_destination", text(&host_destination.display())),
        ("", "naming", text(&naming)),
        ("", "crash_records", Some(crash_records.to_string())),
        ("", "mode", text(&format!("0{mode:o}"))),
        ("", "group", None),
        ("", "log_level", text(&log_level.to_string().to_lowercase())),
        ("retention", "max_count", number(max_count)),
        ("retention", "max_bytes", number(max_bytes)),
        ("retention", "keep_free", number(keep_free)),
        ("retention", "per_container_count", number(per_container_count)),
        ("retention", "burst", None),
        ("annotations", "max_imgsize", number(max_imgsize)),
        ("annotations", "image_dirs", None),
        ("annotations", "host_destinations", None),
        ("notify", "exec", None),
        ("notify", "webhook", None),
        ("notify", "metrics", None),
        ("notify", "deadline", text(&deadline)),
        ("notify", "attempts", number(attempts.into())),
        ("notify", "keep", text(&keep)),
        ("notify", "retry", text(&retry)),
    ]
}

/// Every setting of the hook, section by section.
fn settings() -> Vec<Setting> {
    let mut settings = Vec::new();
    for (file, section, structure) in [
        (ADMIN, "", "Admin"),
        (ADMIN, "retention", "Retention"),
        (ADMIN, "annotations", "Annotations"),
        (NOTIFY, "notify", "Notify"),
    ] {
        for (name, about) in fields(file, structure) {
            if ["retention", "annotations", "notify"].contains(&name.as_str()) {
                continue;
            }
            let all = defaults();
            let found =
                all.into_iter().find(|(place, known, _)| (*place, *known) == (section, name.as_str()));
            let (_, _, default) = found.unwrap_or_else(|| panic!("the default of {name} is missing"));
            settings.push(Setting { section, name, about, default });
        }
    }
    assert_eq!(settings.len(), defaults().len());
    settings
}

/// A value for a setting without a default of its own.
fn example(name: &str) -> &'static str {
    match name {
        "group" => "1000",
        "burst" => "\"5/10min\"",
        "image_dirs" => "[\"/var/lib/oci-minidump/images\", \"/data/images\"]",
        "host_destinations" => "[\"/var/lib/oci-minidump/dumps\"]",
        "exec" => "[\"/lib/rdk/uploadDumps.sh\", \"{path}\"]",
        "webhook" => "\"http://127.0.0.1:8080/crashes\"",
        "metrics" => "\"/var/lib/node_exporter/textfile/oci-minidump.prom\"",
        _ => panic!("{name} has neither a default nor an example"),
    }
}

/// What stands above such a value.
const EXAMPLE: &str = "For example:";

/// The hook's settings file with every default, and comments.
pub(crate) fn hook_file() -> String {
    let (mut text, mut last) = ("```toml\n".to_owned(), "");
    for Setting { section, name, about, default } in settings() {
        if section != last {
            text.push_str(&format!("\n[{section}]\n"));
            last = section;
        }
        let about = about.replace('`', "");
        let value = match default {
            Some(default) => {
                text.push_str(&comment(&about));
                default
            }
            None => {
                text.push_str(&comment(&format!("{about} {EXAMPLE}")));
                example(&name).to_owned()
            }
        };
        text.push_str(&format!("{name} = {value}\n"));
    }
    text + "```\n"
}

/// The hook's settings file for a package: it changes nothing until something in it is made to count.
pub(crate) fn hook_sample() -> String {
    let text = hook_file().replace("```toml\n", "").replace("```\n", "");
    let lines = text.lines().map(|line| match line.chars().next() {
        None | Some('#' | '[') => format!("{line}\n"),
        Some(_) => format!("#{line}\n"),
    });
    lines.collect()
}

/// The same for the daemon.
pub(crate) fn daemon_sample() -> String {
    let options = ServeOptions::augment_args(clap::Command::new("serve"));
    let settings = options.get_arguments().map(|option| {
        let help = option.get_help().unwrap().to_string().replace("; may be repeated", "; a list");
        let name = option.get_id();
        let value = match option.get_action() {
            ArgAction::SetTrue => "true".to_owned(),
            ArgAction::Append => "[]".to_owned(),
            _ => format!("({})", option.get_value_names().unwrap()[0]),
        };
        format!("{}#{name} = {value}\n", comment(&help))
    });
    settings.collect()
}

/// Lines of a comment.
fn comment(text: &str) -> String {
    let mut lines = vec!["#".to_owned()];
    for word in text.split_whitespace() {
        let line = lines.last_mut().unwrap();
        if line.len() + 1 + word.len() > WIDTH {
            lines.push(format!("# {word}"));
        } else {
            line.push(' ');
            line.push_str(word);
        }
    }
    lines.join("\n") + "\n"
}

/// The same as a table.
pub(crate) fn hook_table() -> String {
    let rows = settings().into_iter().map(|Setting { section, name, about, default }| {
        let name = if section.is_empty() { name } else { format!("{section}.{name}") };
        [code(&name), about, default.map_or_else(String::new, |default| code(&default))]
    });
    table(["setting", "meaning", "default"], rows)
}

/// The daemon's settings, which are options of `serve`, too.
pub(crate) fn daemon_table() -> String {
    let options = ServeOptions::augment_args(clap::Command::new("serve"));
    let rows = options.get_arguments().map(|option| {
        let help = option.get_help().unwrap().to_string();
        let (about, default) = match help.split_once(" [default: ") {
            Some((about, default)) => (about.to_owned(), default.trim_end_matches(']').to_owned()),
            None => (help, String::new()),
        };
        let is_list = matches!(option.get_action(), ArgAction::Append);
        let about = if is_list { about.replace("; may be repeated", "; a list") } else { about };
        let flag = format!("--{}", option.get_long().unwrap());
        [code(option.get_id().as_str()), sentence(&about), default, code(&flag)]
    });
    table(["setting", "meaning", "default", "flag"], rows)
}

#[test]
fn the_file_with_every_default_is_what_no_file_gives() {
    let text = hook_file().replace("```toml\n", "").replace("```", "");
    let lines: Vec<&str> = text.lines().collect();
    let is_example = |n: usize| n > 0 && lines[n - 1].ends_with(EXAMPLE);
    let text: String =
        (0..lines.len()).filter(|n| !is_example(*n)).map(|n| format!("{}\n", lines[n])).collect();
    let dir = tempfile::tempdir().unwrap();
    let path = dir.path().join("settings.toml");
    std::fs::write(&path, text).unwrap();
    assert_eq!(Admin::load(&path).unwrap(), Admin::default());
}

#[test]
fn every_setting_of_the_daemon_is_one_of_its_file() {
    let options = ServeOptions::augment_args(clap::Command::new("serve"));
    for option in options.get_arguments() {
        let name = option.get_id().as_str();
        let values = ["true", "1", "'/x'", "'127.0.0.1:1'", "['x']", "[1]", "'1.0.4'", "'info'"];
        let reads = |value: &&str| toml::from_str::<ServeOptions>(&format!("{name} = {value}")).is_ok();
        assert!(values.iter().any(reads), "{name} is not a setting of the file");
    }
}
