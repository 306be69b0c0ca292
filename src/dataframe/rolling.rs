//! Rolling and expanding windows: aggregates over the rows around each row, by pandas' names and rules.

use arrow::datatypes::IntervalMonthDayNano;

use super::DataFrame;
use super::group_by::column_aggregates;
use crate::error::{Error, Result};
use crate::expr::{Edge, Expr, Frame, UnaryOp, col};
use crate::plan::WindowSpec;
use crate::types::interval::parse_interval;
use crate::types::temporal::MICROS_PER_DAY;

/// How long a window is.
#[derive(Clone, Debug, PartialEq)]
pub enum WindowSize {
    /// So many rows.
    Rows(i64),
    /// A length of time: `30s`, `15min`, `1h`, `7d`.
    Time(String),
}

impl From<usize> for WindowSize {
    fn from(rows: usize) -> Self {
        Self::Rows(i64::try_from(rows).unwrap_or(i64::MAX))
    }
}

impl From<i32> for WindowSize {
    fn from(rows: i32) -> Self {
        Self::Rows(rows.into())
    }
}

impl From<&str> for WindowSize {
    fn from(time: &str) -> Self {
        Self::Time(time.into())
    }
}

/// Aggregates over the last rows, or the last so long, up to each row.
///
/// The result has the columns of the frame and those that are computed; one of the same name is replaced. Its rows come in
/// the order of the keys and the time, and where these are the same, of the frame; without either, in that of the frame.
///
/// A window of time ends with its row: of rows of the same time those before it are inside. With `closed` set to `left` or
/// `neither`, all rows of the row's time are outside. A row without a time is in no window, and its results are null. Nulls do
/// not count; a NaN is a value, and makes sums and means NaN while it is in the window.
#[derive(Clone, Debug)]
pub struct Rolling {
    windows: Windows,
    size: WindowSize,
    min_periods: Option<usize>,
    closed: Option<String>,
    center: bool,
}

/// Aggregates over all rows up to each row. The order and the columns of the result are those of [`Rolling`].
#[derive(Clone, Debug)]
pub struct Expanding {
    windows: Windows,
    min_periods: usize,
}

/// What both are over.
#[derive(Clone, Debug)]
struct Windows {
    frame: DataFrame,
    on: Option<String>,
    by: Vec<Expr>,
}

impl Windows {
    fn agg(&self, frame: Frame, min_periods: usize, exprs: Vec<Expr>) -> Result<DataFrame> {
        let spec = WindowSpec {
            partition_by: self.by.clone(),
            order_by: self.on.as_deref().map(col),
            frame,
            min_periods: min_periods as u64,
            exprs,
        };
        Ok(self.frame.with(self.frame.builder.clone().window(&spec)?))
    }
}

impl DataFrame {
    /// Windows that end with each row: of so many rows (`rolling(100)`), or of a length of time (`rolling("7d")`, which
    /// needs [`on`](Rolling::on)). [`Rolling::agg`] says what over each.
    ///
    /// ```
    /// use highwater::prelude::*;
    /// let session = Session::new(Config::default())?;
    /// let weather = session.read_csv("data/weather/*.csv", CsvOptions::default())?;
    /// let smooth = weather
    ///     .rolling("7d")
    ///     .on("time_hour")
    ///     .by(["origin"])
    ///     .agg([col("temp").mean().alias("week"), (col("temp") - col("temp").mean()).alias("above")])?;
    /// assert!(smooth.columns().ends_with(&["week", "above"]));
    /// # Ok::<(), highwater::error::Error>(())
    /// ```
    pub fn rolling(&self, size: impl Into<WindowSize>) -> Rolling {
        let windows = Windows { frame: self.clone(), on: None, by: Vec::new() };
        Rolling { windows, size: size.into(), min_periods: None, closed: None, center: false }
    }

    /// Windows of all rows up to each row: running totals. They hold none of the rows, except for medians and quantiles.
    pub fn expanding(&self) -> Expanding {
        Expanding { windows: Windows { frame: self.clone(), on: None, by: Vec::new() }, min_periods: 1 }
    }

    /// The columns replaced by their running sums, in the order of the rows. A null stays null and counts for nothing. By
    /// keys and in another order: `expanding().by(["k"]).on("t").sum(&["x"])`.
    ///
    /// # Errors
    /// Where a column is not there, or is no number.
    pub fn cumsum(&self, columns: &[&str]) -> Result<Self> {
        self.cumulative(columns, Expr::sum)
    }

