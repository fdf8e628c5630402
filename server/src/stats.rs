//! What several runs of one setting say together: means with their uncertainty, and paired differences.
//!
//! Every function is pure, and its tests quote the SciPy call behind their numbers. Who rests a verdict on these must know
//! what they assume: the t interval is exact where the values are normally distributed; the sign-flip test needs only that,
//! were there no difference, each pair's difference would be as likely to have the other sign.

use rand::{Rng, SeedableRng};
use rand_chacha::ChaCha8Rng;
use schemars::JsonSchema;
use serde::Serialize;
use statrs::distribution::{ContinuousCDF, StudentsT};

/// Up to this many differences, every one of the 2ⁿ assignments of signs is counted.
const EXACT_SIGNS: usize = 20;
/// Assignments drawn where there are more.
const DRAWN_SIGNS: u32 = 100_000;
/// Resamples of the bootstrap.
const RESAMPLES: usize = 10_000;
/// Seed of both: the same data always give the same answer.
const SEED: u64 = 0;

/// Values in a few numbers.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Sample {
    /// How many there are.
    pub n: usize,
    /// Their mean.
    pub mean: f64,
    /// Sample standard deviation (over n − 1); `None` for a single value, and where values are bounds.
    pub sd: Option<f64>,
    /// 95 % interval of the mean by Student's t, as [low, high]; `None` for a single value, and where values are bounds.
    pub interval: Option<[f64; 2]>,
    /// The smallest.
    pub min: f64,
    /// The largest.
    pub max: f64,
}

impl Sample {
    /// The numbers of `values`; `None` where there are none or one isn't finite.
    pub fn of(values: &[f64]) -> Option<Sample> {
        if values.is_empty() || values.iter().any(|v| !v.is_finite()) {
            return None;
        }
        let n = values.len();
        let mean = values.iter().sum::<f64>() / n as f64;
        let sd = (n > 1).then(|| {
            let squares = values.iter().map(|v| (v - mean).powi(2)).sum::<f64>();
            (squares / (n - 1) as f64).sqrt()
        });
        let interval = sd.map(|sd| {
            let half = t_quantile(0.975, n - 1) * sd / (n as f64).sqrt();
            [mean - half, mean + half]
        });
        let min = values.iter().copied().fold(f64::INFINITY, f64::min);
        let max = values.iter().copied().fold(f64::NEG_INFINITY, f64::max);
        Some(Sample { n, mean, sd, interval, min, max })
    }
}

/// The quantile `p` of Student's t with `freedom` degrees of freedom, of which there must be at least one.
fn t_quantile(p: f64, freedom: usize) -> f64 {
    StudentsT::new(0.0, 1.0, freedom as f64).map_or(f64::INFINITY, |t| t.inverse_cdf(p))
}

/// What differences between the two members of pairs say.
#[derive(Clone, Copy, Debug, PartialEq, JsonSchema, Serialize)]
pub struct Paired {
    /// The differences in a few numbers.
    pub differences: Sample,
    /// Cohen's d_z: the mean difference over the standard deviation of the differences; `None` where all are equal or
    /// there is but one.
    pub effect_size: Option<f64>,
    /// 95 % percentile bootstrap interval of the mean difference, from 10 000 seeded resamples; `None` for one pair.
    pub bootstrap: Option<[f64; 2]>,
    /// Sign-flip test: the share of all assignments of signs whose mean is as low as the one found, or lower. Where
    /// differences are bounds, each counts as its sign alone.
    pub p_lower: f64,
    /// The same for as high, or higher.
    pub p_higher: f64,
}

impl Paired {
    /// What `differences` say; `None` where there are none or one isn't finite.
    pub fn of(differences: &[f64]) -> Option<Paired> {
        let sample = Sample::of(differences)?;
        let (p_lower, p_higher) = sign_flip(differences);
        Some(Paired {
            differences: sample,
            effect_size: sample.sd.filter(|sd| *sd > 0.0).map(|sd| sample.mean / sd),
            bootstrap: (sample.n > 1).then(|| bootstrap(differences)),
            p_lower,
            p_higher,
        })
    }

    /// The same where some differences are bounds, which may lie any further from zero. Of such a one the sign is known and
    /// nothing else, so only signs are tested, and no interval is made from what was not measured.
    pub fn of_bounds(differences: &[f64]) -> Option<Paired> {
        let sample = Sample::of(differences)?;
        let (p_lower, p_higher) = sign_test(differences);
        let differences = Sample { sd: None, interval: None, ..sample };
        Some(Paired { differences, effect_size: None, bootstrap: None, p_lower, p_higher })
    }
}

