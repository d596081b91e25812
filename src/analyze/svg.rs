//! A start as a picture: a row for each unit, a bar for each step, the critical path through them.

mod legend;
mod scale;
mod style;

use super::start::{Kind, Row, Span, Start};
use super::words::time;
use scale::{Scale, float};
use style::{SANS, STYLE, fill};

/// Width of the picture. Everything is in pixels.
const WIDTH: f64 = 1200.0;
const MARGIN: f64 = 24.0;
/// Above the first row: title, second line, axis.
const HEAD: f64 = 98.0;
/// Height of a row, and of the bar in it.
const ROW: f64 = 26.0;
const BAR: f64 = 16.0;
/// From the top of a row to the foot of its letters.
const FOOT: f64 = 17.0;
/// Right of the rows: when the unit was ready.
const READY: f64 = 84.0;
/// Names longer than this are cut; the whole name shows under the pointer.
const NAME: usize = 30;
/// Of a letter of the names, which are monospaced, at 12 pixels.
const LETTER: f64 = 7.3;

/// Draws it.
pub fn draw(start: &Start) -> String {
    let picture = Picture::new(start);
    let (legend, last_line) = legend::draw(start, picture.bottom + 56.0);
    let parts = [
        picture.frame(last_line + MARGIN),
        picture.axis(),
        picture.rows(),
        picture.path(),
        picture.captions(),
        picture.end(),
        legend,
    ];
    format!("{}</svg>\n", parts.concat())
}

struct Picture<'s> {
    start: &'s Start,
    /// Units of which nothing else is known, and why.
    bare: Vec<(&'s str, &'static str)>,
    scale: Scale,
    /// Below the last row.
    bottom: f64,
}

impl<'s> Picture<'s> {
    fn new(start: &'s Start) -> Self {
        let again = start
            .again
            .iter()
            .map(|again| (again.name.as_str(), "was started again since"));
        let absent = start
            .absent
            .iter()
            .map(|name| (name.as_str(), "did not take part"));
        let bare: Vec<_> = again.chain(absent).collect();
        let names = start.rows.iter().map(|row| row.name.as_str());
        let names = names.chain(bare.iter().map(|(name, _)| *name));
        let longest = names
            .map(|name| name.chars().count().min(NAME))
            .max()
            .unwrap_or(0);
        let left = MARGIN + 16.0 + float(longest as u64) * LETTER;
        let ends = start.rows.iter().flat_map(|row| &row.spans).map(|span| span.to);
        let last = ends.chain([start.total]).max().unwrap_or(0);
        Self {
            start,
            scale: Scale::new(left, WIDTH - MARGIN - READY, last),
            bottom: Self::y(start.rows.len() + bare.len()),
            bare,
        }
    }

    /// Where the row `at` begins.
    fn y(at: usize) -> f64 {
        HEAD + float(at as u64) * ROW
    }

    fn frame(&self, height: f64) -> String {
        let pod = clip(self.start.pod.as_str(), 48);
        let total = time(self.start.total);
        let title = match self.start.kind {
            Kind::Start => format!("{pod} was ready after {total}"),
            Kind::Recovery => format!("{pod} was up again after {total}"),
            Kind::Members => format!("members of {pod} were ready after {total}"),
        };
        let title = escape(&title);
        format!(
            "<svg xmlns=\"http://www.w3.org/2000/svg\" width=\"{WIDTH}\" height=\"{height}\" \
             viewBox=\"0 0 {WIDTH} {height}\" font-family=\"{SANS}\" font-size=\"12\">\n\
             <title>{title}</title>\n{STYLE}\
             <rect class=\"paper\" width=\"{WIDTH}\" height=\"{height}\"/>\n\
             <text class=\"ink\" x=\"{MARGIN}\" y=\"38\" font-size=\"20\" font-weight=\"600\">{title}</text>\n\
             <text class=\"soft\" x=\"{MARGIN}\" y=\"59\">{}</text>\n",
            escape(&self.summary())
        )
    }

    /// The legs of the critical path with their times, as many as there is room for.
    fn summary(&self) -> String {
        let mut text = "critical path: ".to_owned();
        for (at, leg) in self.start.path.iter().enumerate() {
            let name = clip(&self.start.rows[leg.row].name, NAME);
            let part = format!(
                "{}{name} {}",
                if at == 0 { "" } else { " → " },
                time(leg.length())
            );
            if text.chars().count() + part.chars().count() > 130 {
                return text + " …";
            }
            text += &part;
        }
        text
    }

    fn axis(&self) -> String {
        let (top, bottom) = (HEAD - 6.0, self.bottom);
        let y = top - 6.0;
        let marks = self.scale.marks().map(|(x, text)| {
            format!(
                "<line class=\"grid\" x1=\"{x:.1}\" y1=\"{top}\" x2=\"{x:.1}\" y2=\"{bottom:.1}\"/>\n\
                 <text class=\"soft\" x=\"{x:.1}\" y=\"{y}\" text-anchor=\"middle\" font-size=\"11\">{text}</text>\n"
            )
        });
        let ready = format!(
            "<text class=\"soft\" x=\"{}\" y=\"{y}\" text-anchor=\"end\" font-size=\"11\">ready at</text>\n",
            WIDTH - MARGIN
        );
        marks.chain([ready]).collect()
    }

