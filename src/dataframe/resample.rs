//! Resampling: grouping by buckets of time, as pandas cuts them.

use arrow::array::AsArray;
use arrow::datatypes::{Date32Type, TimestampMicrosecondType};

use super::group_by::column_aggregates;
use super::{DataFrame, Fill};
use crate::error::{Error, Result};
use crate::expr::{Expr, SortKey, col, lit};
use crate::plan::Select;
use crate::types::grid::Side;
use crate::types::interval::parse_interval;
use crate::types::origin::{End, Origin, Resampling};
use crate::types::rule::{Rule, Unit};
use crate::types::temporal::{MICROS_PER_DAY, parse_zone};
use crate::types::{DataType, Scalar, TIMESTAMP, is_timestamp, timestamp_tz};

/// Rows grouped by buckets of time, and by further keys, with the meaning that pandas' `resample` gives the rule and these
/// options. The result has the label of the bucket under the name of the time column, then the keys, then the
/// aggregates, in this order of time and keys. Buckets without rows are left
/// out, unless [`fill`](Self::fill) says otherwise.
///
/// Of timestamps with zone, days and longer units are those of local time: in the zone of [`tz`](Self::tz), else of the
/// column. An hour is always an hour of elapsed time.
///
/// ```
/// use highwater::prelude::*;
/// let session = Session::new(Config::default())?;
/// let weather = session.read_csv("data/weather/*.csv", CsvOptions::default())?;
/// let shifts = weather.resample("8h").on("time_hour").by(["origin"]).offset("6h").label(Side::Right);
/// assert!(shifts.mean(&["temp"])?.count_rows()? > 0);
/// assert!(weather.resample("fortnight").mean(&["temp"]).is_err());
/// # Ok::<(), highwater::error::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct Resample {
    frame: DataFrame,
    on: Option<String>,
    by: Vec<Expr>,
    tz: Option<String>,
    fill: Result<Fill>,
    /// What was asked for, or the first thing of it that was wrong.
    asked: Result<Resampling>,
}

/// A resampling of a certain column of a certain frame.
struct Resolved {
    on: String,
    /// The label of a row's bucket.
    bucket: Expr,
    /// The type that labels are shown in, where it is not that of `bucket`.
    shown: Option<DataType>,
}

impl Resample {
    pub(super) fn new(frame: DataFrame, rule: Result<Rule>) -> Self {
        Self { frame, on: None, by: Vec::new(), tz: None, fill: Ok(Fill::None), asked: rule.map(Resampling::new) }
    }

    fn ask<T, E>(mut self, value: Result<T, E>, set: impl FnOnce(&mut Resampling, T)) -> Self
    where
        Error: From<E>,
    {
        if let Ok(asked) = &mut self.asked {
            match value {
                Ok(value) => set(asked, value),
                Err(error) => self.asked = Err(error.into()),
            }
        }
        self
    }

    /// The column of dates or timestamps. Without it, the only column of such a type is taken.
    #[must_use]
    pub fn on(mut self, column: &str) -> Self {
        self.on = Some(column.to_string());
        self
    }

    /// Further keys: a bucket for each combination.
    #[must_use]
    pub fn by<E: Into<Expr>>(mut self, keys: impl IntoIterator<Item = E>) -> Self {
        self.by = keys.into_iter().map(Into::into).collect();
        self
    }

    /// Which edge a bucket holds, `"left"` or `"right"`. Without it the right one for `W`, `ME`, `QE`, `YE`, and where the
    /// origin is the end; else the left one.
    #[must_use]
    pub fn closed<S: TryInto<Side>>(self, side: S) -> Self
    where
        Error: From<S::Error>,
    {
        self.ask(side.try_into(), |asked, side| asked.closed = Some(side))
    }

