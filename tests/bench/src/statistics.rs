//! Minimum, median, maximum; ratios pair by pair.

/// Of a series of values.
#[derive(Debug, Clone, Copy, PartialEq)]
pub struct Summary {
    pub min: f64,
    pub median: f64,
    pub max: f64,
    pub count: usize,
    /// The middle half of the values is this far apart, as a share of the median.
    pub spread: f64,
}

/// `None` for no values.
pub fn summary(values: impl IntoIterator<Item = f64>) -> Option<Summary> {
    let mut sorted: Vec<f64> = values.into_iter().collect();
    sorted.sort_by(f64::total_cmp);
    let (&min, &max) = (sorted.first()?, sorted.last()?);
    let median = quantile(&sorted, 0.5);
    let middle_half = quantile(&sorted, 0.75) - quantile(&sorted, 0.25);
    Some(Summary {
        min,
        median,
        max,
        count: sorted.len(),
        spread: if median > 0.0 { middle_half / median } else { 0.0 },
    })
}

/// Between the two nearest values, linearly.
fn quantile(sorted: &[f64], share: f64) -> f64 {
    let place = share * (sorted.len() - 1) as f64;
    let below = sorted[place.floor() as usize];
    let above = sorted[place.ceil() as usize];
    below + (above - below) * place.fract()
}

/// `values` against `base`, each pair's own ratio, so that a slow minute of the machine counts on both sides.
pub fn ratios(values: &[(u32, f64)], base: &[(u32, f64)]) -> Option<Summary> {
    let ratio = |&(pair, value): &(u32, f64)| {
        let &(_, base) = base.iter().find(|(other, base)| *other == pair && *base > 0.0)?;
        Some(value / base)
    };
    summary(values.iter().filter_map(ratio))
}

/// The slope of the line that fits the points best: cost for each step of size.
pub fn slope(points: &[(f64, f64)]) -> f64 {
    let count = points.len() as f64;
    let (mean_x, mean_y) = points.iter().fold((0.0, 0.0), |(x, y), point| {
        (x + point.0 / count, y + point.1 / count)
    });
    let above: f64 = points.iter().map(|(x, y)| (x - mean_x) * (y - mean_y)).sum();
    let below: f64 = points.iter().map(|(x, _)| (x - mean_x).powi(2)).sum();
    above / below
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_middle_of_a_series() {
        let odd = summary([3.0, 1.0, 2.0]).unwrap();
        assert_eq!((odd.min, odd.median, odd.max, odd.count), (1.0, 2.0, 3.0, 3));
        let even = summary([4.0, 1.0, 2.0, 3.0]).unwrap();
        assert_eq!(even.median, 2.5);
        assert_eq!(even.spread, 1.5 / 2.5);
        assert_eq!(summary([]), None);
    }

    #[test]
    fn ratios_are_those_of_the_pairs() {
        let slow_minute = [(0, 2.0), (1, 20.0), (2, 7.0)];
        let base = [(1, 40.0), (0, 4.0)];
        let ratios = ratios(&slow_minute, &base).unwrap();
        assert_eq!(
            (ratios.min, ratios.median, ratios.max, ratios.count),
            (0.5, 0.5, 0.5, 2)
        );
    }

    #[test]
    fn a_line_has_its_slope() {
        let slope = slope(&[(2.0, 17.0), (8.0, 47.0), (16.0, 87.0)]);
        assert!((slope - 5.0).abs() < 1e-9, "{slope}");
    }
}