    /// The columns replaced by the least of their values so far; see [`cumsum`](Self::cumsum).
    ///
    /// # Errors
    /// Where a column is not there.
    pub fn cummin(&self, columns: &[&str]) -> Result<Self> {
        self.cumulative(columns, Expr::min)
    }

    /// The columns replaced by the greatest of their values so far; see [`cumsum`](Self::cumsum).
    ///
    /// # Errors
    /// Where a column is not there.
    pub fn cummax(&self, columns: &[&str]) -> Result<Self> {
        self.cumulative(columns, Expr::max)
    }

    fn cumulative(&self, columns: &[&str], aggregate: fn(Expr) -> Expr) -> Result<Self> {
        let running = |name: &&str| {
            let is_there = Expr::Unary { op: UnaryOp::IsNotNull, expr: Box::new(col(*name)) };
            let branches = vec![(is_there, aggregate(col(*name)))];
            Expr::Case { operand: None, branches, otherwise: None }.alias(*name)
        };
        columns.iter().try_for_each(|name| self.check_column(name))?;
        self.expanding().agg(columns.iter().map(running))
    }
}

impl Rolling {
    /// The column that orders the rows: dates or timestamps for windows of time, anything for windows of rows.
    #[must_use]
    pub fn on(mut self, column: &str) -> Self {
        self.windows.on = Some(column.to_string());
        self
    }

    /// Keys: windows hold only rows that have the same.
    #[must_use]
    pub fn by<E: Into<Expr>>(mut self, keys: impl IntoIterator<Item = E>) -> Self {
        self.windows.by = keys.into_iter().map(Into::into).collect();
        self
    }

    /// With fewer values that are not null in the window the result is null; for counts, with fewer rows. By default that
    /// is all rows of a window of rows, and one in a window of time. Over none there is no result but a count, also with 0.
    #[must_use]
    pub fn min_periods(mut self, values: usize) -> Self {
        self.min_periods = Some(values);
        self
    }

    /// Which ends of the window belong to it: `right` (the default), `left`, `both` or `neither`. For windows of rows,
    /// `left` moves the window one row back, `both` adds the row before it, `neither` leaves the last one out.
    #[must_use]
    pub fn closed(mut self, sides: &str) -> Self {
        self.closed = Some(sides.to_string());
        self
    }

    /// Whether the row stands in the middle of its window, not at its end.
    #[must_use]
    pub fn center(mut self, center: bool) -> Self {
        self.center = center;
        self
    }

    /// The frame's columns, and these expressions over them and over aggregates of the window.
    ///
    /// # Errors
    /// Where the length of the window is none, there is no time for it, or an expression does not bind.
    pub fn agg(&self, exprs: impl IntoIterator<Item = Expr>) -> Result<DataFrame> {
        let (closed_left, closed_right) = match self.closed.as_deref() {
            None | Some("right") => (false, true),
            Some("left") => (true, false),
            Some("both") => (true, true),
            Some("neither") => (false, false),
            Some(other) => {
                return Err(Error::usage(format!("'{other}' is no side on which a window is closed"))
                    .with_hint("write 'right', 'left', 'both' or 'neither'"));
            }
        };
        let (frame, default_periods) = match &self.size {
            WindowSize::Rows(rows) => (self.rows_frame(*rows, closed_left, closed_right)?, *rows as usize),
            WindowSize::Time(text) => {
                if self.windows.on.is_none() {
                    return Err(Error::usage(format!("rolling(\"{text}\") needs a column of dates or timestamps"))
                        .with_hint("name it: .on(\"ts\"); or give the number of rows: rolling(100)"));
                }
                (self.time_frame(window_micros(text)?, closed_left, closed_right), 1)
            }
        };
        let min_periods = self.min_periods.unwrap_or(default_periods);
        self.windows.agg(frame, min_periods, exprs.into_iter().collect())
    }

