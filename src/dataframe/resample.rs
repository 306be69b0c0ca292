//! Resampling: grouping by buckets of time.

use super::DataFrame;
use super::group_by::column_aggregates;
use crate::error::{Error, Result};
use crate::expr::{Expr, SortKey, col};
use crate::plan::Select;
use crate::types::Scalar;
use crate::types::interval::parse_rule;

/// Rows grouped by buckets of time, and by further keys. The result has the start of the bucket under the name of the time
/// column, then the keys, then the aggregates, in this order of time and keys. Buckets without rows are left out.
#[derive(Clone, Debug)]
pub struct Resample {
    frame: DataFrame,
    rule: String,
    on: Option<String>,
    by: Vec<Expr>,
}

impl Resample {
    pub(super) fn new(frame: DataFrame, rule: &str) -> Self {
        Self { frame, rule: rule.to_string(), on: None, by: Vec::new() }
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

    /// One row for each bucket and key.
    ///
    /// # Errors
    /// Where the rule is none, there is no time column, or an expression does not bind.
    pub fn agg(&self, aggregates: impl IntoIterator<Item = Expr>) -> Result<DataFrame> {
        let width = Expr::Literal(Scalar::interval(parse_rule(&self.rule)?));
        let on = self.time_column()?;
        let bucket = Expr::call("time_bucket", vec![width, col(&on)]);
        let keys: Vec<Expr> = std::iter::once(bucket.clone().alias(&on)).chain(self.by.iter().cloned()).collect();
        let projection = keys.iter().cloned().chain(aggregates).collect();
        let group_by: Vec<Expr> = std::iter::once(bucket).chain(self.by.iter().cloned()).collect();
        let frame = self.frame.select_with(&Select { projection, group_by, ..Select::default() })?;
        frame.sort_values(keys.iter().map(|key| SortKey::from(col(key.output_name()))))
    }

    fn time_column(&self) -> Result<String> {
        if let Some(on) = &self.on {
            return Ok(on.clone());
        }
        let is_time = |data_type: &crate::types::DataType| {
            crate::types::is_timestamp(data_type) || *data_type == crate::types::DataType::Date32
        };
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

column_aggregates!(Resample);
