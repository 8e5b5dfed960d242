//! The man page says what `--help` says.

use std::path::Path;

use crate::world::PROGRAM;

const PAGE: &str = concat!(env!("CARGO_MANIFEST_DIR"), "/scripts/man/ocicontainer.1");

/// The page as clap knows it: the program, then each verb with its options.
fn render() -> String {
    let mut command = oci_minidump::cli::command()
        .disable_help_subcommand(true)
        .mut_subcommand("dumps", |dumps| dumps.disable_help_subcommand(true));
    command.build();
    let mut page = Vec::new();
    let man = clap_mangen::Man::new(command.clone()).date("").source("oci-minidump").manual("User Commands");
    man.render_title(&mut page).unwrap();
    man.render_name_section(&mut page).unwrap();
    man.render_synopsis_section(&mut page).unwrap();
    man.render_description_section(&mut page).unwrap();
    for verb in command.get_subcommands() {
        render_verb(verb, "", &mut page);
    }
    // Each block: a title line, then lines that are kept as they are.
    let methods = oci_minidump::cli::methods().replace('*', "\\(**");
    page.extend(format!(".SH METHODS\n.nf\n{methods}\n.fi\n").bytes());
    page.extend(
        format!(".SH PLUGINS\n.nf\n{}\n.fi\n", oci_minidump::cli::plugins().replace('*', "\\(**")).bytes(),
    );
    let extra = command.get_after_help().unwrap().to_string();
    for block in extra.split("\n\n") {
        let (title, lines) = block.split_once(":\n").unwrap();
        page.extend(format!(".SH \"{}\"\n.nf\n{lines}\n.fi\n", title.to_uppercase()).bytes());
    }
    String::from_utf8(page).unwrap()
}

fn render_verb(verb: &clap::Command, above: &str, page: &mut Vec<u8>) {
    let name = format!("{above}{}", verb.get_name());
    let inner: Vec<_> = verb.get_subcommands().collect();
    for below in &inner {
        render_verb(below, &format!("{name} "), page);
    }
    if !inner.is_empty() {
        return;
    }
    page.extend(format!(".SH \"{}\"\n", name.to_uppercase()).bytes());
    let man = clap_mangen::Man::new(verb.clone());
    let mut section = Vec::new();
    man.render_synopsis_section(&mut section).unwrap();
    man.render_description_section(&mut section).unwrap();
    man.render_options_section(&mut section).unwrap();
    let text = String::from_utf8(section).unwrap();
    let titles = [(".SH SYNOPSIS\n", ""), (".SH DESCRIPTION\n", ".PP\n"), (".SH OPTIONS\n", "")];
    page.extend(titles.iter().fold(text, |text, (title, instead)| text.replace(title, instead)).bytes());
}

#[test]
fn the_man_page_is_up_to_date() {
    let page = render();
    if std::env::var_os("OCICONTAINER_WRITE_MAN").is_some() {
        std::fs::create_dir_all(Path::new(PAGE).parent().unwrap()).unwrap();
        std::fs::write(PAGE, &page).unwrap();
    }
    let checked_in = std::fs::read_to_string(PAGE).unwrap();
    assert!(page == checked_in, "write it anew: OCICONTAINER_WRITE_MAN=1 cargo test --test rpc man_page");
}

#[test]
fn the_readme_knows_every_verb() {
    let readme = std::fs::read_to_string(concat!(env!("CARGO_MANIFEST_DIR"), "/README.md")).unwrap();
    for verb in oci_minidump::cli::command().get_subcommands() {
        assert!(
            readme.contains(&format!("`{}", verb.get_name())),
            "{} is not in the README",
            verb.get_name()
        );
    }
}

#[test]
fn every_verb_has_help() {
    let command = oci_minidump::cli::command();
    for verb in command.get_subcommands() {
        let output = std::process::Command::new(PROGRAM).args([verb.get_name(), "--help"]).output().unwrap();
        let help = String::from_utf8(output.stdout).unwrap();
        let about = verb.get_about().unwrap_or_else(|| panic!("{} has no description", verb.get_name()));
        assert!(
            output.status.success() && help.starts_with(&about.to_string()),
            "{}: {help}",
            verb.get_name()
        );
    }
}