    /// Which edge names a bucket, `"left"` or `"right"`; without it as for [`closed`](Self::closed).
    #[must_use]
    pub fn label<S: TryInto<Side>>(self, side: S) -> Self
    where
        Error: From<S::Error>,
    {
        self.ask(side.try_into(), |asked, side| asked.label = Some(side))
    }

    /// Where buckets are counted from: `"start_day"` (the default: midnight of the first day), `"start"`, `"end"`,
    /// `"end_day"`, `"epoch"` or a timestamp. It counts for hours and shorter units, and for days of timestamps without
    /// zone; other units begin on days of their own, several of them with the one that the first timestamp is in.
    #[must_use]
    pub fn origin<O: TryInto<Origin>>(self, origin: O) -> Self
    where
        Error: From<O::Error>,
    {
        self.ask(origin.try_into(), |asked, origin| asked.origin = origin)
    }

    /// By how much the origin is moved: `"2h"`, `"-15 minutes"`.
    #[must_use]
    pub fn offset(self, offset: &str) -> Self {
        self.ask(offset_micros(offset), |asked, offset| asked.offset = offset)
    }

    /// The time zone in which timestamps with zone are cut and shown: `"Europe/Berlin"`, `"+01:00"`.
    #[must_use]
    pub fn tz(mut self, zone: &str) -> Self {
        self.tz = Some(zone.to_string());
        self
    }

    /// What becomes of buckets without rows: `"null"`, `"ffill"`, `"linear(3)"`, `0`, …, see [`Fill`].
    #[must_use]
    pub fn fill<F: TryInto<Fill>>(mut self, fill: F) -> Self
    where
        Error: From<F::Error>,
    {
        self.fill = fill.try_into().map_err(Error::from).and_then(Fill::checked);
        self
    }

    /// The first, greatest, least and last value of a column in each bucket, in the order of the time column, under the names
    /// `open`, `high`, `low` and `close`; see [`Expr::ohlc`].
    ///
    /// # Errors
    /// As [`agg`](Self::agg).
    pub fn ohlc(&self, column: &str) -> Result<DataFrame> {
        self.agg(col(column).ohlc(col(self.time_column()?)))
    }

    /// One row for each bucket and key. Where the grid depends on the first or last timestamp (several days, weeks, months,
    /// …; an origin at the start or the end; hours in a zone that changes its clocks) that is looked up first.
    ///
    /// # Errors
    /// Where an option is wrong, there is no time column, or an expression does not bind.
    pub fn agg(&self, aggregates: impl IntoIterator<Item = Expr>) -> Result<DataFrame> {
        let Resolved { on, bucket, shown, .. } = self.resolve()?;
        let label = match shown {
            Some(data_type) => bucket.clone().cast(data_type),
            None => bucket.clone(),
        };
        let keys: Vec<Expr> = std::iter::once(label.alias(&on)).chain(self.by.iter().cloned()).collect();
        let aggregates: Vec<Expr> = aggregates.into_iter().collect();
        let projection = keys.iter().chain(&aggregates).cloned().collect();
        let group_by: Vec<Expr> = std::iter::once(bucket.clone()).chain(self.by.iter().cloned()).collect();
        let frame = self.frame.select_with(&Select { projection, group_by, ..Select::default() })?;
        let frame = self.fill.clone()?.apply(frame, &self.frame, &bucket, self.by.len(), &aggregates)?;
        frame.sort_values(keys.iter().map(|key| SortKey::from(col(key.output_name()))))
    }

