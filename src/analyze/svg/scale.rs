//! From moments to places on the picture, and the marks of the axis.

/// The axis of time.
pub(super) struct Scale {
    /// Where time begins, in pixels.
    pub(super) left: f64,
    /// Pixels in a microsecond.
    pixels: f64,
    /// The last moment, in microseconds.
    last: u64,
    /// From one mark to the next, in microseconds.
    step: u64,
}

impl Scale {
    /// The moments from 0 to `last` between `left` and `right`.
    pub(super) fn new(left: f64, right: f64, last: u64) -> Self {
        let last = last.max(1);
        Self {
            left,
            pixels: (right - left) / float(last),
            last,
            step: step(last),
        }
    }

    /// Where a moment is.
    pub(super) fn x(&self, usec: u64) -> f64 {
        self.left + self.width(usec)
    }

    /// How wide a length of time is.
    pub(super) fn width(&self, usec: u64) -> f64 {
        float(usec) * self.pixels
    }

    /// The marks: place and text.
    pub(super) fn marks(&self) -> impl Iterator<Item = (f64, String)> {
        (0..=self.last / self.step).map(|count| {
            let usec = count * self.step;
            let text = match self.step {
                0..1_000 => format!("{}.{} ms", usec / 1_000, usec % 1_000 / 100),
                1_000..1_000_000 => format!("{} ms", usec / 1_000),
                _ => format!("{} s", usec / 1_000_000),
            };
            (self.x(usec), text)
        })
    }
}

/// 1, 2 or 5 of something, so that there are at most a dozen marks.
fn step(last: u64) -> u64 {
    let powers = std::iter::successors(Some(100_u64), |power| power.checked_mul(10));
    let mut steps = powers.flat_map(|power| [1, 2, 5].map(|factor| power.saturating_mul(factor)));
    steps.find(|step| last / step <= 12).unwrap_or(u64::MAX)
}

/// For places in a picture, 52 bits will do.
#[allow(clippy::cast_precision_loss)]
pub(super) fn float(number: u64) -> f64 {
    number as f64
}