/// One-sided p values (lower, higher) of the sign-flip permutation test on the mean.
fn sign_flip(differences: &[f64]) -> (f64, f64) {
    let found = differences.iter().sum::<f64>();
    // Sums that are equal in theory differ by rounding.
    let slack = 1e-9 * differences.iter().map(|d| d.abs()).sum::<f64>();
    let (mut lower, mut higher) = (0u32, 0u32);
    let mut count = |sum: f64| {
        lower += u32::from(sum <= found + slack);
        higher += u32::from(sum >= found - slack);
    };
    if differences.len() <= EXACT_SIGNS {
        let all = 1u32 << differences.len();
        each_sum(differences, 0.0, &mut count);
        return (f64::from(lower) / f64::from(all), f64::from(higher) / f64::from(all));
    }
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    for _ in 0..DRAWN_SIGNS {
        // One random number has the signs of 64.
        let mut signs = 0u64;
        let signed = |(i, d): (usize, &f64)| {
            signs = if i % 64 == 0 { rng.random() } else { signs >> 1 };
            if signs & 1 == 1 { -d } else { *d }
        };
        count(differences.iter().enumerate().map(signed).sum());
    }
    // The assignment found counts as one more, or p could be 0 (Phipson & Smyth, 2010).
    let share = |n: u32| f64::from(n + 1) / f64::from(DRAWN_SIGNS + 1);
    (share(lower), share(higher))
}

/// One-sided p values (lower, higher) of the sign test, which is the sign-flip test of the signs alone: of so many
/// differences, each as likely to be negative as positive, that so many or more are negative, or positive.
fn sign_test(differences: &[f64]) -> (f64, f64) {
    let negative = differences.iter().filter(|d| **d < 0.0).count();
    let positive = differences.iter().filter(|d| **d > 0.0).count();
    let n = negative + positive;
    // Each is the one before times (n − i + 1) / i, from the middle outwards so that none vanishes that counts.
    let middle = n / 2;
    let mut weights = vec![1.0; n + 1];
    (middle + 1..=n).for_each(|i| weights[i] = weights[i - 1] * (n - i + 1) as f64 / i as f64);
    (0..middle).rev().for_each(|i| weights[i] = weights[i + 1] * (i + 1) as f64 / (n - i) as f64);
    let all = weights.iter().sum::<f64>();
    let at_least = |k: usize| weights[k..].iter().sum::<f64>() / all;
    (at_least(negative), at_least(positive))
}

/// Counts `sum` plus the differences under every assignment of signs. Sums of a beginning are taken once for all that follow.
fn each_sum(differences: &[f64], sum: f64, count: &mut impl FnMut(f64)) {
    let Some((first, rest)) = differences.split_first() else { return count(sum) };
    each_sum(rest, sum + first, count);
    each_sum(rest, sum - first, count);
}

/// Percentile bootstrap of the mean: the 2.5 % and 97.5 % quantiles (linear, as NumPy's) over resamples with replacement.
fn bootstrap(values: &[f64]) -> [f64; 2] {
    let mut rng = ChaCha8Rng::seed_from_u64(SEED);
    let n = values.len();
    let mean = |_| (0..n).map(|_| values[rng.random_range(0..n)]).sum::<f64>() / n as f64;
    let mut means = (0..RESAMPLES).map(mean).collect::<Vec<_>>();
    means.sort_by(f64::total_cmp);
    let quantile = |p: f64| {
        let place = p * (means.len() - 1) as f64;
        let (below, share) = (place.floor() as usize, place.fract());
        means[below] + share * (means[(below + 1).min(means.len() - 1)] - means[below])
    };
    [quantile(0.025), quantile(0.975)]
}

#[cfg(test)]
mod tests {
    use super::*;

    fn close(found: f64, expected: f64) {
        assert!((found - expected).abs() <= 1e-9 * expected.abs().max(1.0), "found {found}, expected {expected}");
    }

    /// ```python
    /// x = np.array([0.9712, 0.9688, 0.9745, 0.9701, 0.9733])
    /// x.mean(), x.std(ddof=1), stats.t.interval(0.95, 4, loc=x.mean(), scale=stats.sem(x))
    /// ```
    #[test]
    fn a_sample_agrees_with_scipy() {
        let sample = Sample::of(&[0.9712, 0.9688, 0.9745, 0.9701, 0.9733]).unwrap();
        let [low, high] = sample.interval.unwrap();
        close(sample.mean, 0.97158);
        close(sample.sd.unwrap(), 0.002_320_991_167_583_397);
        close(low, 0.968_698_108_827_062_8);
        close(high, 0.974_461_891_172_937_2);
        assert_eq!((sample.n, sample.min, sample.max), (5, 0.9688, 0.9745));
    }

