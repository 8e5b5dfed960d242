//! What a harvested dump is called: the app's own name, RDK's, or a pattern of the administrator's.

use std::fmt;

use serde::Deserialize;

/// The most bytes of a pattern beside its fields, so that there is room for these.
const MAX_LITERAL: usize = 40;

/// What a harvested dump is called.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
#[serde(try_from = "String")]
pub enum Naming {
    /// The name that the app gave it, as in the seed.
    App,
    /// `<id><#=#>[<state><#=#>]<time>.dmp`, which RDK's crash uploader recognises as a container's.
    Rdk,
    /// The parts of a pattern such as `{container}-{time}`, in their order; `.dmp` follows.
    Pattern(Vec<Part>),
}

/// A part of a pattern.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Part {
    /// It stands for itself.
    Literal(String),
    /// `{app}`: the name that the app gave the dump, without `.dmp`.
    App,
    /// `{container}`: the container's id.
    Container,
    /// `{state}`: the state of the app; nothing when there is none.
    State,
    /// `{time}`: when the dump was written, in UTC.
    Time,
}

impl Part {
    const FIELDS: [(&'static str, Self); 4] =
        [("app", Self::App), ("container", Self::Container), ("state", Self::State), ("time", Self::Time)];
}

/// Letters and digits, what UUIDs and times need, and RDK's delimiter: what harms no shell, terminal or uploader.
#[must_use]
pub fn is_harmless(byte: u8) -> bool {
    byte.is_ascii_alphanumeric() || b" ._-+=@,:<#>".contains(&byte)
}

impl TryFrom<String> for Naming {
    type Error = String;

    fn try_from(text: String) -> Result<Self, String> {
        match text.as_str() {
            "app" => Ok(Self::App),
            "rdk" => Ok(Self::Rdk),
            _ => pattern(&text).map(Self::Pattern).map_err(|why| {
                format!("naming {text:?} {why}: write app, rdk, or a pattern such as {{container}}-{{time}}")
            }),
        }
    }
}

impl fmt::Display for Naming {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let parts = match self {
            Self::App => return f.write_str("app"),
            Self::Rdk => return f.write_str("rdk"),
            Self::Pattern(parts) => parts,
        };
        parts.iter().try_for_each(|part| match part {
            Part::Literal(text) => f.write_str(text),
            field => {
                let known = Part::FIELDS.iter().find(|(_, known)| known == field);
                write!(f, "{{{}}}", known.map_or("", |(name, _)| name))
            }
        })
    }
}

/// The parts of a pattern, or what is wrong with it.
fn pattern(text: &str) -> Result<Vec<Part>, &'static str> {
    let (mut parts, mut rest) = (Vec::new(), text);
    while let Some((literal, behind)) = rest.split_once('{') {
        add_literal(&mut parts, literal)?;
        let (name, behind) = behind.split_once('}').ok_or("has a { without }")?;
        let field = Part::FIELDS.into_iter().find(|(known, _)| *known == name);
        let (_, field) = field.ok_or("has a field that is none of {app}, {container}, {state}, {time}")?;
        if parts.contains(&field) {
            return Err("has a field twice");
        }
        parts.push(field);
        rest = behind;
    }
    add_literal(&mut parts, rest)?;
    check(&parts)?;
    Ok(parts)
}

fn add_literal(parts: &mut Vec<Part>, text: &str) -> Result<(), &'static str> {
    if !text.bytes().all(is_harmless) {
        return Err("has a character other than letters, digits and those of  ._-+=@,:<#>");
    }
    if !text.is_empty() {
        parts.push(Part::Literal(text.to_owned()));
    }
    Ok(())
}

fn check(parts: &[Part]) -> Result<(), &'static str> {
    let literals =
        || parts.iter().filter_map(|part| if let Part::Literal(text) = part { Some(text) } else { None });
    if !parts.contains(&Part::App) && !parts.contains(&Part::Time) {
        return Err("has neither {app} nor {time}, so that dumps would have one name");
    }
    if literals().map(String::len).sum::<usize>() > MAX_LITERAL {
        return Err("has more than 40 characters beside its fields");
    }
    if literals().any(|text| text.contains(".dmp")) {
        return Err("contains .dmp, which is added");
    }
    if matches!(parts.first(), Some(Part::Literal(text)) if text.starts_with(['.', '-', ' '])) {
        return Err("begins like a hidden file or an option");
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn patterns_are_read_or_refused() {
        let good = ["app", "rdk", "{container}-{time}", "{app}", "x_{time}<#=#>{state}@{container}.{app}"];
        for text in good {
            assert_eq!(Naming::try_from(text.to_owned()).unwrap().to_string(), text);
        }
        let long = format!("{{time}}{}", "x".repeat(41));
        let bad = [
            ("", "neither"),
            ("App", "neither"),
            ("{container}", "neither"),
            ("{time", "without }"),
            ("{time}}", "character"),
            ("{pid}-{time}", "none of"),
            ("{}", "none of"),
            ("{time}{time}", "twice"),
            ("{time}/x", "character"),
            ("../{time}", "character"),
            ("{time}\n", "character"),
            ("{time}*", "character"),
            ("\u{e9}{time}", "character"),
            (".{time}", "hidden"),
            ("-{time}", "option"),
            ("{time}.dmp", ".dmp"),
            (long.as_str(), "40"),
        ];
        for (text, why) in bad {
            let error = Naming::try_from(text.to_owned()).unwrap_err();
            assert!(error.contains(why) && error.contains("write app, rdk"), "{text:?}: {error}");
        }
    }
}
