//! Building expressions in Rust: `col("x").gt(lit(5)).and(col("name").like("A%"))`.

use super::{BinaryOp, Expr, SortKey, UnaryOp};
use crate::error::Result;
use crate::types::interval::parse_interval;
use crate::types::{DataType, Scalar};

/// A column by name; `t.x` names the column `x` of the table `t` only where no column is called `t.x`.
pub fn col(name: impl Into<String>) -> Expr {
    Expr::Column { table: None, name: name.into() }
}

/// A constant.
pub fn lit(value: impl IntoExpr) -> Expr {
    value.into_expr()
}

/// A call of a function by its name in SQL; SHOW FUNCTIONS lists them.
///
/// ```
/// use highwater::prelude::*;
/// let day = function("time_bucket", [interval("1 day")?, col("time_hour")]).alias("day");
/// assert_eq!(day.to_string(), "time_bucket(INTERVAL '1 day', time_hour) AS day");
/// # Ok::<(), Error>(())
/// ```
pub fn function(name: &str, args: impl IntoIterator<Item = Expr>) -> Expr {
    Expr::call(name, args.into_iter().collect())
}

/// An interval constant, written as in SQL.
///
/// # Errors
/// Where the text is no interval.
pub fn interval(text: &str) -> Result<Expr> {
    Ok(Expr::Literal(Scalar::interval(parse_interval(text, None)?)))
}

/// `count(*)`.
pub fn count_all() -> Expr {
    Expr::call("count", Vec::new())
}

/// Starts `CASE WHEN condition THEN result`; goes on with [`When::when`] and ends with [`When::otherwise`].
pub fn when(condition: Expr, result: impl IntoExpr) -> When {
    When { branches: vec![(condition, result.into_expr())] }
}

/// A CASE expression under construction.
#[derive(Clone, Debug)]
pub struct When {
    branches: Vec<(Expr, Expr)>,
}

impl When {
    /// A further branch.
    #[must_use]
    pub fn when(mut self, condition: Expr, result: impl IntoExpr) -> Self {
        self.branches.push((condition, result.into_expr()));
        self
    }

    /// The result where no condition is true.
    pub fn otherwise(self, result: impl IntoExpr) -> Expr {
        Expr::Case { operand: None, branches: self.branches, otherwise: Some(Box::new(result.into_expr())) }
    }
}

/// What can stand as an operand: expressions and Rust values.
pub trait IntoExpr {
    /// The expression.
    fn into_expr(self) -> Expr;
}

impl IntoExpr for Expr {
    fn into_expr(self) -> Expr {
        self
    }
}

impl IntoExpr for Scalar {
    fn into_expr(self) -> Expr {
        Expr::Literal(self)
    }
}

impl IntoExpr for i32 {
    fn into_expr(self) -> Expr {
        Expr::Literal(Scalar::int32(self))
    }
}

impl IntoExpr for i64 {
    fn into_expr(self) -> Expr {
        Expr::Literal(Scalar::int64(self))
    }
}

impl IntoExpr for f64 {
    fn into_expr(self) -> Expr {
        Expr::Literal(Scalar::float64(self))
    }
}

impl IntoExpr for bool {
    fn into_expr(self) -> Expr {
        Expr::Literal(Scalar::boolean(self))
    }
}

impl IntoExpr for &str {
    fn into_expr(self) -> Expr {
        Expr::Literal(Scalar::text(self))
    }
}

