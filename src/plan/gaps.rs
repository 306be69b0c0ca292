//! Binding of `time_bucket_gapfill`, `locf` and `interpolate`, which fill the gaps between groups.
//!
//! The first is a key of GROUP BY: it is bound as the `time_bucket` it is, with the range to fill beside. The others are
//! bound as columns, from [`FIRST_FILL`] on, of which the plan is made once all are known:
//!
//! ```text
//! Project   expressions over keys, aggregates and fills
//!   FillGaps   the keys make the series; fills as they say, aggregates null
//!     Sort   keys, then bucket
//!       Project   keys, aggregates, arguments of fills
//!         Filter   HAVING
//!           Aggregate
//! ```

use arrow::datatypes::IntervalMonthDayNano;

use super::coerce::{cast_to, constant, literal_as};
use super::resolve::resolve;
use super::{FillGaps, LogicalPlan, NamedExpr, PlanBuilder, Project, Scope};
use crate::error::{Error, Result};
use crate::eval::arithmetic::arithmetic_type;
use crate::expr::{BinaryOp, BoundExpr, Expr, GapColumn, GapFill, Line, Reach};
use crate::functions::scalar::gaps::{INTERPOLATE, LOCF, TIME_BUCKET_GAPFILL};
use crate::types::coercion::common_type;
use crate::types::temporal::MICROS_PER_DAY;
use crate::types::{DataType, INTERVAL, Scalar, TEXT, TIMESTAMP, is_integer, is_numeric, sql_name};

/// From here on columns stand for values that are filled, until the number of all others is known.
pub(super) const FIRST_FILL: usize = usize::MAX / 2;

/// Whether it is one of the functions that are bound here.
pub(super) fn is_gap_function(name: &str) -> bool {
    matches!(name, TIME_BUCKET_GAPFILL | LOCF | INTERPOLATE)
}

/// Whether it gives values to buckets without rows.
pub(super) fn is_fill(name: &str) -> bool {
    matches!(name, LOCF | INTERPOLATE)
}

/// The key of GROUP BY whose gaps are filled.
#[derive(Debug)]
pub(super) struct GapKey {
    /// The bucket of a row.
    pub(super) bucket: BoundExpr,
    starts: Vec<BoundExpr>,
    finishes: Vec<BoundExpr>,
}

/// A value that is filled.
#[derive(Debug, PartialEq)]
pub(super) struct Fill {
    /// Over the rows and the aggregates.
    pub(super) value: BoundExpr,
    how: GapFill,
}

/// The arguments of a call of `time_bucket_gapfill`, or the bucket that it is.
struct Call<'a> {
    bucket: Expr,
    start: Option<&'a Expr>,
    finish: Option<&'a Expr>,
}

impl<'a> Call<'a> {
    /// The arguments in the order of their names, NULL for those that were not given.
    fn of(args: &'a [Expr]) -> Self {
        let given = |expr: &&Expr| !matches!(expr.unspanned(), Expr::Literal(value) if value.is_null());
        let (bucket, rest) = args.split_at(args.len().min(2));
        let (range, grid) = rest.split_at(rest.len().min(2));
        let mut bucket = bucket.to_vec();
        // Time zone, origin and offset, each in its place, so that a text is read as what the place says.
        let last = grid.iter().rposition(|expr| given(&expr));
        let in_place = grid.iter().take(last.map_or(0, |last| last + 1)).enumerate();
        bucket.extend(in_place.map(|(place, expr)| if place == 1 { moment_of_text(expr) } else { expr.clone() }));
        let range = |index: usize| range.get(index).filter(given);
        Self { bucket: Expr::call("time_bucket", bucket), start: range(0), finish: range(1) }
    }
}

/// A timestamp that is written as text, as one.
fn moment_of_text(expr: &Expr) -> Expr {
    match expr.unspanned() {
        Expr::Literal(value) if value.as_str().is_some() => expr.clone().cast(TIMESTAMP),
        _ => expr.clone(),
    }
}

/// The bucket that a call of `time_bucket_gapfill` is.
pub(super) fn bucket_of(args: &[Expr]) -> Expr {
    Call::of(args).bucket
}

