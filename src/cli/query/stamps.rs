//! `logs -t`: the time in front of each line.

use serde_json::Value;

use crate::cli::units;

/// Puts times in front of lines, over the parts in which they come.
#[derive(Debug, Default)]
pub(crate) struct Stamps {
    is_within_line: bool,
    /// The place of what is stamped next.
    place: u64,
    /// From these places on, the text in front of lines.
    times: Vec<(u64, String)>,
}

impl Stamps {
    /// The next part begins at this place, and came at these times.
    pub(crate) fn know(&mut self, place: u64, times: &Value) {
        let text =
            |time: &Value| time.as_u64().and_then(units::wide_moment).unwrap_or_else(|| "-".to_owned());
        let times = times.as_array().into_iter().flatten();
        self.times = times.filter_map(|came| Some((came["place"].as_u64()?, text(&came["time"])))).collect();
        self.place = place;
    }

    /// The lines with their times. A line whose end comes later has its time in front of its beginning only.
    pub(crate) fn stamp(&mut self, part: &[u8]) -> Vec<u8> {
        let mut stamped = Vec::with_capacity(part.len() * 2);
        let mut times = self.times.iter().peekable();
        let mut time = "-";
        for line in part.split_inclusive(|byte| *byte == b'\n') {
            while let Some((_, text)) = times.next_if(|(place, _)| *place <= self.place) {
                time = text;
            }
            if !self.is_within_line {
                stamped.extend(time.bytes().chain([b' ']));
            }
            stamped.extend(line);
            self.is_within_line = !line.ends_with(b"\n");
            self.place += line.len() as u64;
        }
        stamped
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn each_line_has_the_time_of_its_first_byte() {
        let mut stamps = Stamps::default();
        let times = json!([
            {"place": 4, "time": null}, {"place": 6, "time": 1}, {"place": 8, "time": 2}, {"place": 9, "time": 3}
        ]);
        stamps.know(4, &times);
        let expected = "- a\n1970-01-01T00:00:00.001000000Z b\n1970-01-01T00:00:00.002000000Z cd";
        assert_eq!(stamps.stamp(b"a\nb\ncd"), expected.as_bytes());
        stamps.know(10, &json!([{"place": 10, "time": 4000}]));
        assert_eq!(
            stamps.stamp(b"e\n\nf"),
            b"e\n1970-01-01T00:00:04.000000000Z \n1970-01-01T00:00:04.000000000Z f"
        );
        stamps.know(13, &Value::Null);
        assert_eq!(stamps.stamp(b"\ng\n"), b"\n- g\n");
        assert_eq!(stamps.stamp(b""), b"");
    }
}