    fn rows(&self) -> String {
        let rows = self.start.rows.iter().enumerate().map(|(at, row)| {
            let bars: String = row.spans.iter().map(|span| self.bar(at, row, *span)).collect();
            let ready = row.ready.map(|ready| self.ready(at, ready)).unwrap_or_default();
            self.label(at, &row.name) + &bars + &ready
        });
        let bare = (self.start.rows.len()..)
            .zip(&self.bare)
            .map(|(at, (name, why))| {
                let (x, y) = (self.scale.left + 4.0, Self::y(at) + FOOT);
                self.label(at, name)
                    + &format!("<text class=\"soft\" x=\"{x:.1}\" y=\"{y:.1}\">{why}</text>\n")
            });
        rows.chain(bare).collect()
    }

    fn label(&self, at: usize, name: &str) -> String {
        let y = Self::y(at);
        let stripe = match at % 2 {
            0 => format!(
                "<rect class=\"stripe\" x=\"{}\" y=\"{y:.1}\" width=\"{}\" height=\"{ROW}\"/>\n",
                MARGIN / 2.0,
                WIDTH - MARGIN
            ),
            _ => String::new(),
        };
        format!(
            "{stripe}<text class=\"ink name\" x=\"{:.1}\" y=\"{:.1}\" text-anchor=\"end\">{}<title>{}</title></text>\n",
            self.scale.left - 10.0,
            y + FOOT,
            escape(&clip(name, NAME)),
            escape(name),
        )
    }

    fn bar(&self, at: usize, row: &Row, span: Span) -> String {
        let (x, width) = (self.scale.x(span.from), self.scale.width(span.length()));
        let y = Self::y(at) + (ROW - BAR) / 2.0;
        format!(
            "<rect class=\"{}\" x=\"{x:.1}\" y=\"{y:.1}\" width=\"{width:.1}\" height=\"{BAR}\">\
             <title>{}: {} {}, from {} on</title></rect>\n",
            fill(span.step),
            escape(&row.name),
            span.step.name(),
            time(span.length()),
            time(span.from),
        )
    }

    /// The names of the steps, in the bars that have room for them.
    fn captions(&self) -> String {
        let rows = self.start.rows.iter().enumerate();
        let bars = rows.flat_map(|(at, row)| row.spans.iter().map(move |span| (at, span)));
        let captions = bars.filter_map(|(at, span)| {
            let (name, width) = (span.step.name(), self.scale.width(span.length()));
            let y = Self::y(at) + (ROW + BAR) / 2.0 - 4.2;
            (width > float(name.len() as u64) * 6.0 + 8.0).then(|| {
                format!(
                    "<text class=\"{}\" x=\"{:.1}\" y=\"{y:.1}\">{name}</text>\n",
                    if span.step.is_wait() {
                        "caption soft"
                    } else {
                        "caption"
                    },
                    self.scale.x(span.from) + width / 2.0,
                )
            })
        });
        captions.collect()
    }

    fn ready(&self, at: usize, ready: u64) -> String {
        let (y, moment) = (Self::y(at), time(ready));
        format!(
            "{}<text class=\"ink\" x=\"{}\" y=\"{:.1}\" text-anchor=\"end\" font-size=\"11\">{moment}</text>\n",
            flag(self.scale.x(ready), y + (ROW - BAR) / 2.0),
            WIDTH - MARGIN,
            y + FOOT,
        )
    }

    /// A line under the bars that all waited for, and up or down to the next of them.
    fn path(&self) -> String {
        let mut d = String::new();
        for leg in &self.start.path {
            let y = Self::y(leg.row) + (ROW + BAR) / 2.0 + 1.5;
            if let Some((from, to)) = leg.spans.first().zip(leg.spans.last()) {
                let command = if d.is_empty() { 'M' } else { 'L' };
                d += &format!(
                    "{command}{:.1} {y:.1}L{:.1} {y:.1}",
                    self.scale.x(from.from),
                    self.scale.x(to.to)
                );
            }
        }
        format!("<path class=\"path\" d=\"{d}\"/>\n")
    }

    /// The moment when all was ready.
    fn end(&self) -> String {
        let x = self.scale.x(self.start.total);
        format!(
            "<line class=\"end\" x1=\"{x:.1}\" y1=\"{}\" x2=\"{x:.1}\" y2=\"{:.1}\"/>\n\
             <text class=\"ink\" x=\"{x:.1}\" y=\"{:.1}\" text-anchor=\"{}\" font-weight=\"600\">ready {}</text>\n",
            HEAD - 6.0,
            self.bottom + 6.0,
            self.bottom + 20.0,
            if x > WIDTH / 2.0 { "end" } else { "start" },
            time(self.start.total),
        )
    }
}

/// The sign for the moment when a unit was ready; its tip is at `x`, `y`.
fn flag(x: f64, y: f64) -> String {
    format!(
        "<path class=\"flag\" d=\"M{:.1} {:.1}h8l-4 6z\"/>",
        x - 4.0,
        y - 4.0
    )
}

/// At most `most` characters, with a sign where some are missing: in the middle, since names often differ at the end.
fn clip(text: &str, most: usize) -> String {
    let count = text.chars().count();
    if count <= most {
        return text.to_owned();
    }
    let tail = most / 3;
    let head = text.chars().take(most - 1 - tail);
    head.chain(['…']).chain(text.chars().skip(count - tail)).collect()
}

fn escape(text: &str) -> String {
    text.replace('&', "&amp;")
        .replace('<', "&lt;")
        .replace('>', "&gt;")
}