macro_rules! comparisons {
    ($($(#[$doc:meta])* $name:ident => $op:ident;)*) => {
        impl Expr {$(
            $(#[$doc])*
            #[must_use]
            pub fn $name(self, other: impl IntoExpr) -> Expr {
                self.binary(BinaryOp::$op, other.into_expr())
            }
        )*}
    };
}

comparisons! {
    /// `=`
    eq => Equal;
    /// `<>`
    not_eq => NotEqual;
    /// `<`
    lt => Less;
    /// `<=`
    lt_eq => LessEqual;
    /// `>`
    gt => Greater;
    /// `>=`
    gt_eq => GreaterEqual;
    /// `AND`
    and => And;
    /// `OR`
    or => Or;
    /// `||`
    concat => Concat;
}

macro_rules! aggregates {
    ($($(#[$doc:meta])* $name:ident => $function:literal;)*) => {
        impl Expr {$(
            $(#[$doc])*
            #[must_use]
            pub fn $name(self) -> Expr {
                Expr::call($function, vec![self])
            }
        )*}
    };
}

aggregates! {
    /// The sum of the values that are not null.
    sum => "sum";
    /// The arithmetic mean.
    mean => "avg";
    /// The least value.
    min => "min";
    /// The greatest value.
    max => "max";
    /// How many values are not null.
    count => "count";
    /// The sample standard deviation.
    std => "stddev_samp";
    /// The sample variance.
    var => "var_samp";
    /// The median, interpolated.
    median => "median";
    /// The first value in the order of the input, null or not.
    first => "first";
    /// The last value in the order of the input, null or not.
    last => "last";
}

impl Expr {
    /// A name for the result column.
    #[must_use]
    pub fn alias(self, name: impl Into<String>) -> Expr {
        Expr::Alias(Box::new(self), name.into())
    }

    /// How many distinct values there are, nulls not counted.
    #[must_use]
    pub fn n_unique(self) -> Expr {
        Expr::Call { name: "count".into(), args: vec![self], distinct: true, filter: None, order_by: Vec::new() }
    }

    /// The value in the first row by `time`, the greatest, the least and the one in the last row, under the names `open`, `high`,
    /// `low` and `close`. Rows count in the order of their time, not in the one they come in; of rows with the same time
    /// `open` is the first and `close` the last. Rows where the value or the time is null do not count.
    #[must_use]
    pub fn ohlc(self, time: impl Into<Expr>) -> [Expr; 4] {
        let time = time.into();
        let known = self.clone().is_not_null().and(time.clone().is_not_null());
        let close = Expr::call("last", vec![self.clone()]).order_by([time.clone()]).filter_where(known);
        [
            Expr::call("arg_min", vec![self.clone(), time]).alias("open"),
            self.clone().max().alias("high"),
            self.min().alias("low"),
            close.alias("close"),
        ]
    }

    /// The quantile at `fraction` (0 to 1), interpolated.
    #[must_use]
    pub fn quantile(self, fraction: f64) -> Expr {
        Expr::call("quantile", vec![self, lit(fraction)])
    }

    /// An aggregate over each distinct value once; without effect on anything but a call.
    #[must_use]
    pub fn distinct(self) -> Expr {
        match self {
            Expr::Call { name, args, filter, order_by, .. } => {
                Expr::Call { name, args, distinct: true, filter, order_by }
            }
            Expr::Alias(inner, name) => inner.distinct().alias(name),
            other => other,
        }
    }

    /// The values as a list, nulls among them; without [`order_by`](Self::order_by) in the order of the input.
    #[must_use]
    pub fn array_agg(self) -> Expr {
        Expr::call("array_agg", vec![self])
    }

    /// The values that are not null as one text, with the separator between them.
    ///
    /// ```
    /// use highwater::prelude::*;
    /// let names = col("name").string_agg(", ").order_by([col("age").desc()]);
    /// assert_eq!(names.to_string(), "string_agg(name, ', ' ORDER BY age DESC)");
    /// ```
    #[must_use]
    pub fn string_agg(self, separator: &str) -> Expr {
        Expr::call("string_agg", vec![self, lit(separator)])
    }

    /// The order in which an aggregate such as [`first`](Self::first) or [`array_agg`](Self::array_agg) takes the rows;
    /// without effect on anything but a call.
    #[must_use]
    pub fn order_by<K: Into<SortKey>>(self, keys: impl IntoIterator<Item = K>) -> Expr {
        match self {
            Expr::Call { name, args, distinct, filter, .. } => {
                Expr::Call { name, args, distinct, filter, order_by: keys.into_iter().map(Into::into).collect() }
            }
            Expr::Alias(inner, name) => inner.order_by(keys).alias(name),
            other => other,
        }
    }

    /// An aggregate over only those rows where the condition is true; without effect on anything but a call.
    #[must_use]
    pub fn filter_where(self, condition: Expr) -> Expr {
        match self {
            Expr::Call { name, args, distinct, order_by, .. } => {
                Expr::Call { name, args, distinct, filter: Some(Box::new(condition)), order_by }
            }
            Expr::Alias(inner, name) => inner.filter_where(condition).alias(name),
            other => other,
        }
    }

    /// Converts to a type; a value that does not fit is an error.
    #[must_use]
    pub fn cast(self, to: DataType) -> Expr {
        Expr::Cast { expr: Box::new(self), to, try_cast: false }
    }

    /// Converts to a type; a value that does not fit becomes null.
    #[must_use]
    pub fn try_cast(self, to: DataType) -> Expr {
        Expr::Cast { expr: Box::new(self), to, try_cast: true }
    }

    /// `IS NULL`.
    #[must_use]
    pub fn is_null(self) -> Expr {
        Expr::Unary { op: UnaryOp::IsNull, expr: Box::new(self) }
    }

    /// `IS NOT NULL`.
    #[must_use]
    pub fn is_not_null(self) -> Expr {
        Expr::Unary { op: UnaryOp::IsNotNull, expr: Box::new(self) }
    }

    /// `BETWEEN`, both ends included.
    #[must_use]
    pub fn between(self, low: impl IntoExpr, high: impl IntoExpr) -> Expr {
        Expr::Between {
            expr: Box::new(self),
            low: Box::new(low.into_expr()),
            high: Box::new(high.into_expr()),
            negated: false,
        }
    }

    /// `IN (…)`.
    #[must_use]
    pub fn is_in<T: IntoExpr>(self, list: impl IntoIterator<Item = T>) -> Expr {
        Expr::InList { expr: Box::new(self), list: list.into_iter().map(IntoExpr::into_expr).collect(), negated: false }
    }

    /// `LIKE`: `%` is any text, `_` any character.
    #[must_use]
    pub fn like(self, pattern: &str) -> Expr {
        Expr::Like {
            expr: Box::new(self),
            pattern: Box::new(lit(pattern)),
            escape: None,
            case_insensitive: false,
            negated: false,
        }
    }

    /// `ILIKE`: [`like`](Self::like) without regard to case.
    #[must_use]
    pub fn ilike(self, pattern: &str) -> Expr {
        Expr::Like {
            expr: Box::new(self),
            pattern: Box::new(lit(pattern)),
            escape: None,
            case_insensitive: true,
            negated: false,
        }
    }

    /// `IS DISTINCT FROM`: unequal, where null equals null.
    #[must_use]
    pub fn is_distinct_from(self, other: impl IntoExpr) -> Expr {
        self.binary(BinaryOp::DistinctFrom, other.into_expr())
    }

    /// `IS NOT DISTINCT FROM`: equal, where null equals null.
    #[must_use]
    pub fn is_not_distinct_from(self, other: impl IntoExpr) -> Expr {
        self.binary(BinaryOp::NotDistinctFrom, other.into_expr())
    }

    /// A sort key, smallest first, nulls last.
    #[must_use]
    pub fn asc(self) -> SortKey {
        SortKey { expr: self, descending: false, nulls_first: None }
    }

    /// A sort key, largest first, nulls first.
    #[must_use]
    pub fn desc(self) -> SortKey {
        SortKey { expr: self, descending: true, nulls_first: None }
    }
}

impl SortKey {
    /// Nulls before all else.
    #[must_use]
    pub fn nulls_first(mut self) -> Self {
        self.nulls_first = Some(true);
        self
    }

    /// Nulls behind all else.
    #[must_use]
    pub fn nulls_last(mut self) -> Self {
        self.nulls_first = Some(false);
        self
    }
}

impl From<Expr> for SortKey {
    fn from(expr: Expr) -> Self {
        expr.asc()
    }
}

impl From<&str> for SortKey {
    fn from(name: &str) -> Self {
        col(name).asc()
    }
}

impl From<&str> for Expr {
    fn from(name: &str) -> Self {
        col(name)
    }
}

macro_rules! arithmetic {
    ($($trait:ident, $method:ident => $op:ident;)*) => {$(
        impl<T: IntoExpr> std::ops::$trait<T> for Expr {
            type Output = Expr;

            fn $method(self, other: T) -> Expr {
                self.binary(BinaryOp::$op, other.into_expr())
            }
        }
    )*};
}

arithmetic! {
    Add, add => Add;
    Sub, sub => Subtract;
    Mul, mul => Multiply;
    Div, div => Divide;
    Rem, rem => Modulo;
}

impl std::ops::Neg for Expr {
    type Output = Expr;

    fn neg(self) -> Expr {
        Expr::Unary { op: UnaryOp::Negate, expr: Box::new(self) }
    }
}

impl std::ops::Not for Expr {
    type Output = Expr;

    fn not(self) -> Expr {
        Expr::Unary { op: UnaryOp::Not, expr: Box::new(self) }
    }
}