    /// `stats.t.ppf(0.975, [1, 2, 4, 29, 99])`
    #[test]
    fn quantiles_of_t_agree_with_scipy() {
        let expected =
            [(1, 12.706_204_74), (2, 4.302_652_73), (4, 2.776_445_11), (29, 2.045_229_64), (99, 1.984_216_95)];
        for (freedom, expected) in expected {
            let found = t_quantile(0.975, freedom);
            assert!((found - expected).abs() < 1e-8, "{freedom}: {found}");
        }
    }

    /// ```python
    /// a, b = [4, 5, 4, 6, 5, 3], [6, 5, 7, 7, 8, 4]; d = a - b
    /// stats.ttest_rel(a, b).confidence_interval(0.95), d.mean() / d.std(ddof=1)
    /// stats.permutation_test((a, b), lambda x, y, axis: np.mean(x - y, axis=axis), permutation_type="samples",
    ///                        alternative="less" / "greater", n_resamples=np.inf, vectorized=True).pvalue
    /// ```
    #[test]
    fn pairs_agree_with_scipy() {
        let paired = Paired::of(&[-2.0, 0.0, -3.0, -1.0, -3.0, -1.0]).unwrap();
        let [low, high] = paired.differences.interval.unwrap();
        close(low, -2.937_596_341_360_108_7);
        close(high, -0.395_736_991_973_224_76);
        close(paired.effect_size.unwrap(), -1.376_204_706_407_950_8);
        assert_eq!((paired.p_lower, paired.p_higher), (0.03125, 1.0));

        let paired = Paired::of(&[0.3, -0.1, 0.25, 0.4, 0.05, 0.22, -0.02]).unwrap();
        let [low, high] = paired.differences.interval.unwrap();
        close(low, -0.012_107_644_945_358_487);
        close(high, 0.326_393_359_231_068_2);
        close(paired.effect_size.unwrap(), 0.858_685_212_238_672_1);
        assert_eq!((paired.p_lower, paired.p_higher), (0.960_937_5, 0.046_875));
    }

    /// `stats.bootstrap((d,), np.mean, method="percentile", n_resamples=1_000_000)` on the differences above: 0.0300, 0.2786.
    /// Ten thousand resamples leave an error of about 0.002.
    #[test]
    fn the_bootstrap_agrees_with_scipy_and_with_itself() {
        let differences = [0.3, -0.1, 0.25, 0.4, 0.05, 0.22, -0.02];
        let [low, high] = bootstrap(&differences);
        assert!((low - 0.0300).abs() < 0.006 && (high - 0.2786).abs() < 0.006, "{low} {high}");
        assert_eq!(bootstrap(&differences), [low, high]);
    }

    /// Counted exactly, by convolution over the integers 10·d: 0.878963 and 0.148098. A hundred thousand draws leave a
    /// standard error of about 0.001.
    #[test]
    fn drawn_signs_come_near_the_exact_answer() {
        let differences = (0..24).map(|i| f64::from(i * 37 % 11 - 4) / 10.0).collect::<Vec<_>>();
        let (lower, higher) = sign_flip(&differences);
        assert!((lower - 0.878_963).abs() < 0.005 && (higher - 0.148_098).abs() < 0.005, "{lower} {higher}");
    }

    /// `stats.binomtest(1, 6, alternative="less").pvalue` (7/64) and `alternative="greater"`; a tie has no sign.
    #[test]
    fn of_bounds_only_the_signs_speak() {
        let paired = Paired::of_bounds(&[-5.0, -3.0, -1.0, 40.0, -2.0, -6.0, 0.0]).unwrap();
        close(paired.p_lower, 7.0 / 64.0);
        close(paired.p_higher, 63.0 / 64.0);
        // `stats.binomtest(115, 200, alternative="greater").pvalue`
        let many = (0..200).map(|i| if i < 115 { -1.0 - f64::from(i) } else { 1.0 }).collect::<Vec<_>>();
        close(Paired::of_bounds(&many).unwrap().p_lower, 0.020_018_595_806_699_74);
        let measures = (paired.differences.sd, paired.differences.interval, paired.effect_size, paired.bootstrap);
        assert_eq!((paired.differences.n, measures), (7, (None, None, None, None)));
        assert_eq!(Paired::of_bounds(&[]), None);
    }

    #[test]
    fn few_or_equal_values_claim_nothing() {
        assert_eq!(Sample::of(&[]), None);
        assert_eq!(Sample::of(&[1.0, f64::NAN]), None);
        let one = Paired::of(&[2.0]).unwrap();
        assert_eq!(
            (one.differences.sd, one.differences.interval, one.effect_size, one.bootstrap),
            (None, None, None, None)
        );
        let equal = Paired::of(&[-1.0; 5]).unwrap();
        assert_eq!((equal.differences.interval, equal.effect_size), (Some([-1.0, -1.0]), None));
        assert_eq!((equal.p_lower, equal.p_higher), (1.0 / 32.0, 1.0));
    }
}
