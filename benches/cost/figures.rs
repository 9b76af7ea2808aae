//! The figures of a bench and their output: medians with their spread, beside the bare work.

use std::fmt::Write as _;
use std::time::{Duration, Instant};

/// Repetitions of each row: enough for a median and a spread.
pub(crate) const REPETITIONS: usize = 5;

/// The unit of a figure.
#[derive(Clone, Copy)]
pub(crate) enum Unit {
    /// Seconds.
    Time,
    /// Bytes.
    Memory,
    /// System calls, syncs, wake-ups.
    Count,
    /// Machine instructions in user space, which no other load changes.
    Instructions,
}

impl Unit {
    pub(crate) fn show(self, value: f64) -> String {
        match self {
            Self::Time if value < 1e-3 => format!("{:.0} us", value * 1e6),
            Self::Time if value < 1.0 => format!("{:.2} ms", value * 1e3),
            Self::Time => format!("{value:.2} s"),
            Self::Memory => format!("{:.2} MB", value / 1e6),
            Self::Count => format!("{value:.1}"),
            Self::Instructions => format!("{:.2} M", value / 1e6),
        }
    }
}

/// The same thing, measured some times.
#[derive(Clone)]
pub(crate) struct Samples {
    unit: Unit,
    values: Vec<f64>,
}

impl Samples {
    pub(crate) fn new(unit: Unit, mut values: Vec<f64>) -> Self {
        assert!(!values.is_empty(), "nothing was measured");
        values.sort_by(f64::total_cmp);
        Self { unit, values }
    }

    /// Measured [`REPETITIONS`] times.
    pub(crate) fn of(unit: Unit, mut measure: impl FnMut() -> f64) -> Self {
        Self::new(unit, (0..REPETITIONS).map(|_| measure()).collect())
    }

    /// Two things measured in turns, so that a busy machine is as busy for both.
    pub(crate) fn both(
        unit: Unit,
        mut one: impl FnMut() -> f64,
        mut other: impl FnMut() -> f64,
    ) -> (Self, Self) {
        let (ones, others) = (0..REPETITIONS).map(|_| (one(), other())).unzip();
        (Self::new(unit, ones), Self::new(unit, others))
    }

    pub(crate) fn median(&self) -> f64 {
        self.at(0.5)
    }

    /// The value below which this share of all values lies.
    #[allow(clippy::cast_precision_loss, clippy::cast_possible_truncation, clippy::cast_sign_loss)]
    pub(crate) fn at(&self, share: f64) -> f64 {
        self.values[((self.values.len() - 1) as f64 * share).round() as usize]
    }

    /// The same without a part that is known, such as what a start costs, and for one of `among`.
    pub(crate) fn less(&self, part: f64, among: f64) -> Self {
        Self {
            unit: self.unit,
            values: self.values.iter().map(|value| (value - part).max(0.0) / among).collect(),
        }
    }

    fn show(&self) -> String {
        let show = |value| self.unit.show(value);
        format!("{} ({} .. {})", show(self.median()), show(self.at(0.0)), show(self.at(1.0)))
    }
}

/// One row: what was measured, what the bare work costs, and what the goal is.
pub(crate) fn row(what: &str, ours: &Samples, beside: Option<(&str, &Samples)>, goal: &str) {
    let mut line = format!("{what}: {}", ours.show());
    if let Some((name, bare)) = beside {
        let ratio = ours.median() / bare.median();
        let _ = write!(line, "; {name} {}: {ratio:.2}x", bare.show());
    }
    println!("{line} [goal: {goal}]");
}

pub(crate) fn title(text: &str) {
    println!("\n{text}");
}

/// How many seconds `work` takes.
pub(crate) fn timed(work: impl FnOnce()) -> f64 {
    let start = Instant::now();
    work();
    start.elapsed().as_secs_f64()
}

pub(crate) fn seconds(duration: Duration) -> f64 {
    duration.as_secs_f64()
}
