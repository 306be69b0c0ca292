//! GROUP BY of the API.

use super::DataFrame;
use crate::error::Result;
use crate::expr::{Expr, col};
use crate::plan::Select;

/// Rows grouped by keys.
#[derive(Clone, Debug)]
pub struct GroupBy {
    frame: DataFrame,
    keys: Vec<Expr>,
}

impl GroupBy {
    pub(super) fn new(frame: DataFrame, keys: Vec<Expr>) -> Self {
        Self { frame, keys }
    }

    /// One row a group: the keys, then these aggregates.
    ///
    /// # Errors
    /// Where an expression does not bind.
    pub fn agg(&self, aggregates: impl IntoIterator<Item = Expr>) -> Result<DataFrame> {
        let projection = self.keys.iter().cloned().chain(aggregates).collect();
        let group_by = self.keys.iter().map(|key| match key {
            Expr::Alias(inner, _) => (**inner).clone(),
            key => key.clone(),
        });
        self.frame.select_with(&Select { projection, group_by: group_by.collect(), ..Select::default() })
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
