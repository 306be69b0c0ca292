//! What a frame holds, in few rows: counts of values, the largest and smallest rows, quantiles.

use super::DataFrame;
use super::group_by::of_columns;
use crate::error::{Error, Result};
use crate::expr::{Expr, SortKey, col, count_all, lit};
use crate::plan::Select;

/// Which of several rows that are the same in some columns is kept.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Keep {
    /// The one that comes first in the order of the frame.
    #[default]
    First,
    /// The one that comes last.
    Last,
    /// None of them: only rows without another that is the same.
    Neither,
}

impl DataFrame {
    /// Figures of every column, one row each: `count`, `null_count`, `n_unique`, `mean`, `std`, `min`, `25%`, `50%`,
    /// `75%`, `max`. The first column, `statistic`, names them. Columns of numbers become numbers, the others texts, and
    /// what a type does not have is null. SUMMARIZE of SQL shows the same with one row a column.
    ///
    /// It is one pass in little memory: quantiles are those of `approx_quantile`, at most 0.4 % off, and `n_unique` is
    /// that of `approx_count_distinct`. [`quantile`](Self::quantile) and [`nunique`](Self::nunique) are exact.
    ///
    /// ```
    /// use highwater::prelude::*;
    /// let session = Session::new(Config::default())?;
    /// let planes = session.read_csv("data/planes.csv", CsvOptions::default())?;
    /// assert_eq!(planes.select(["seats", "engine"])?.describe()?.compute()?.num_rows(), 10);
    /// # Ok::<(), highwater::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where the frame has no columns.
    pub fn describe(&self) -> Result<Self> {
        Ok(self.with(self.builder.clone().describe()?))
    }

    /// Of rows that are the same in these columns, nulls among them, one; which one follows from the order of the frame,
    /// however the rows are read. The order of the result is not that of the frame.
    ///
    /// ```
    /// use highwater::prelude::*;
    /// let session = Session::new(Config::default())?;
    /// let flights = session.read_csv("data/flights/*.csv", CsvOptions::default())?;
    /// let first_flights = flights.drop_duplicates_on(&["tailnum"], Keep::First)?;
    /// assert_eq!(first_flights.columns(), flights.columns());
    /// # Ok::<(), highwater::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where there is no column of a name, or no column is named.
    pub fn drop_duplicates_on(&self, columns: &[&str], keep: Keep) -> Result<Self> {
        self.check_columns("drop_duplicates_on", columns)?;
        let one: fn(Expr) -> Expr = if keep == Keep::Last { Expr::last } else { Expr::first };
        let value = |name: &str| if columns.contains(&name) { col(name) } else { one(col(name)).alias(name) };
        let projection = self.columns().into_iter().map(value).collect();
        let group_by = columns.iter().map(|name| col(*name)).collect();
        let having = (keep == Keep::Neither).then(|| count_all().eq(lit(1_i64)));
        self.select_with(&Select { projection, group_by, having, ..Select::default() })
    }

    /// [`drop_duplicates_on`](Self::drop_duplicates_on) under the name that Polars has for it.
    ///
    /// # Errors
    /// As [`drop_duplicates_on`](Self::drop_duplicates_on).
    pub fn unique_on(&self, columns: &[&str], keep: Keep) -> Result<Self> {
        self.drop_duplicates_on(columns, keep)
    }

    /// How often each combination of values of these columns occurs, nulls among them: the columns, then `count`. The most
    /// frequent come first, those as frequent as others in the order of the values.
    ///
    /// ```
    /// use highwater::prelude::*;
    /// let session = Session::new(Config::default())?;
    /// let planes = session.read_csv("data/planes.csv", CsvOptions::default())?;
    /// let engines = planes.value_counts(&["engine"])?.head(2)?;
    /// assert_eq!(engines.num_rows(), 2);
    /// # Ok::<(), highwater::error::Error>(())
    /// ```
    ///
    /// # Errors
    /// Where there is no column of a name, no column is named, or one is named `count`.
    pub fn value_counts(&self, columns: &[&str]) -> Result<Self> {
        self.check_columns("value_counts", columns)?;
        if columns.contains(&"count") {
            return Err(Error::sql("value_counts names its result 'count', as is one of the columns")
                .with_hint("rename the column before: rename(&[(\"count\", \"n\")])"));
        }
        let order = std::iter::once(col("count").desc()).chain(columns.iter().map(|name| col(*name).asc()));
        self.groupby(columns.iter().copied()).size()?.sort_values(order)
    }

    /// How many different values each column has, not counting null: one row, under the columns' own names.
    ///
    /// # Errors
    /// Where a column is of a type without equality.
    pub fn nunique(&self) -> Result<Self> {
        self.select(of_columns(&self.columns(), Expr::n_unique))
    }

    /// The rows with the largest values of these columns, the largest first; of equal rows those that come first. No
    /// more than so many rows are held at once.
    ///
    /// # Errors
    /// Where there is no column of a name, or no column is named.
    pub fn nlargest(&self, rows: usize, columns: &[&str]) -> Result<Self> {
        self.check_columns("nlargest", columns)?;
        // A null is no large value.
        let keys: Vec<SortKey> = columns.iter().map(|name| col(*name).desc().nulls_last()).collect();
        Ok(self.sort_values(keys)?.limit(rows))
    }