impl GapKey {
    /// The key that an expression is; `None` where it is an ordinary one.
    pub(super) fn of(key: &Expr, input: &PlanBuilder) -> Result<Option<Self>> {
        match key {
            Expr::Spanned(inner, span) => Self::of(inner, input).map_err(|error| error.with_span(*span)),
            Expr::Alias(inner, _) => Self::of(inner, input),
            Expr::Call { name, args, .. } if name == TIME_BUCKET_GAPFILL => Self::bind(args, input).map(Some),
            _ => Ok(None),
        }
    }

    fn bind(args: &[Expr], input: &PlanBuilder) -> Result<Self> {
        let call = Call::of(args);
        let bucket = resolve(&call.bucket, &input.scope)?;
        let BoundExpr::Call { args, .. } = &bucket else {
            return Err(Error::internal("a bucket that is no call"));
        };
        let time = args.get(1).ok_or_else(|| Error::internal("a bucket without a time"))?;
        let (mut starts, mut finishes) = bounds_of(&input.plan, time);
        let time = time.data_type();
        if let Some(start) = call.start {
            starts = vec![bound(start, "start", &time, &input.scope)?];
        }
        if let Some(finish) = call.finish {
            finishes = vec![bound(finish, "finish", &time, &input.scope)?];
        }
        Ok(Self { bucket, starts, finishes })
    }

    /// The plan over the groups: the columns of `groups`, then the fills, whose values are over those. `key` is the
    /// column of the bucket, below the other keys.
    pub(super) fn plan(
        self,
        groups: LogicalPlan,
        key: usize,
        keys: usize,
        fills: Vec<(BoundExpr, GapFill)>,
    ) -> Result<LogicalPlan> {
        let count = groups.schema().fields().len();
        let role = |column: usize| match column {
            column if column == key => GapColumn::Bucket,
            column if column < keys => GapColumn::Key,
            _ => GapColumn::Value(GapFill::Null),
        };
        let mut roles: Vec<GapColumn> = (0..count).map(role).collect();
        let mut exprs: Vec<NamedExpr> = (0..count)
            .map(|index| NamedExpr { expr: groups.column(index), name: groups.schema().field(index).name().clone() })
            .collect();
        for (value, how) in fills {
            exprs.push(NamedExpr { name: value.to_string(), expr: value });
            roles.push(GapColumn::Value(how));
        }
        let input = if exprs.len() > count { Project::plan(groups, exprs) } else { groups };
        let bucket = over_bucket(self.bucket, input.column(key));
        FillGaps::plan(input, roles, bucket, self.starts, self.finishes)
    }
}

impl PlanBuilder {
    /// Fills the gaps of buckets: the first column has what `bucket` gave over other rows, `by` columns behind it tell one series
    /// from another, and the others are filled; they are converted where constants or lines need it.
    ///
    /// # Errors
    /// Where a column cannot be filled so.
    pub fn fill_gaps(self, bucket: BoundExpr, by: usize, fills: Vec<GapFill>) -> Result<Self> {
        let plan = self.plan;
        let fields = plan.schema().fields();
        let first_value = by + 1;
        let mut roles = vec![GapColumn::Key; first_value];
        roles[0] = GapColumn::Bucket;
        let mut exprs = Vec::with_capacity(fields.len());
        for (index, field) in fields.iter().enumerate() {
            let mut expr = plan.column(index);
            if index >= first_value {
                let fill = fills.get(index - first_value).cloned().unwrap_or(GapFill::Null);
                let (converted, fill) = fitting(expr, fill)?;
                expr = converted;
                roles.push(GapColumn::Value(fill));
            }
            exprs.push(NamedExpr { expr, name: field.name().clone() });
        }
        let is_same = exprs.iter().all(|named| matches!(named.expr, BoundExpr::Column { .. }));
        let input = if is_same { plan } else { Project::plan(plan, exprs) };
        let bucket = over_bucket(bucket, input.column(0));
        Ok(Self::from_plan(FillGaps::plan(input, roles, bucket, Vec::new(), Vec::new())?))
    }
}

