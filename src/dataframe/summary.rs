//! What a frame holds, in few rows: counts of values, the largest and smallest rows, quantiles.

use super::DataFrame;
use super::group_by::of_columns;
use crate::error::{Error, Result};
use crate::expr::{Expr, SortKey, col};

impl DataFrame {
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

    use crate::config::Config;
    use crate::dataframe::DataFrame;
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
    fn quantiles_stand_under_the_names_of_their_columns() {
        let (frame, _folder) = frame(TEXT);
        let quantiles = frame.quantile(0.25, &["x"]).unwrap();
        assert_eq!(quantiles.columns(), ["x"]);
        assert_eq!(rows(&quantiles.compute().unwrap()), ["2.0"]);
        assert!(frame.quantile(1.5, &["x"]).and_then(|quantiles| quantiles.compute()).is_err());
    }
}
