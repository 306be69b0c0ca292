//! The fluent API: a [`DataFrame`] is a plan under construction over a session. It computes nothing until it is asked to.
//!
//! Names are Dask's, with Polars' spellings beside them.

mod fill;
mod group_by;
mod output;
mod resample;
mod rolling;
mod summary;

pub use fill::Fill;
pub use group_by::GroupBy;
pub use output::Batches;
pub use resample::Resample;
pub use rolling::{Expanding, Rolling, WindowSize};
pub use summary::Keep;

use crate::config::suggest;
use crate::error::{Error, Result};
use crate::expr::{Expr, SortKey, col};
use crate::plan::{LogicalPlan, PlanBuilder, Select, is_part_of};
use crate::session::Session;
use crate::types::rule::Rule;
use crate::types::{DataType, SchemaRef};

/// A lazy frame: a query that can go on being built.
///
/// ```
/// use highwater::prelude::*;
/// let session = Session::new(Config::default())?;
/// let flights = session.read_csv("data/flights/*.csv", CsvOptions::default())?;
/// let late = flights
///     .filter(col("dep_delay").gt(lit(60)))?
///     .groupby([col("carrier")])
///     .agg([count_all().alias("late")])?
///     .sort_values([col("late").desc()])?
///     .head(3)?;
/// assert_eq!(late.num_rows(), 3);
/// # Ok::<(), highwater::error::Error>(())
/// ```
#[derive(Clone, Debug)]
pub struct DataFrame {
    session: Session,
    builder: PlanBuilder,
}

impl DataFrame {
    pub(crate) fn new(session: Session, builder: PlanBuilder) -> Self {
        Self { session, builder }
    }

    fn with(&self, builder: PlanBuilder) -> Self {
        Self { session: self.session.clone(), builder }
    }

    fn select_with(&self, select: &Select) -> Result<Self> {
        Ok(self.with(self.builder.clone().select(select)?))
    }

    /// The columns and their types.
    pub fn schema(&self) -> &SchemaRef {
        self.builder.plan().schema()
    }

    /// The columns' names.
    pub fn columns(&self) -> Vec<&str> {
        self.schema().fields().iter().map(|field| field.name().as_str()).collect()
    }

    /// The columns' types.
    pub fn dtypes(&self) -> Vec<&DataType> {
        self.schema().fields().iter().map(|field| field.data_type()).collect()
    }

    /// The plan so far, before it is optimized.
    pub fn logical_plan(&self) -> &LogicalPlan {
        self.builder.plan()
    }

    /// Keeps the rows where the condition is true.
    ///
    /// # Errors
    /// Where it does not bind to the columns, or is no condition.
    pub fn filter(&self, predicate: Expr) -> Result<Self> {
        Ok(self.with(self.builder.clone().filter(&predicate)?))
    }

    /// Computes exactly these columns. With an aggregate among them, the result is one row.
    ///
    /// # Errors
    /// Where an expression does not bind.
    pub fn select<E: Into<Expr>>(&self, exprs: impl IntoIterator<Item = E>) -> Result<Self> {
        let projection = exprs.into_iter().map(Into::into).collect();
        self.select_with(&Select { projection, ..Select::default() })
    }

    /// Adds columns, or replaces those that have the same name; all see the frame as it was before.
    ///
    /// # Errors
    /// Where an expression does not bind.
    pub fn assign(&self, exprs: impl IntoIterator<Item = Expr>) -> Result<Self> {
        let mut projection: Vec<Expr> = self.columns().into_iter().map(col).collect();
        for expr in exprs {
            let name = expr.output_name();
            match projection.iter().position(|column| column.output_name() == name) {
                Some(index) => projection[index] = expr,
                None => projection.push(expr),
            }
        }
        self.select_with(&Select { projection, ..Select::default() })
    }

    /// [`assign`](Self::assign) by its name in Polars.
    ///
    /// # Errors
    /// As [`assign`](Self::assign).
    pub fn with_columns(&self, exprs: impl IntoIterator<Item = Expr>) -> Result<Self> {
        self.assign(exprs)
    }

