//! Buckets of time as functions: the [`Grid`]s of SQL's `time_bucket` and `date_bin`, and those of resample rules.
//! Timestamps with zone are cut in UTC where no zone is given.

use arrow::array::{IntervalMonthDayNanoArray, StringViewArray, TimestampMicrosecondArray};
use arrow::datatypes::{Date32Type, IntervalMonthDayNano, IntervalMonthDayNanoType, TimestampMicrosecondType};

use super::calendar::{add_interval, negate_interval, zone_of};
use super::extract::moments;
use super::kernel::{Argument, argument, map_column, map_primitive, map_primitive_as, primitive, text};
use super::signature::{Call, Take, zone_fits};
use super::{ScalarFunction, Signature, Value};
use crate::error::{Error, Result};
use crate::types::grid::{Bucket, Grid, LastBucket, Side};
use crate::types::rule::Rule;
use crate::types::temporal::{MICROS_PER_DAY, Zone};
use crate::types::{DataType, INTERVAL, TEXT, TIMESTAMP};

const CATEGORY: &str = "date and time";

/// The parameters of a call that may be given by name, as those of [`super::gaps`].
pub(super) fn parameters(name: &str) -> Option<&'static [&'static str]> {
    (name == "time_bucket").then_some(&["bucket_width", "ts", "timezone", "origin", "offset"])
}

pub(super) const FUNCTIONS: &[ScalarFunction] = &[
    function!(
        "time_bucket",
        "time_bucket(width, timestamp [, origin or offset or timezone [, origin [, offset]]])",
        "The start of the bucket of that width that the timestamp is in; some bucket starts at the origin. In a time zone, days \
         and longer widths are counted in local time, shorter ones in elapsed time.",
        time_bucket_types,
        |args, rows, _| {
            let moments = all_moments(args)?;
            map_buckets(
                &moments,
                rows,
                argument(args, 1)?.data_type(),
                "time_bucket",
                &Widths::of_time_bucket(&moments)?,
            )
        }
    ),
    function!(
        "date_bin",
        "date_bin(width, timestamp, origin)",
        "The start of the bucket of that width, counted from the origin, that the timestamp is in.",
        |call| bucket_types(call, &[Take::Interval, Take::Moment, Take::Moment], &[], 2),
        |args, rows, _| {
            let moments = all_moments(args)?;
            let widths = Widths::new(&moments, None, Some(2), None)?;
            map_buckets(&moments, rows, argument(args, 1)?.data_type(), "date_bin", &widths)
        }
    ),
    function!(
        "resample_bucket",
        "resample_bucket(rule, timestamp [, closed [, label [, anchor [, timezone]]]])",
        "The label of the bucket of a resample rule ('15min', 'W-MON', '2ME', …) that the timestamp is in; closed and label are \
         'left' or 'right', and one edge of a bucket is the anchor: UTC for h and shorter units, else local time.",
        |call| {
            let optional = [Take::Text, Take::Text, Take::Timestamp, Take::Text];
            let mut signature = bucket_types(call, &[Take::Text, Take::Moment], &optional, 1)?;
            if let Some(anchor) = signature.arguments.get_mut(4) {
                *anchor = TIMESTAMP;
            }
            zone_fits(call, &signature.arguments, 5)?;
            Ok(signature)
        },
        |args, rows, _| {
            let moments = all_moments(args)?;
            map_buckets(&moments, rows, argument(args, 1)?.data_type(), "resample_bucket", &Rules::new(&moments)?)
        }
    ),
];

/// The result has the timestamp's type, and so has the origin.
fn bucket_types(call: &Call<'_>, required: &[Take], optional: &[Take], origin: usize) -> Result<Signature> {
    let mut arguments = call.arguments(required, optional)?;
    let result = arguments.get(1).cloned().unwrap_or(DataType::Null);
    if let Some(origin) = arguments.get_mut(origin).filter(|origin| **origin != INTERVAL) {
        *origin = result.clone();
    }
    Ok(Signature { arguments, result })
}

/// TimescaleDB's and DuckDB's forms: an origin, an offset or a time zone, or zone, origin and offset in this order.
fn time_bucket_types(call: &Call<'_>) -> Result<Signature> {
    let required = [Take::Interval, Take::Moment];
    let zoned = [Take::Text, Take::Moment, Take::Interval];
    if call.types.len() <= 3 && call.types.get(2) != Some(&TEXT) {
        return bucket_types(call, &required, &[Take::MomentOrInterval], 2);
    }
    let signature = bucket_types(call, &required, &zoned, 3)?;
    if call.types.get(2) == Some(&TEXT) {
        zone_fits(call, &signature.arguments, 2)?;
    }
    Ok(signature)
}