    /// Settles the time column, the zone and the grid; looks at the data where the grid depends on it.
    fn resolve(&self) -> Result<Resolved> {
        let mut asked = self.asked.clone()?;
        let on = self.time_column()?;
        let data_type = self.frame.schema().field_with_name(&on)?.data_type().clone();
        let zone = match (&data_type, &self.tz) {
            (DataType::Timestamp(_, Some(own)), tz) => Some(tz.as_deref().unwrap_or(own)),
            (_, None) => None,
            (_, Some(tz)) => {
                return Err(Error::usage(format!("resample by the time zone '{tz}' needs timestamps with zone, and '{on}' has none"))
                    .with_hint(format!(
                        "where '{on}' is in UTC: assign([col(\"{on}\").cast(timestamp_tz(\"UTC\")).alias(\"{on}\")]); where it is local \
                         time already, leave tz out"
                    )));
            }
        };
        asked.zone = zone.map(parse_zone).transpose()?;
        if !asked.counts_from_origin() && (asked.origin != Origin::StartDay || asked.offset != 0) {
            tracing::warn!(
                "origin and offset have no effect on the resample rule '{}'{}",
                asked.rule,
                if asked.zone.is_some() { " of timestamps with zone" } else { "" }
            );
        }
        let end = asked.needs().map(|end| self.end_of_data(&on, end)).transpose()?.flatten();
        let anchor = asked.anchor(end);
        // Days keep being dates where buckets begin at midnight.
        let dates = data_type == DataType::Date32;
        let whole_days = asked.rule.unit() != Unit::Microsecond && anchor % MICROS_PER_DAY == 0;
        let input = if dates && !whole_days { col(&on).cast(TIMESTAMP) } else { col(&on) };
        let mut args = vec![
            lit(asked.rule.to_string().as_str()),
            input,
            lit(asked.closed().name()),
            lit(asked.label().name()),
            Expr::Literal(Scalar::timestamp(anchor, None)),
        ];
        args.extend(zone.map(lit));
        let shown = self.tz.as_deref().map(timestamp_tz).filter(|shown| *shown != data_type);
        // What the grid cannot be is told before anything runs.
        asked.grid(end)?;
        Ok(Resolved { bucket: Expr::call("resample_bucket", args), on, shown })
    }

    /// The first or last timestamp of the column, in microseconds; `None` where there is none.
    fn end_of_data(&self, on: &str, end: End) -> Result<Option<i64>> {
        let wanted = match end {
            End::First => col(on).min(),
            End::Last => col(on).max(),
        };
        let found = self.frame.select([wanted])?.compute()?;
        let found = found.column(0);
        Ok(match found.as_primitive_opt::<Date32Type>() {
            // Dates beyond the range of timestamps have no bucket, which is told where they are cut.
            Some(days) => days.iter().next().flatten().and_then(|days| i64::from(days).checked_mul(MICROS_PER_DAY)),
            None => {
                found.as_primitive_opt::<TimestampMicrosecondType>().and_then(|times| times.iter().next().flatten())
            }
        })
    }

    fn time_column(&self) -> Result<String> {
        if let Some(on) = &self.on {
            self.frame.check_column(on)?;
            return Ok(on.clone());
        }
        let is_time = |data_type: &DataType| is_timestamp(data_type) || *data_type == DataType::Date32;
        let fields = self.frame.schema().fields();
        let candidates: Vec<&str> =
            fields.iter().filter(|field| is_time(field.data_type())).map(|field| field.name().as_str()).collect();
        match candidates.as_slice() {
            [only] => Ok((*only).to_string()),
            [] => Err(Error::usage("resample needs a column of dates or timestamps, and there is none")),
            several => Err(Error::usage(format!("resample needs one time column of {}", several.join(", ")))
                .with_hint(format!("name it: .on(\"{}\")", several[0]))),
        }
    }
}

/// Microseconds of an offset of fixed length.
fn offset_micros(text: &str) -> Result<i64> {
    let fixed = parse_interval(text, None).ok().filter(|offset| offset.months == 0 && offset.nanoseconds % 1000 == 0);
    let micros = fixed
        .and_then(|offset| i64::from(offset.days).checked_mul(MICROS_PER_DAY)?.checked_add(offset.nanoseconds / 1000));
    micros.ok_or_else(|| {
        Error::usage(format!("'{text}' is no offset of a resampling"))
            .with_hint("write a length such as '2h', '90min' or '-15 minutes'")
    })
}

column_aggregates!(Resample);