    /// Leaves columns out, `place` with all of its parts.
    ///
    /// # Errors
    /// Where there is no column of a name.
    pub fn drop(&self, names: &[&str]) -> Result<Self> {
        for name in names {
            self.check_column(name)?;
        }
        let is_left_out = |column: &str| names.iter().any(|name| column == *name || is_part_of(column, name));
        self.select(self.columns().into_iter().filter(|column| !is_left_out(column)))
    }

    /// Renames columns: pairs of old and new name. Of what lies in several columns all parts are renamed.
    ///
    /// # Errors
    /// Where there is no column of an old name.
    pub fn rename(&self, names: &[(&str, &str)]) -> Result<Self> {
        for (old, _) in names {
            self.check_column(old)?;
        }
        let renamed = |column: &str| {
            let new = names.iter().find_map(|(old, new)| match column.get(old.len()..) {
                Some(rest) if column == *old || is_part_of(column, old) => Some(format!("{new}{rest}")),
                _ => None,
            });
            new.map_or_else(|| col(column), |new| col(column).alias(new))
        };
        self.select(self.columns().into_iter().map(renamed))
    }

    fn check_column(&self, name: &str) -> Result<()> {
        if self.columns().into_iter().any(|column| column == name || is_part_of(column, name)) {
            return Ok(());
        }
        let error = Error::sql(format!("there is no column '{name}'"));
        Err(match suggest(name, self.columns()) {
            Some(near) => error.with_hint(format!("did you mean '{near}'?")),
            None => error.with_hint(format!("the columns are {}", self.columns().join(", "))),
        })
    }

    /// Orders the rows; those with equal keys keep their order.
    ///
    /// # Errors
    /// Where a key does not bind.
    pub fn sort_values<K: Into<SortKey>>(&self, keys: impl IntoIterator<Item = K>) -> Result<Self> {
        let keys: Vec<SortKey> = keys.into_iter().map(Into::into).collect();
        Ok(self.with(self.builder.clone().sort(&keys)?))
    }

    /// [`sort_values`](Self::sort_values) by its name in Polars.
    ///
    /// # Errors
    /// As [`sort_values`](Self::sort_values).
    pub fn sort<K: Into<SortKey>>(&self, keys: impl IntoIterator<Item = K>) -> Result<Self> {
        self.sort_values(keys)
    }

    /// The first rows.
    #[must_use]
    pub fn limit(&self, rows: usize) -> Self {
        self.slice(0, Some(rows))
    }

    /// Skips rows, then keeps at most `rows` of those that follow.
    #[must_use]
    pub fn slice(&self, skip: usize, rows: Option<usize>) -> Self {
        self.with(self.builder.clone().limit(skip, rows))
    }

    /// Each distinct row once. [`drop_duplicates_on`](Self::drop_duplicates_on) compares some of the columns.
    #[must_use]
    pub fn drop_duplicates(&self) -> Self {
        self.with(self.builder.clone().distinct())
    }

    /// [`drop_duplicates`](Self::drop_duplicates) by its name in Polars.
    #[must_use]
    pub fn unique(&self) -> Self {
        self.drop_duplicates()
    }

    /// The rows with the items of lists in the place of lists, which a row has for each item. A row whose list is empty or null
    /// stays, with null, as in pandas and Polars. Several columns are exploded side by side; where the lists of a
    /// row differ in length, the shorter ones are null behind their end. A column of lists of structs means all of its fields.
    ///
    /// ```
    /// # use highwater::prelude::*;
    /// # let session = Session::new(Config::default())?;
    /// let posts = session.sql("SELECT * FROM (VALUES (1, ['rust', 'arrow']), (2, NULL)) AS posts(id, tags)")?;
    /// assert_eq!(posts.explode(&["tags"])?.compute()?.num_rows(), 3);
    /// # Ok::<(), highwater::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where a column is not there or is no list.
    pub fn explode(&self, columns: &[&str]) -> Result<Self> {
        Ok(self.with(self.builder.clone().explode(columns)?))
    }

    /// The rows of this frame, then those of the other: columns by position.
    ///
    /// # Errors
    /// Where the columns have no types in common.
    pub fn concat(&self, other: &Self) -> Result<Self> {
        Ok(self.with(self.builder.clone().union_all(other.builder.clone())?))
    }