    /// The rows with the smallest values of these columns, the smallest first; of equal rows those that come first.
    ///
    /// # Errors
    /// Where there is no column of a name, or no column is named.
    pub fn nsmallest(&self, rows: usize, columns: &[&str]) -> Result<Self> {
        self.check_columns("nsmallest", columns)?;
        let keys: Vec<SortKey> = columns.iter().map(|name| col(*name).asc().nulls_last()).collect();
        Ok(self.sort_values(keys)?.limit(rows))
    }

    /// The value at a fraction (0 to 1) of the sorted values of each column, interpolated linearly: one row, under the
    /// columns' own names.
    ///
    /// # Errors
    /// Where there is no column of a name, no column is named, one is no number, or the fraction is not from 0 to 1.
    pub fn quantile(&self, fraction: f64, columns: &[&str]) -> Result<Self> {
        self.check_columns("quantile", columns)?;
        self.select(columns.iter().map(|name| col(*name).quantile(fraction).alias(*name)))
    }

    fn check_columns(&self, method: &str, names: &[&str]) -> Result<()> {
        if names.is_empty() {
            return Err(Error::sql(format!("{method} needs a column"))
                .with_hint(format!("the columns are {}", self.columns().join(", "))));
        }
        names.iter().try_for_each(|name| self.check_column(name))
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use arrow::array::RecordBatch;

    use super::Keep;
    use crate::config::Config;
    use crate::dataframe::DataFrame;
    use crate::expr::col;
    use crate::io::csv::CsvOptions;
    use crate::session::Session;
    use crate::types::temporal::format_value;

    fn frame(text: &str) -> (DataFrame, tempfile::TempDir) {
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f.csv");
        fs::write(&file, text).unwrap();
        let session = Session::new(Config::default()).unwrap();
        (session.read_csv(file.to_str().unwrap(), CsvOptions::default()).unwrap(), folder)
    }

    fn rows(batch: &RecordBatch) -> Vec<String> {
        let cell = |column: &arrow::array::ArrayRef, row| format_value(column, row).unwrap_or_else(|| "~".into());
        let line = |row| batch.columns().iter().map(|column| cell(column, row)).collect::<Vec<_>>().join("|");
        (0..batch.num_rows()).map(line).collect()
    }

    const TEXT: &str = "k,x\na,1\nb,5\n,3\nb,\na,5\nc,2\n";

    #[test]
    fn values_are_counted_most_frequent_first() {
        let (frame, _folder) = frame(TEXT);
        let counts = frame.value_counts(&["k"]).unwrap();
        assert_eq!(counts.columns(), ["k", "count"]);
        assert_eq!(rows(&counts.compute().unwrap()), ["a|2", "b|2", "c|1", "~|1"]);
        assert_eq!(rows(&frame.value_counts(&["x", "k"]).unwrap().head(1).unwrap()), ["1|a|1"]);
        let error = frame.rename(&[("k", "count")]).unwrap().value_counts(&["count"]).unwrap_err();
        assert!(error.to_string().contains("rename the column before"), "{error}");
        assert!(frame.value_counts(&[]).unwrap_err().to_string().contains("the columns are k, x"));
    }

    #[test]
    fn different_values_are_counted_without_null() {
        let (frame, _folder) = frame(TEXT);
        assert_eq!(rows(&frame.nunique().unwrap().compute().unwrap()), ["3|4"]);
    }

    #[test]
    fn the_largest_and_smallest_rows_have_no_null_before_values() {
        let (frame, _folder) = frame(TEXT);
        let shown = |frame: DataFrame| rows(&frame.compute().unwrap());
        assert_eq!(shown(frame.nlargest(3, &["x"]).unwrap()), ["b|5", "a|5", "~|3"]);
        assert_eq!(shown(frame.nlargest(9, &["x", "k"]).unwrap())[..2], ["b|5", "a|5"]);
        assert_eq!(shown(frame.nsmallest(2, &["x"]).unwrap()), ["a|1", "c|2"]);
        assert_eq!(shown(frame.nsmallest(9, &["x"]).unwrap()).last().unwrap(), "b|~");
        let error = frame.nlargest(1, &["y"]).unwrap_err();
        assert!(error.to_string().contains("there is no column 'y'"), "{error}");
    }

    #[test]
    fn one_of_the_rows_that_are_the_same_is_kept() {
        let (frame, _folder) = frame("k,x,y\na,,1\nb,5,2\n,3,3\nb,,4\na,5,5\nc,2,6\n,1,7\n");
        let shown = |columns: &[&str], keep| {
            let frame = frame.drop_duplicates_on(columns, keep).unwrap().sort_values(["y"]).unwrap();
            rows(&frame.compute().unwrap())
        };
        assert_eq!(shown(&["k"], Keep::First), ["a|~|1", "b|5|2", "~|3|3", "c|2|6"], "nulls are values too");
        assert_eq!(shown(&["k"], Keep::Last), ["b|~|4", "a|5|5", "c|2|6", "~|1|7"]);
        assert_eq!(shown(&["k"], Keep::Neither), ["c|2|6"]);
        assert_eq!(shown(&["x", "k"], Keep::First).len(), 7);
        let error = frame.unique_on(&["z"], Keep::First).unwrap_err();
        assert!(error.to_string().contains("there is no column 'z'"), "{error}");
        assert!(frame.unique_on(&[], Keep::First).is_err());
    }

    #[test]
    fn the_first_row_is_the_same_however_the_rows_are_read() {
        let text: String = (0..5000).map(|row| format!("{},{row}\n", row * 7919 % 1000)).collect();
        let folder = tempfile::tempdir().unwrap();
        let file = folder.path().join("f.csv");
        fs::write(&file, format!("k,row\n{text}")).unwrap();
        for (threads, batch_size, partition_bytes) in [(1, 1000, 1 << 20), (3, 7, 500), (2, 64, 5000)] {
            let config = Config { threads, batch_size, partition_bytes, ..Config::default() };
            let session = Session::new(config).unwrap();
            let frame = session.read_csv(file.to_str().unwrap(), CsvOptions::default()).unwrap();
            let first = frame.drop_duplicates_on(&["k"], Keep::First).unwrap().select([col("row").max()]).unwrap();
            assert_eq!(rows(&first.compute().unwrap()), ["999"]);
            let last = frame.drop_duplicates_on(&["k"], Keep::Last).unwrap().select([col("row").min()]).unwrap();
            assert_eq!(rows(&last.compute().unwrap()), ["4000"]);
        }
    }

    #[test]
    fn a_frame_is_described_with_one_row_a_figure() {
        let (frame, _folder) = frame(
            "n,d,s,day,flag\n1,0.5,a,2024-01-01,true\n2,1.5,,2024-01-02,false\n4,,bb,2024-01-09,\n,2.5,a,,true\n",
        );
        let described = frame.describe().unwrap();
        assert_eq!(described.columns(), ["statistic", "n", "d", "s", "day", "flag"]);
        let expected = [
            "count|3.0|3.0|3|3|3",
            "null_count|1.0|1.0|1|1|1",
            "n_unique|3.0|3.0|2|3|2",
            "mean|2.3333333333333335|1.5|~|~|~",
            "std|1.5275252316519468|1.0|~|~|~",
            "min|1.0|0.5|a|2024-01-01|false",
            "25%|1.0|0.5|~|2024-01-01|~",
            "50%|2.0|1.5|~|2024-01-02|~",
            "75%|2.0|1.5|~|2024-01-02|~",
            "max|4.0|2.5|bb|2024-01-09|true",
        ];
        assert_eq!(rows(&described.compute().unwrap()), expected);
    }

    #[test]
    fn sets_of_keys_are_grouped_at_once() {
        let (frame, _folder) = frame("a,b,x\n1,p,10\n1,q,20\n2,p,30\n2,,40\n");
        let sums = |grouped: super::super::GroupBy| {
            let frame = grouped.agg([col("x").sum().alias("x")]).unwrap();
            let keys = frame.columns().into_iter().map(|name| col(name).asc()).collect::<Vec<_>>();
            rows(&frame.sort_values(keys).unwrap().compute().unwrap())
        };
        let rollup = ["1|p|10", "1|q|20", "1|~|30", "2|p|30", "2|~|40", "2|~|70", "~|~|100"];
        assert_eq!(sums(frame.rollup(["a", "b"])), rollup);
        assert_eq!(sums(frame.groupby(["a"]).rollup(["b"])), rollup[..6]);
        assert_eq!(sums(frame.cube(["a"])), ["1|30", "2|70", "~|100"]);
        assert_eq!(
            sums(frame.grouping_sets([vec!["a"], vec![], vec!["a"]])),
            ["1|30", "1|30", "2|70", "2|70", "~|100"]
        );
        let renamed = frame.groupby([col("b").alias("k")]).cube([col("a").alias("l")]);
        assert_eq!(renamed.size().unwrap().columns(), ["k", "l", "count"]);
        let lacks = crate::expr::function("grouping", [col("a"), col("b")]).alias("lacks");
        let lacking = frame.rollup(["a", "b"]).agg([lacks]).unwrap().select([col("lacks").sum()]).unwrap();
        assert_eq!(rows(&lacking.compute().unwrap()), ["5"]);
    }

    #[test]
    fn quantiles_stand_under_the_names_of_their_columns() {
        let (frame, _folder) = frame(TEXT);
        let quantiles = frame.quantile(0.25, &["x"]).unwrap();
        assert_eq!(quantiles.columns(), ["x"]);
        assert_eq!(rows(&quantiles.compute().unwrap()), ["2.0"]);
        assert!(frame.quantile(1.5, &["x"]).and_then(|quantiles| quantiles.compute()).is_err());
    }
}
