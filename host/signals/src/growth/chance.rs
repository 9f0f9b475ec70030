//! How likely it is that chance alone does what was seen: exact for few readings.

/// How many pairs of readings are in the wrong order when every order is equally likely.
pub(super) struct Inversions {
    /// Chance of exactly so many.
    exactly: Vec<f64>,
}

impl Inversions {
    /// Of so many readings.
    pub fn of(readings: usize) -> Self {
        let mut exactly = vec![1.0];
        for inserted in 2..=readings {
            // The one that is added stands before none to all of the others, each as likely.
            let mut next = vec![0.0; exactly.len() + inserted - 1];
            for (inversions, chance) in exactly.iter().enumerate() {
                for place in next.iter_mut().skip(inversions).take(inserted) {
                    *place += chance / inserted as f64;
                }
            }
            exactly = next;
        }
        Self { exactly }
    }

    /// Chance of at most so many.
    pub fn at_most(&self, inversions: usize) -> f64 {
        self.exactly.iter().take(inversions + 1).sum::<f64>().min(1.0)
    }
}

/// Chance that Student's t with so many degrees of freedom is at least `t`. No less than it can be computed to.
pub(super) fn student(t: f64, freedom: usize) -> f64 {
    const LEAST: f64 = 1e-12;
    let angle = (t.abs() / (freedom as f64).sqrt()).atan();
    let square = angle.cos().powi(2);
    // The finite series of a whole number of degrees: cos² to growing powers, each with its factor.
    let (mut term, mut sum) = (1.0, 0.0);
    let odd = freedom % 2;
    for step in 0..freedom / 2 {
        sum += term;
        let (above, below) = (2 * step + 1 + odd, 2 * step + 2 + odd);
        term *= square * above as f64 / below as f64;
    }
    let within =
        if odd == 1 { (angle + angle.sin() * angle.cos() * sum) * std::f64::consts::FRAC_2_PI } else { angle.sin() * sum };
    let beyond = ((1.0 - within) / 2.0).clamp(LEAST, 0.5);
    if t < 0.0 { 1.0 - beyond } else { beyond }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn orders_are_counted_exactly() {
        let four = Inversions::of(4);
        assert!((four.at_most(0) - 1.0 / 24.0).abs() < 1e-12 && (four.at_most(1) - 4.0 / 24.0).abs() < 1e-12);
        let five = Inversions::of(5);
        for (inversions, orders) in [(0, 1.0), (1, 5.0), (2, 14.0), (3, 29.0), (10, 120.0), (99, 120.0)] {
            assert!((five.at_most(inversions) - orders / 120.0).abs() < 1e-12, "{inversions}");
        }
        assert!((Inversions::of(60).at_most(usize::MAX - 1) - 1.0).abs() < 1e-9);
    }

    #[test]
    fn students_tails_are_those_of_the_tables() {
        for (freedom, t, tail) in [
            (1, 6.314, 0.05),
            (2, 2.920, 0.05),
            (2, 6.965, 0.01),
            (3, 2.353, 0.05),
            (3, 4.541, 0.01),
            (4, 3.747, 0.01),
            (5, 3.365, 0.01),
            (9, 2.821, 0.01),
            (30, 2.457, 0.01),
        ] {
            assert!((student(t, freedom) - tail).abs() < 2e-5, "{freedom} {t}: {}", student(t, freedom));
            assert!((student(-t, freedom) - (1.0 - tail)).abs() < 2e-5);
        }
        assert_eq!(student(0.0, 3), 0.5);
        assert_eq!(student(f64::INFINITY, 3), 1e-12);
    }
}