    fn rows_frame(&self, rows: i64, closed_left: bool, closed_right: bool) -> Result<Frame> {
        if rows < 1 {
            return Err(Error::usage(format!("a window of {rows} rows has none")).with_hint("give at least 1"));
        }
        if let Some(periods) = self.min_periods
            && i64::try_from(periods).is_ok_and(|periods| periods > rows)
        {
            return Err(Error::usage(format!("min_periods({periods}) is more than the {rows} rows of the window")));
        }
        let last = if self.center { (rows - 1) / 2 } else { 0 };
        Ok(Frame {
            start: Edge::Rows(last - (rows - 1) - i64::from(closed_left)),
            end: Edge::Rows(last - i64::from(!closed_right)),
        })
    }

    fn time_frame(&self, micros: i64, closed_left: bool, closed_right: bool) -> Frame {
        let key = |distance, closed| Edge::Key { distance, closed };
        if self.center {
            return Frame { start: key(-(micros / 2), closed_left), end: key(micros / 2, closed_right) };
        }
        let end = if closed_right { Edge::Rows(0) } else { key(0, false) };
        Frame { start: key(-micros, closed_left), end }
    }
}

impl Expanding {
    /// The column that orders the rows.
    #[must_use]
    pub fn on(mut self, column: &str) -> Self {
        self.windows.on = Some(column.to_string());
        self
    }

    /// Keys: each combination starts anew.
    #[must_use]
    pub fn by<E: Into<Expr>>(mut self, keys: impl IntoIterator<Item = E>) -> Self {
        self.windows.by = keys.into_iter().map(Into::into).collect();
        self
    }

    /// With fewer values that are not null so far the result is null; for counts, with fewer rows. 1 by default.
    #[must_use]
    pub fn min_periods(mut self, values: usize) -> Self {
        self.min_periods = values;
        self
    }

    /// The frame's columns, and these expressions over them and over aggregates of all rows so far.
    ///
    /// # Errors
    /// Where an expression does not bind.
    pub fn agg(&self, exprs: impl IntoIterator<Item = Expr>) -> Result<DataFrame> {
        let frame = Frame { start: Edge::Unbounded, end: Edge::Rows(0) };
        self.windows.agg(frame, self.min_periods, exprs.into_iter().collect())
    }
}

/// Gives windows one method for each aggregate that is taken of columns under their own names.
macro_rules! window_aggregates {
    ($owner:ty) => {
        column_aggregates! { $owner;
            /// Each column replaced by the mean over the window.
            mean;
            /// Each column replaced by the sum over the window.
            sum;
            /// Each column replaced by the least value in the window.
            min;
            /// Each column replaced by the greatest value in the window.
            max;
            /// Each column replaced by how many of its values in the window are not null.
            count;
            /// Each column replaced by the sample standard deviation over the window.
            std;
            /// Each column replaced by the sample variance over the window.
            var;
            /// Each column replaced by the median over the window.
            median;
        }
    };
}

window_aggregates!(Rolling);
window_aggregates!(Expanding);

/// Microseconds of a window of time.
fn window_micros(text: &str) -> Result<i64> {
    let trimmed = text.trim();
    let wrong = |what: &str| {
        Error::usage(format!("'{text}' {what}"))
            .with_hint("write for instance '30s', '15min', '1h' or '7d': a fixed length of time")
    };
    // pandas' rules by calendar; in lower case some would be minutes and milliseconds.
    let unit = trimmed.trim_start_matches(|c: char| c.is_ascii_digit() || c == '.' || c == '-');
    if matches!(unit.split('-').next(), Some("M" | "MS" | "ME" | "Q" | "QS" | "QE" | "Y" | "YS" | "YE" | "A" | "AS")) {
        return Err(wrong("has no fixed length"));
    }
    // A unit alone is one of it.
    let counted = if unit.len() == trimmed.len() { format!("1{trimmed}") } else { trimmed.to_string() };
    let interval = parse_interval(&counted, None).map_err(|_| wrong("is no length of a window"))?;
    let IntervalMonthDayNano { months, days, nanoseconds } = interval;
    if months != 0 {
        return Err(wrong("has no fixed length"));
    }
    if nanoseconds % 1000 != 0 {
        return Err(wrong("is finer than a microsecond"));
    }
    // 32 bits of days fit 64 bits of microseconds, and so does the sum with 64 bits of nanoseconds.
    match i64::from(days) * MICROS_PER_DAY + nanoseconds / 1000 {
        micros @ 1.. => Ok(micros),
        _ => Err(wrong("is no length of a window")),
    }
}