/// What a function says of the buckets of each row.
trait BucketsOfRows {
    /// `None` where an argument that decides is null.
    fn at(&self, row: usize) -> Result<Option<Buckets>>;
}

/// The buckets of some rows.
#[derive(Clone, Copy)]
struct Buckets {
    grid: Grid,
    /// By which the grid of months is moved: by days or times, not always by the same distance.
    moved: Option<(IntervalMonthDayNano, Option<Zone>)>,
}

impl Buckets {
    #[inline]
    fn bucket(&self, micros: i64) -> Option<Bucket> {
        let Some((offset, zone)) = self.moved else { return self.grid.bucket(micros) };
        let back = add_interval(micros, negate_interval(offset)?, zone.as_ref())?;
        let label = add_interval(self.grid.floor(back)?, offset, zone.as_ref())?;
        // How long it is was not asked for: it holds nothing for the next row.
        Some(Bucket { start: micros, end: micros, label })
    }
}

/// Buckets by a width, with origin, offset and zone.
struct Widths<'a> {
    widths: Argument<&'a IntervalMonthDayNanoArray>,
    zones: Option<Argument<&'a StringViewArray>>,
    origins: Option<Argument<&'a TimestampMicrosecondArray>>,
    offsets: Option<Argument<&'a IntervalMonthDayNanoArray>>,
    /// Whether a null origin or offset makes null; in the long form of `time_bucket` it stands for none.
    strict: bool,
}

impl<'a> Widths<'a> {
    fn new(args: &'a [Value], zone: Option<usize>, origin: Option<usize>, offset: Option<usize>) -> Result<Self> {
        let given = |index: &usize| *index < args.len();
        Ok(Self {
            widths: primitive::<IntervalMonthDayNanoType>(args, 0)?,
            zones: zone.filter(given).map(|index| text(args, index)).transpose()?,
            origins: origin
                .filter(given)
                .map(|index| primitive::<TimestampMicrosecondType>(args, index))
                .transpose()?,
            offsets: offset
                .filter(given)
                .map(|index| primitive::<IntervalMonthDayNanoType>(args, index))
                .transpose()?,
            strict: zone.is_none(),
        })
    }

    fn of_time_bucket(args: &'a [Value]) -> Result<Self> {
        match args.get(2).map(Value::data_type) {
            Some(DataType::Utf8View) => Self::new(args, Some(2), Some(3), Some(4)),
            Some(DataType::Interval(_)) => Self::new(args, None, None, Some(2)),
            _ => Self::new(args, None, Some(2), None),
        }
    }
}

impl BucketsOfRows for Widths<'_> {
    fn at(&self, row: usize) -> Result<Option<Buckets>> {
        let Some(width) = self.widths.get(row) else { return Ok(None) };
        let origin = self.origins.and_then(|origins| origins.get(row));
        let offset = self.offsets.and_then(|offsets| offsets.get(row));
        if self.strict && (self.origins.is_some() && origin.is_none() || self.offsets.is_some() && offset.is_none()) {
            return Ok(None);
        }
        let zone = match self.zones.map(|zones| zones.get(row)) {
            Some(Some(name)) => Some(zone_of(name)?),
            Some(None) if self.origins.is_none() => return Ok(None),
            _ => None,
        };
        let grid = Grid::of_width(width, origin, zone)?;
        let Some(offset) = offset else { return Ok(Some(Buckets { grid, moved: None })) };
        if width.months != 0 {
            return Ok(Some(Buckets { grid, moved: Some((offset, zone)) }));
        }
        let edge = grid.floor(origin.unwrap_or(0)).and_then(|edge| add_interval(edge, offset, zone.as_ref()));
        let edge = edge.ok_or_else(|| Error::data("time_bucket: the offset is out of the range of timestamps"))?;
        Ok(Some(Buckets { grid: Grid::of_width(width, Some(edge), zone)?, moved: None }))
    }
}

/// Buckets by a resample rule.
struct Rules<'a> {
    rules: Argument<&'a StringViewArray>,
    closed: Option<Argument<&'a StringViewArray>>,
    labels: Option<Argument<&'a StringViewArray>>,
    anchors: Option<Argument<&'a TimestampMicrosecondArray>>,
    zones: Option<Argument<&'a StringViewArray>>,
}

impl<'a> Rules<'a> {
    fn new(args: &'a [Value]) -> Result<Self> {
        let texts = |index: usize| (index < args.len()).then(|| text(args, index)).transpose();
        let anchors = (args.len() > 4).then(|| primitive::<TimestampMicrosecondType>(args, 4)).transpose()?;
        Ok(Self { rules: text(args, 0)?, closed: texts(2)?, labels: texts(3)?, anchors, zones: texts(5)? })
    }
}

