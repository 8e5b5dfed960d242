//! The options of `exec` that a caller may use.

use serde_json::Value;

use crate::error::{Error, ErrorKind, Result};

/// What stands in front of the value of an option that may be used.
const WITH_VALUE: [(&str, &str); 5] =
    [("--cwd", "--cwd"), ("--env", "--env"), ("-e", "--env"), ("--user", "--user"), ("-u", "--user")];

/// Checks the options of an `exec` and writes each in the one form that crun, runc and youki share.
///
/// Only what stays within the container's own limits is allowed: the directory, the environment, the user and
/// less privileges. More capabilities, other security labels, cgroups, descriptors and files of the host are not
/// the caller's to choose. `--detach` is what happens anyway and is dropped.
///
/// # Errors
/// [`ErrorKind::Input`] for everything else.
pub(crate) fn allowed(options: &[String]) -> Result<Vec<String>> {
    let mut safe = Vec::new();
    let mut words = options.iter();
    while let Some(word) = words.next() {
        match word.as_str() {
            "" | "-d" | "--detach" => continue,
            "--no-new-privs" => {
                safe.push(word.clone());
                continue;
            }
            _ => {}
        }
        let (name, value) = named(word).ok_or_else(|| refused(word, "it is not allowed"))?;
        let value = match value {
            Some(value) => value,
            None => words.next().ok_or_else(|| refused(word, "it needs a value"))?,
        };
        check(name, value).map_err(|why| refused(word, why))?;
        safe.push(format!("{name}={value}"));
    }
    Ok(safe)
}

/// The options with the container's own variables in front of those that are given, so that PATH for one stays: crun takes
/// the variables that are given for all there are.
pub(crate) fn with_environment(options: Vec<String>, config: &Value) -> Vec<String> {
    if !options.iter().any(|option| option.starts_with("--env=")) {
        return options;
    }
    let own = config["process"]["env"].as_array().into_iter().flatten().filter_map(Value::as_str);
    let own = own.filter(|variable| crate::control::bundle::config::check_env(variable).is_ok());
    own.map(|variable| format!("--env={variable}")).chain(options).collect()
}

/// The long name of an option and the value that is part of the word, if one is.
fn named(word: &str) -> Option<(&'static str, Option<&str>)> {
    WITH_VALUE.iter().find_map(|(form, name)| match word.strip_prefix(form)? {
        "" => Some((*name, None)),
        rest if form.starts_with("--") => Some((*name, Some(rest.strip_prefix('=')?))),
        rest => Some((*name, Some(rest))),
    })
}

fn check(name: &str, value: &str) -> std::result::Result<(), &'static str> {
    match name {
        "--cwd" if value.starts_with('/') && !value.contains('\0') => Ok(()),
        "--cwd" => Err("the directory must be absolute"),
        "--user" => {
            let mut ids = value.split(':').map(|id| id.parse::<u32>().is_ok() && !id.starts_with('+'));
            let valid = ids.next() == Some(true) && ids.next() != Some(false) && ids.next().is_none();
            if valid { Ok(()) } else { Err("the user must be UID or UID:GID in digits") }
        }
        _ => crate::control::bundle::config::check_env(value),
    }
}

fn refused(word: &str, why: &str) -> Error {
    let shown: String = word.chars().take(80).collect();
    Error::new(ErrorKind::Input, format!("bad exec option {shown:?}: {why}"))
        .advise("use --cwd, --env, --user or --no-new-privs")
}

#[cfg(test)]
mod tests {
    use super::*;

    fn words(line: &str) -> Vec<String> {
        line.split_ascii_whitespace().map(str::to_owned).collect()
    }

    #[test]
    fn the_containers_own_variables_come_before_those_that_are_given() {
        let config = serde_json::json!({"process": {"env": ["PATH=/bin", "A=x y", 5, "broken", "=z"]}});
        let with = |line: &str| with_environment(allowed(&words(line)).unwrap(), &config);
        assert_eq!(with("-e A=b --user=1"), ["--env=PATH=/bin", "--env=A=x y", "--env=A=b", "--user=1"]);
        assert_eq!(with("--user=1"), ["--user=1"]);
        assert_eq!(with_environment(words("--env=A=b"), &Value::Null), ["--env=A=b"]);
    }

    #[test]
    fn only_harmless_options_pass_and_each_in_one_form() {
        let cases = [
            ("", Some("")),
            ("--cwd=/tmp", Some("--cwd=/tmp")),
            ("--cwd /tmp -d", Some("--cwd=/tmp")),
            ("-e A=b -eC=d --env=E= --no-new-privs", Some("--env=A=b --env=C=d --env=E= --no-new-privs")),
            ("-u 0 --user=1:2 -u1", Some("--user=0 --user=1:2 --user=1")),
            ("--cwd", None),
            ("--cwd=relative", None),
            ("-u root", None),
            ("-u 1:2:3", None),
            ("-u +1", None),
            ("-u -1", None),
            ("--env=novalue", None),
            ("--env==x", None),
            ("--pid-file /etc/x", None),
            ("--process=/x", None),
            ("--cap=all", None),
            ("-c all", None),
            ("--cwdx=/", None),
            ("--tty", None),
            ("--", None),
            ("x", None),
        ];
        for (options, expected) in cases {
            assert_eq!(allowed(&words(options)).ok(), expected.map(words), "{options:?}");
        }
    }
}