/// A column, and what fills it, of types that fit.
fn fitting(column: BoundExpr, fill: GapFill) -> Result<(BoundExpr, GapFill)> {
    let data_type = column.data_type();
    let refused = |what: &str| {
        Error::usage(format!("the column '{column}' is {}: {what}", sql_name(&data_type)))
            .with_hint("compute it in a resampling of its own, with another fill")
    };
    match fill {
        GapFill::Constant { value, over_nulls } => {
            let common = common_type(&data_type, value.data_type());
            let common = common.ok_or_else(|| refused(&format!("it cannot be filled with {value}")))?;
            let filled = constant(&cast_to(BoundExpr::Literal(value.clone()), &common));
            let value = filled.ok_or_else(|| refused(&format!("{value} does not fit")))?;
            Ok((cast_to(column, &common), GapFill::Constant { value, over_nulls }))
        }
        GapFill::Linear(line) if is_numeric(&data_type) || data_type == DataType::Null => {
            Ok((cast_to(column, &DataType::Float64), GapFill::Linear(line)))
        }
        GapFill::Linear(_) => Err(refused("lines lie between numbers")),
        other => Ok((column, other)),
    }
}

/// The call over the column of its own results.
pub(super) fn over_bucket(call: BoundExpr, column: BoundExpr) -> BoundExpr {
    let mut position = 0;
    call.map_children(|arg| {
        position += 1;
        if position == 2 { column.clone() } else { arg }
    })
}

/// A constant that start or finish is, as a moment of the type of the buckets.
fn bound(expr: &Expr, name: &str, time: &DataType, scope: &Scope) -> Result<BoundExpr> {
    let value = resolve(expr, scope)?;
    if !value.columns().is_empty() {
        return Err(Error::sql(format!("{name} of {TIME_BUCKET_GAPFILL}() must be a constant, and {expr} is none")));
    }
    match value.data_type() {
        // A part of a day counts for dates too.
        TEXT if *time == DataType::Date32 => literal_as(value, &TIMESTAMP),
        TEXT => literal_as(value, time),
        DataType::Date32 | DataType::Timestamp(_, _) if !has_zone(time) => Ok(in_zone_of(value, time)),
        other if common_type(&other, time).is_some() => Ok(cast_to(value, time)),
        other => Err(Error::sql(format!(
            "{name} of {TIME_BUCKET_GAPFILL}() must be {}, not {}",
            sql_name(time),
            sql_name(&other)
        ))),
    }
}

/// From when until when the conditions over a plan leave rows: constants, of which the latest start and the earliest
/// finish count.
fn bounds_of(plan: &LogicalPlan, time: &BoundExpr) -> (Vec<BoundExpr>, Vec<BoundExpr>) {
    let (mut starts, mut finishes) = (Vec::new(), Vec::new());
    let mut plan = plan;
    while let LogicalPlan::Filter(filter) = plan {
        for condition in filter.predicate.clone().conjuncts() {
            let BoundExpr::Binary { left, op, right, .. } = condition else { continue };
            let (op, value) = if is_time(&left, time) && right.columns().is_empty() {
                (op, *right)
            } else if is_time(&right, time) && left.columns().is_empty() {
                (op.swapped(), *left)
            } else {
                continue;
            };
            let value = in_zone_of(value, &time.data_type());
            match op {
                BinaryOp::GreaterEqual => starts.push(value),
                BinaryOp::Greater => starts.extend(moment_behind(value)),
                BinaryOp::Less => finishes.push(value),
                BinaryOp::LessEqual => finishes.extend(moment_behind(value)),
                BinaryOp::Equal => {
                    starts.push(value.clone());
                    finishes.extend(moment_behind(value));
                }
                _ => {}
            }
        }
        plan = &filter.input;
    }
    (starts, finishes)
}

/// Whether an expression is that date or timestamp, or what it is compared as with one of another type.
fn is_time(expr: &BoundExpr, time: &BoundExpr) -> bool {
    match expr {
        expr if expr == time => true,
        BoundExpr::Cast { expr, to: DataType::Timestamp(_, zone), .. } => {
            **expr == *time && (zone.is_some() || time.data_type() == DataType::Date32)
        }
        _ => false,
    }
}

fn has_zone(time: &DataType) -> bool {
    matches!(time, DataType::Timestamp(_, Some(_)))
}