impl BucketsOfRows for Rules<'_> {
    fn at(&self, row: usize) -> Result<Option<Buckets>> {
        let Some(rule) = self.rules.get(row) else { return Ok(None) };
        let rule: Rule = rule.parse()?;
        let usual = if rule.by_end() { Side::Right } else { Side::Left };
        let side = |texts: Option<Argument<&StringViewArray>>| {
            texts.and_then(|texts| texts.get(row)).map_or(Ok(usual), str::parse::<Side>)
        };
        let anchor = self.anchors.and_then(|anchors| anchors.get(row)).unwrap_or(0);
        let zone = self.zones.and_then(|zones| zones.get(row)).map(zone_of).transpose()?;
        let grid = Grid::new(rule, side(self.closed)?, side(self.labels)?, anchor, zone)?;
        Ok(Some(Buckets { grid, moved: None }))
    }
}

/// The grid of a call of one of these functions, all of whose arguments but the timestamp are constants; `None` where it
/// gives no bucket, whatever the timestamp is.
///
/// # Errors
/// Where a constant is wrong, or moves buckets by distances that differ.
pub fn grid_of(function: &str, args: &[Value]) -> Result<Option<Grid>> {
    let moments = all_moments(args)?;
    let buckets = match function {
        "time_bucket" => Widths::of_time_bucket(&moments)?.at(0)?,
        "date_bin" => Widths::new(&moments, None, Some(2), None)?.at(0)?,
        "resample_bucket" => Rules::new(&moments)?.at(0)?,
        other => return Err(Error::internal(format!("{other} gives no buckets of time"))),
    };
    match buckets {
        Some(Buckets { moved: Some(_), .. }) => {
            Err(Error::data("gaps between months with an offset cannot be filled").with_hint("leave the offset out"))
        }
        Some(buckets) => Ok(Some(buckets.grid)),
        None => Ok(None),
    }
}

/// The zone in whose local time such a call counts days.
///
/// # Errors
/// Where there is no such zone.
pub fn zone_of_buckets(function: &str, args: &[Value]) -> Result<Option<Zone>> {
    let index = match function {
        "time_bucket" if args.get(2).is_some_and(|arg| *arg.data_type() == TEXT) => 2,
        "resample_bucket" if args.len() > 5 => 5,
        _ => return Ok(None),
    };
    text(args, index)?.get(0).map(zone_of).transpose()
}

/// Dates among the arguments as timestamps.
fn all_moments(args: &[Value]) -> Result<Vec<Value>> {
    args.iter().map(moments).collect()
}

/// The label of the bucket of each value of the second argument, as a value of `data_type`.
fn map_buckets(
    args: &[Value],
    rows: usize,
    data_type: &DataType,
    function: &str,
    buckets: &impl BucketsOfRows,
) -> Result<Value> {
    let constant = args.iter().enumerate().all(|(index, arg)| index == 1 || arg.is_scalar());
    let constant = if constant { buckets.at(0)? } else { None };
    let out_of_range = || Error::data(format!("{function}: the bucket starts out of the range of timestamps"));
    if let (Some(constant), false) = (constant, *data_type == DataType::Date32) {
        let last = LastBucket::default();
        return map_column::<TimestampMicrosecondType>(args, 1, data_type, |micros| {
            last.label(micros, |micros| constant.bucket(micros)).ok_or_else(out_of_range)
        });
    }
    let input = primitive::<TimestampMicrosecondType>(args, 1)?;
    let label = |row: usize| -> Result<Option<i64>> {
        let Some(micros) = input.get(row) else { return Ok(None) };
        let Some(buckets) = constant.map_or_else(|| buckets.at(row), |constant| Ok(Some(constant)))? else {
            return Ok(None);
        };
        buckets.bucket(micros).map(|bucket| Some(bucket.label)).ok_or_else(out_of_range)
    };
    if *data_type == DataType::Date32 {
        return map_primitive::<Date32Type>(args, rows, |row| match label(row)? {
            None => Ok(None),
            Some(micros) if micros % MICROS_PER_DAY == 0 => {
                let days = i32::try_from(micros / MICROS_PER_DAY);
                days.map(Some).map_err(|_| Error::data(format!("{function}: date out of range")))
            }
            Some(_) => Err(Error::data(format!("{function}: the bucket of a date does not start at midnight"))
                .with_hint("cast the date to TIMESTAMP, or take a width of whole days")),
        });
    }
    map_primitive_as::<TimestampMicrosecondType>(args, rows, data_type, label)
}
