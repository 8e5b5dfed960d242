//! The pictures of the book are drawn from the texts beside them: `docs/pictures/NAME.txt` becomes `NAME.svg`.
//!
//! A text is a grid of characters. Those that draw boxes and arrows become lines, everything else stays text.

use std::fmt::Write as _;
use std::fs;

use crate::files::{below, root};

/// The size of a character, in pixels.
const WIDTH: usize = 9;
const HEIGHT: usize = 18;
/// Writes the pictures instead of comparing them.
const WRITE: &str = "OCI_MINIDUMP_WRITE_PICTURES";

/// Where the lines of a character lead from its middle: left, right, up, down.
fn lines(character: char) -> Option<[bool; 4]> {
    let ways = match character {
        '─' => "lr",
        '│' => "ud",
        '┌' => "rd",
        '┐' => "ld",
        '└' => "ru",
        '┘' => "lu",
        '├' => "rud",
        '┤' => "lud",
        '┬' => "lrd",
        '┴' => "lru",
        '┼' => "lrud",
        '►' => "l",
        '◄' => "r",
        '▲' => "d",
        '▼' => "u",
        _ => return None,
    };
    Some(['l', 'r', 'u', 'd'].map(|way| ways.contains(way)))
}

/// The head of an arrow whose character has its middle at `x`, `y`.
fn head(character: char, x: usize, y: usize) -> Option<String> {
    let points = match character {
        '►' => [(x - 4, y - 4), (x + 5, y), (x - 4, y + 4)],
        '◄' => [(x + 4, y - 4), (x - 5, y), (x + 4, y + 4)],
        '▲' => [(x - 4, y + 5), (x, y - 5), (x + 4, y + 5)],
        '▼' => [(x - 4, y - 5), (x, y + 5), (x + 4, y - 5)],
        _ => return None,
    };
    let points: Vec<String> = points.iter().map(|(x, y)| format!("{x},{y}")).collect();
    Some(format!("<polygon points=\"{}\"/>\n", points.join(" ")))
}

/// The picture that a text describes.
fn draw(text: &str) -> String {
    let (mut path, mut rest) = (String::new(), String::new());
    let rows: Vec<Vec<char>> = text.lines().map(|line| line.chars().collect()).collect();
    for (row, line) in rows.iter().enumerate() {
        let y = row * HEIGHT + HEIGHT / 2;
        for (column, character) in line.iter().enumerate() {
            let x = column * WIDTH + WIDTH / 2;
            let Some([left, right, up, down]) = lines(*character) else { continue };
            let ends = [(left, -5, 0), (right, 5, 0), (up, 0, -9), (down, 0, 9)];
            for (_, dx, dy) in ends.iter().filter(|(is_there, ..)| *is_there) {
                write!(path, "M{x} {y}l{dx} {dy}").unwrap();
            }
            rest.push_str(&head(*character, x, y).unwrap_or_default());
        }
        for (column, words) in texts(line) {
            let (x, y, length) = (column * WIDTH, y + 5, words.chars().count() * WIDTH);
            writeln!(rest, "<text x=\"{x}\" y=\"{y}\" textLength=\"{length}\">{}</text>", escaped(&words))
                .unwrap();
        }
    }
    let width = rows.iter().map(Vec::len).max().unwrap_or_default() * WIDTH + WIDTH;
    let height = rows.len() * HEIGHT;
    format!(
        "<svg xmlns=\"http://www.w3.org/2000/svg\" viewBox=\"0 0 {width} {height}\" width=\"{width}\" height=\"{height}\" \
         font-family=\"monospace\" font-size=\"15\">\n<rect width=\"100%\" height=\"100%\" fill=\"white\"/>\n\
         <path d=\"{path}\" transform=\"translate(.5 .5)\" stroke=\"black\" fill=\"none\"/>\n{rest}</svg>\n"
    )
}

/// The texts of a line, each with its column: words with no more than one space between them.
fn texts(line: &[char]) -> Vec<(usize, String)> {
    let mut texts: Vec<(usize, String)> = Vec::new();
    let mut end = usize::MAX;
    for (column, character) in line.iter().enumerate() {
        if *character == ' ' || lines(*character).is_some() {
            continue;
        }
        match texts.last_mut() {
            Some((_, text)) if column == end => text.push(*character),
            Some((_, text)) if column == end.saturating_add(1) && line[end] == ' ' => {
                text.push(' ');
                text.push(*character);
            }
            _ => texts.push((column, character.to_string())),
        }
        end = column + 1;
    }
    texts
}

fn escaped(text: &str) -> String {
    text.replace('&', "&amp;").replace('<', "&lt;").replace('>', "&gt;")
}

#[test]
fn every_picture_is_drawn_from_its_text() {
    let pictures = below(&root().join("docs/pictures"));
    let texts: Vec<_> =
        pictures.iter().filter(|path| path.extension().is_some_and(|kind| kind == "txt")).collect();
    assert!(!texts.is_empty());
    for path in &texts {
        let drawn = draw(&fs::read_to_string(path).unwrap());
        let picture = path.with_extension("svg");
        if std::env::var_os(WRITE).is_some() {
            fs::write(&picture, &drawn).unwrap();
        }
        let is_drawn = fs::read_to_string(&picture).is_ok_and(|checked_in| checked_in == drawn);
        assert!(is_drawn, "draw {} anew: {WRITE}=1 cargo test --test documents picture", picture.display());
    }
    assert_eq!(pictures.len(), texts.len() * 2, "pictures without a text: {pictures:?}");
}

#[test]
fn boxes_become_lines_and_words_stay_text() {
    let picture = draw("┌┐\n└┘ a b  <c ►d");
    assert_eq!(picture.matches('M').count(), 9, "{picture}");
    for text in [">a b<", ">&lt;c<", ">d<", "<polygon "] {
        assert!(picture.contains(text), "{text}: {picture}");
    }
}