/// A moment as the local time of the session, where buckets are of local times. It stays a moment also for dates.
fn in_zone_of(value: BoundExpr, time: &DataType) -> BoundExpr {
    match (value.data_type(), time) {
        (DataType::Timestamp(_, Some(_)), DataType::Date32 | DataType::Timestamp(_, None)) => {
            cast_to(value, &TIMESTAMP)
        }
        _ => value,
    }
}

/// The next date behind a date, or microsecond behind a timestamp.
fn moment_behind(value: BoundExpr) -> Option<BoundExpr> {
    let step = match value.data_type() {
        DataType::Date32 => IntervalMonthDayNano::new(0, 1, 0),
        _ => IntervalMonthDayNano::new(0, 0, 1000),
    };
    let (left, right, data_type) = arithmetic_type(BinaryOp::Add, &value.data_type(), &INTERVAL)?;
    let step = cast_to(BoundExpr::Literal(Scalar::interval(step)), &right);
    let left = Box::new(cast_to(value, &left));
    Some(BoundExpr::Binary { left, op: BinaryOp::Add, right: Box::new(step), data_type })
}

impl Fill {
    /// A call of `locf` or `interpolate`, whose arguments are bound.
    pub(super) fn bind(name: &str, args: Vec<BoundExpr>) -> Result<Self> {
        let usage =
            if name == LOCF { "locf(x [, max_gap] [, treat_null_as_missing])" } else { "interpolate(x [, max_gap])" };
        let wrong = |message: String| Error::sql(format!("{name}: {message}")).with_hint(format!("usage: {usage}"));
        let most = if name == LOCF { 3 } else { 2 };
        let count = args.len();
        let mut args = args.into_iter();
        let Some(value) = args.next().filter(|_| count <= most) else {
            return Err(wrong(format!("{count} arguments given")));
        };
        let max_gap = args.next().map(|arg| reach(arg).map_err(wrong)).transpose()?.flatten();
        if name == LOCF {
            let over_nulls = match args.next() {
                None => false,
                Some(arg) => constant(&arg).and_then(|value| value.as_bool()).ok_or_else(|| {
                    wrong(format!("treat_null_as_missing must be true or false, and {arg} is neither"))
                })?,
            };
            return Ok(Self { value, how: GapFill::Previous { limit: max_gap, over_nulls } });
        }
        let data_type = value.data_type();
        if !is_numeric(&data_type) && data_type != DataType::Null {
            let message = format!("{name}: there is no line between values of type {}", sql_name(&data_type));
            return Err(Error::sql(message).with_hint("locf(x) carries values of all types forward"));
        }
        let value = cast_to(value, &DataType::Float64);
        let line = Line { over_time: true, limit: None, max_gap, over_nulls: false };
        Ok(Self { value, how: GapFill::Linear(line) })
    }

    pub(super) fn into_parts(self) -> (BoundExpr, GapFill) {
        (self.value, self.how)
    }
}

/// A maximum gap: a number of buckets, or an interval; `None` of NULL.
fn reach(arg: BoundExpr) -> Result<Option<Reach>, String> {
    let wrong = || format!("max_gap must be an interval or a number of buckets, and {arg} is neither");
    if !arg.columns().is_empty() {
        return Err(wrong());
    }
    let value = match arg.data_type() {
        TEXT => literal_as(arg.clone(), &INTERVAL).ok(),
        DataType::Null => return Ok(None),
        _ => Some(arg.clone()),
    };
    let value = value.as_ref().and_then(constant).ok_or_else(wrong)?;
    match value.data_type() {
        _ if value.is_null() => Ok(None),
        integer if is_integer(integer) => {
            let buckets = value.as_i64().and_then(|count| u64::try_from(count).ok());
            buckets.map(|count| Some(Reach::Buckets(count))).ok_or_else(|| "max_gap must not be negative".to_string())
        }
        _ => match value.as_interval() {
            Some(interval) if is_negative(interval) => Err("max_gap must not be negative".to_string()),
            Some(interval) => Ok(Some(Reach::Time(interval))),
            None => Err(wrong()),
        },
    }
}

/// Whether an interval reaches back, months taken as 30 days.
fn is_negative(interval: IntervalMonthDayNano) -> bool {
    let days = i64::from(interval.months) * 30 + i64::from(interval.days);
    i128::from(days) * i128::from(MICROS_PER_DAY) * 1000 + i128::from(interval.nanoseconds) < 0
}