    /// Groups the rows by keys; [`GroupBy::agg`] says what of each group.
    pub fn groupby<E: Into<Expr>>(&self, keys: impl IntoIterator<Item = E>) -> GroupBy {
        GroupBy::new(self.clone(), keys.into_iter().map(Into::into).collect())
    }

    /// [`groupby`](Self::groupby) by its name in Polars.
    pub fn group_by<E: Into<Expr>>(&self, keys: impl IntoIterator<Item = E>) -> GroupBy {
        self.groupby(keys)
    }

    /// Subtotals by these keys: [`GroupBy::rollup`] without further keys.
    pub fn rollup<E: Into<Expr>>(&self, keys: impl IntoIterator<Item = E>) -> GroupBy {
        GroupBy::new(self.clone(), Vec::new()).rollup(keys)
    }

    /// Groups by each combination of these keys: [`GroupBy::cube`] without further keys.
    pub fn cube<E: Into<Expr>>(&self, keys: impl IntoIterator<Item = E>) -> GroupBy {
        GroupBy::new(self.clone(), Vec::new()).cube(keys)
    }

    /// Groups by each of these sets of keys: [`GroupBy::grouping_sets`] without further keys.
    pub fn grouping_sets<E: Into<Expr>, S: IntoIterator<Item = E>>(
        &self,
        sets: impl IntoIterator<Item = S>,
    ) -> GroupBy {
        GroupBy::new(self.clone(), Vec::new()).grouping_sets(sets)
    }

    /// Groups the rows by buckets of time: `resample("1h").on("timestamp").mean(&["x"])`. The rule is a [`Rule`] or its text in
    /// pandas' spelling: `15min`, `1D`, `W-MON`, `2ME`, `QS`.
    pub fn resample<R: TryInto<Rule>>(&self, rule: R) -> Resample
    where
        Error: From<R::Error>,
    {
        Resample::new(self.clone(), rule.try_into().map_err(Error::from))
    }
}

#[cfg(test)]
mod tests {
    use arrow::array::ArrayRef;

    use super::*;
    use crate::config::Config;
    use crate::types::temporal::format_value;

    fn shown(frame: &DataFrame) -> Vec<String> {
        let batch = frame.compute().unwrap();
        let cell = |column: &ArrayRef, row| format_value(column, row).unwrap_or_else(|| "~".into());
        let line = |row| batch.columns().iter().map(|column| cell(column, row)).collect::<Vec<_>>().join("|");
        (0..batch.num_rows()).map(line).collect()
    }

    #[test]
    fn exploding_keeps_rows_without_items_and_the_columns_in_their_places() {
        let session = Session::new(Config::default()).unwrap();
        let nested = session.read_parquet("tests/data/nested/pyarrow.parquet").unwrap();
        let tags = nested.select(["tags", "id"]).unwrap();
        assert_eq!(shown(&tags.explode(&["tags"]).unwrap()), ["x|1", "y|1", "~|2", "~|3", "~|4", "y|5", "z|5", "y|5"]);
        assert_eq!(shown(&tags.explode(&["TAGS"]).unwrap().limit(4)), ["x|1", "y|1", "~|2", "~|3"]);
        // A list of structs by one name, and beside a list of another length.
        let items = nested.select(["items.sku", "id", "tags", "items.qty"]).unwrap();
        let exploded = items.filter(col("id").gt(crate::expr::lit(3))).unwrap().explode(&["items", "tags"]).unwrap();
        assert_eq!(exploded.columns(), ["items.sku", "id", "tags", "items.qty"]);
        assert_eq!(shown(&exploded), ["~|4|~|~", "~|4|~|5", "a|5|y|3", "c|5|z|1", "a|5|y|4"]);
        let whole =
            nested.drop(&["items", "stock", "place.geo", "prices"]).unwrap().rename(&[("place", "at")]).unwrap();
        assert_eq!(whole.columns(), ["id", "at.city", "tags"]);
        assert_eq!(nested.select(["prices", "id"]).unwrap().columns(), ["prices.key", "prices.value", "id"]);
        let error = nested.explode(&["id"]).unwrap_err().to_string();
        assert!(error.contains("unnest takes a list, but id is BIGINT"), "{error}");
        assert!(nested.explode(&["itms"]).is_err());
        assert!(nested.explode(&[]).is_err());
    }
}
