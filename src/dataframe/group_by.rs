//! GROUP BY of the API.

use super::DataFrame;
use crate::error::Result;
use crate::expr::{Expr, col};
use crate::plan::{GroupItem, Grouping, Select};

/// Rows grouped by keys, or by several sets of keys at once.
#[derive(Clone, Debug)]
pub struct GroupBy {
    frame: DataFrame,
    /// As they are named in the result, each once.
    keys: Vec<Expr>,
    items: Vec<GroupItem>,
}

impl GroupBy {
    pub(super) fn new(frame: DataFrame, keys: Vec<Expr>) -> Self {
        let mut grouped = Self { frame, keys: Vec::new(), items: Vec::new() };
        let keys = grouped.add(keys);
        grouped.items.push(GroupItem::Keys(keys));
        grouped
    }

    /// Subtotals: groups by all of these keys, by all but the last, and so on to none, besides the keys so far. Keys
    /// that a row is not grouped by are null in it; `function("grouping", [col("key")])` tells them from nulls of the data.
    ///
    /// ```
    /// use highwater::prelude::*;
    /// let session = Session::new(Config::default())?;
    /// let flights = session.read_csv("data/flights/*.csv", CsvOptions::default())?;
    /// let totals = flights.rollup(["origin", "carrier"]).agg([count_all().alias("flights")])?;
    /// let by_origin = flights.groupby(["origin"]).rollup(["carrier"]).agg([count_all().alias("flights")])?;
    /// assert_eq!(totals.count_rows()?, by_origin.count_rows()? + 1);
    /// # Ok::<(), highwater::error::Error>(())
    /// ```
    #[must_use]
    pub fn rollup<E: Into<Expr>>(self, keys: impl IntoIterator<Item = E>) -> Self {
        self.with_item(keys, |keys| GroupItem::Rollup(keys.into_iter().map(|key| vec![key]).collect()))
    }

    /// Groups by each combination of these keys, also by none, besides the keys so far.
    #[must_use]
    pub fn cube<E: Into<Expr>>(self, keys: impl IntoIterator<Item = E>) -> Self {
        self.with_item(keys, |keys| GroupItem::Cube(keys.into_iter().map(|key| vec![key]).collect()))
    }

    /// Groups by each of these sets of keys, besides the keys so far; a set of no keys is that of all rows.
    #[must_use]
    pub fn grouping_sets<E: Into<Expr>, S: IntoIterator<Item = E>>(
        mut self,
        sets: impl IntoIterator<Item = S>,
    ) -> Self {
        let sets = sets.into_iter().map(|set| GroupItem::Keys(self.add(set))).collect();
        self.items.push(GroupItem::Sets(sets));
        self
    }

    fn with_item<E: Into<Expr>>(
        mut self,
        keys: impl IntoIterator<Item = E>,
        item: impl FnOnce(Vec<Expr>) -> GroupItem,
    ) -> Self {
        let keys = self.add(keys);
        self.items.push(item(keys));
        self
    }

    /// Adds keys to those of the result. What is grouped by are the same keys without their names.
    fn add<E: Into<Expr>>(&mut self, keys: impl IntoIterator<Item = E>) -> Vec<Expr> {
        let mut grouped_by = Vec::new();
        for key in keys {
            let key = key.into();
            grouped_by.push(match &key {
                Expr::Alias(inner, _) => (**inner).clone(),
                key => key.clone(),
            });
            if !self.keys.contains(&key) {
                self.keys.push(key);
            }
        }
        grouped_by
    }

    /// One row a group: the keys, then these aggregates.
    ///
    /// # Errors
    /// Where an expression does not bind.
    pub fn agg(&self, aggregates: impl IntoIterator<Item = Expr>) -> Result<DataFrame> {
        let projection = self.keys.iter().cloned().chain(aggregates).collect();
        let Grouping { keys, sets } = Grouping::of(self.items.clone())?;
        self.frame.select_with(&Select { projection, group_by: keys, grouping_sets: sets, ..Select::default() })
    }

    /// How many rows each group has, as the column `count`.
    ///
    /// # Errors
    /// Where a key does not bind.
    pub fn size(&self) -> Result<DataFrame> {
        self.agg([crate::expr::count_all().alias("count")])
    }
}

/// One aggregate of each named column under the column's own name.
pub(super) fn of_columns(columns: &[&str], aggregate: fn(Expr) -> Expr) -> Vec<Expr> {
    columns.iter().map(|name| aggregate(col(*name)).alias(*name)).collect()
}

/// Gives a grouping one method for each aggregate that is taken of columns under their own names.
macro_rules! column_aggregates {
    ($owner:ty) => {
        $crate::dataframe::group_by::column_aggregates! { $owner;
            /// The mean of each column, under its own name.
            mean;
            /// The sum of each column, under its own name.
            sum;
            /// The least value of each column, under its own name.
            min;
            /// The greatest value of each column, under its own name.
            max;
            /// How many values of each column are not null, under its own name.
            count;
            /// The sample standard deviation of each column, under its own name.
            std;
            /// The median of each column, under its own name.
            median;
            /// The first value of each column, under its own name.
            first;
            /// The last value of each column, under its own name.
            last;
        }
    };
    ($owner:ty; $($(#[$doc:meta])* $name:ident;)*) => {
        impl $owner {$(
            $(#[$doc])*
            ///
            /// # Errors
            /// Where a column is not there, or of a type without this aggregate.
            pub fn $name(&self, columns: &[&str]) -> $crate::error::Result<$crate::dataframe::DataFrame> {
                self.agg($crate::dataframe::group_by::of_columns(columns, $crate::expr::Expr::$name))
            }
        )*}
    };
}
pub(super) use column_aggregates;

column_aggregates!(GroupBy);

#[cfg(test)]
mod tests {
    use std::fs;

    use crate::config::Config;
    use crate::expr::col;
    use crate::io::csv::CsvOptions;
    use crate::session::Session;
    use crate::types::temporal::format_value;

    #[test]
    fn values_are_gathered_in_an_order_of_their_own() {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f.csv");
        fs::write(&file, "k,x,s\na,2,p\na,,q\nb,1,q\na,3,p\n").unwrap();
        let session = Session::new(Config::default()).unwrap();
        let frame = session.read_csv(file.to_str().unwrap(), CsvOptions::default()).unwrap();
        let aggregates = [
            col("x").array_agg().order_by([col("x").desc()]).alias("xs"),
            col("s").string_agg("+").order_by(["x", "s"]),
            col("s").array_agg().distinct(),
            col("s").last().order_by([col("x").asc().nulls_first()]),
        ];
        let result = frame.group_by([col("k")]).agg(aggregates).unwrap().sort(["k"]).unwrap().compute().unwrap();
        let shown = |row| result.columns().iter().map(|column| format_value(column, row).unwrap()).collect::<Vec<_>>();
        assert_eq!(shown(0), ["a", "[NULL, 3, 2]", "p+p+q", "[p, q]", "p"]);
        assert_eq!(shown(1), ["b", "[1]", "q", "[q]", "q"]);
        assert_eq!(result.schema().field(1).name(), "xs");
    }
}
