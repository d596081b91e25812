//! What the colours and signs of the picture mean.

use super::scale::float;
use super::style::fill;
use super::{MARGIN, WIDTH, flag};
use crate::analyze::start::Start;
use crate::analyze::step::Step;

/// From one line to the next.
const LINE: f64 = 22.0;
/// Of an entry without its text.
const SYMBOL: f64 = 36.0;
/// Of a letter, on average and rather more.
const LETTER: f64 = 7.0;

/// The legend of what occurs, from `y` on; also where its last line stands.
pub(super) fn draw(start: &Start, y: f64) -> (String, f64) {
    let occurs = |step| {
        let mut spans = start.rows.iter().flat_map(|row| &row.spans);
        spans.any(|span| span.step == step)
    };
    let is_shown = |step: &Step| !step.is_wait() && occurs(*step);
    let steps = Step::ALL
        .into_iter()
        .filter(is_shown)
        .map(|step| (fill(step), step.name()));
    // All waits look the same.
    let entries = steps.chain([
        (fill(Step::Queued), "queued, waiting"),
        ("flag", "unit is ready"),
        ("path", "critical path"),
    ]);
    let (mut x, mut y, mut text) = (MARGIN, y, String::new());
    for (class, name) in entries {
        let width = SYMBOL + float(name.len() as u64) * LETTER;
        if x + width > WIDTH - MARGIN {
            (x, y) = (MARGIN, y + LINE);
        }
        text += &symbol(class, x, y);
        text += &format!(
            "<text class=\"ink\" x=\"{:.1}\" y=\"{y:.1}\">{name}</text>\n",
            x + 20.0
        );
        x += width;
    }
    (text, y)
}

fn symbol(class: &str, x: f64, y: f64) -> String {
    match class {
        "flag" => flag(x + 7.0, y - 6.0),
        "path" => format!("<path class=\"path\" d=\"M{x:.1} {:.1}h14\"/>", y - 4.0),
        _ => format!(
            "<rect class=\"{class}\" x=\"{x:.1}\" y=\"{:.1}\" width=\"14\" height=\"12\"/>",
            y - 10.0
        ),
    }
}
