//! Figures of every column: SUMMARIZE, one row a column, and `describe`, one row a figure. Both are one aggregation
//! of all rows to one, in one pass and little memory, and an expansion of that row.
//!
//! Quantiles and numbers of different values are sketched (`approx_quantile`, `approx_count_distinct`), since exact
//! ones hold all values; no quantile is beyond the least or greatest value. Which figures a column has is what
//! aggregates there are for its type.

use super::{Expand, PlanBuilder, Select, resolve};
use crate::error::{Error, Result};
use crate::expr::{Expr, col, count_all, lit, when};
use crate::functions::aggregate;
use crate::types::{DataType, Scalar, TEXT, is_numeric, sql_name};

/// What the columns of a table are called while figures are made of them: names may be there twice.
const PREFIX: &str = "column";

impl PlanBuilder {
    /// A row for each column: SUMMARIZE. The columns are DuckDB's, and `null_count`.
    ///
    /// # Errors
    /// An SQL error where there are no columns.
    pub fn summarize(self) -> Result<Self> {
        let (figures, rows) = Figures::of(self)?;
        let names = ["column_name", "column_type", "min", "max", "approx_unique", "avg", "std", "q25", "q50", "q75"];
        let names = names.into_iter().chain(["count", "null_percentage", "null_count"]);
        let row = |column: &Figures| {
            let text = |figure| column.value(figure).cast(TEXT);
            let number = |figure| column.value(figure).cast(DataType::Float64);
            let percentage = column.null_count().cast(DataType::Float64) * lit(100.0) / rows_counted();
            let percentage = when(rows_counted().gt(lit(0_i64)), percentage).otherwise(null(&DataType::Float64));
            vec![
                lit(column.name.as_str()),
                lit(sql_name(&column.data_type).as_str()),
                text(Figure::Min),
                text(Figure::Max),
                column.value(Figure::Unique).cast(DataType::Int64),
                number(Figure::Mean),
                number(Figure::Std),
                text(Figure::Quantile(25)),
                text(Figure::Quantile(50)),
                text(Figure::Quantile(75)),
                rows_counted(),
                percentage.cast(DataType::Decimal128(9, 2)),
                column.null_count(),
            ]
        };
        rows.expand(names.map(String::from), figures.iter().map(row))
    }

    /// A row for each figure, and a column for each column under its name: numbers for columns of numbers, otherwise
    /// texts.
    ///
    /// # Errors
    /// An SQL error where there are no columns.
    pub fn describe(self) -> Result<Self> {
        let (figures, rows) = Figures::of(self)?;
        let names = std::iter::once("statistic").chain(figures.iter().map(|column| column.name.as_str()));
        let names: Vec<String> = names.map(String::from).collect();
        let row = |(name, figure): (&str, Option<Figure>)| {
            let value = |column: &Figures| {
                let value = figure.map_or_else(|| column.null_count(), |figure| column.value(figure));
                value.cast(if is_numeric(&column.data_type) { DataType::Float64 } else { TEXT })
            };
            std::iter::once(lit(name)).chain(figures.iter().map(value)).collect()
        };
        let statistics = [
            ("count", Some(Figure::Count)),
            ("null_count", None),
            ("n_unique", Some(Figure::Unique)),
            ("mean", Some(Figure::Mean)),
            ("std", Some(Figure::Std)),
            ("min", Some(Figure::Min)),
            ("25%", Some(Figure::Quantile(25))),
            ("50%", Some(Figure::Quantile(50))),
            ("75%", Some(Figure::Quantile(75))),
            ("max", Some(Figure::Max)),
        ];
        rows.expand(names, statistics.into_iter().map(row))
    }

    /// Each row once for each list of expressions, all of the same types.
    fn expand(
        self,
        names: impl IntoIterator<Item = String>,
        rows: impl IntoIterator<Item = Vec<Expr>>,
    ) -> Result<Self> {
        let bind = |exprs: Vec<Expr>| exprs.iter().map(|expr| resolve(expr, &self.scope)).collect();
        let projections = rows.into_iter().map(bind).collect::<Result<Vec<Vec<_>>>>()?;
        let types = projections.first().into_iter().flatten().map(|expr| expr.data_type());
        let columns: Vec<(String, DataType)> = names.into_iter().zip(types).collect();
        Ok(Self::from_plan(Expand::plan(self.plan, columns, projections)))
    }
}

/// A figure of a column.
#[derive(Clone, Copy, Debug, PartialEq)]
enum Figure {
    /// How many values are not null.
    Count,
    Unique,
    Min,
    Max,
    Mean,
    Std,
    /// At so many hundredths of the sorted values.
    Quantile(u8),
}

const FIGURES: [Figure; 9] = [
    Figure::Count,
    Figure::Unique,
    Figure::Min,
    Figure::Max,
    Figure::Mean,
    Figure::Std,
    Figure::Quantile(25),
    Figure::Quantile(50),
    Figure::Quantile(75),
];

impl Figure {
    fn function(self) -> &'static str {
        match self {
            Self::Count => "count",
            Self::Unique => "approx_count_distinct",
            Self::Min => "min",
            Self::Max => "max",
            Self::Mean => "avg",
            Self::Std => "stddev_samp",
            Self::Quantile(_) => "approx_quantile",
        }
    }

    /// Whether columns of a type have it.
    fn exists(self, data_type: &DataType) -> bool {
        let mut types = vec![data_type.clone()];
        match self {
            // There are means of intervals, but their column is one of numbers.
            Self::Mean | Self::Std if !is_numeric(data_type) => return false,
            Self::Quantile(_) if *data_type == DataType::Null => return false,
            Self::Quantile(_) => types.push(DataType::Float64),
            _ => {}
        }
        aggregate::lookup(self.function()).is_some_and(|function| (function.resolve)(&types).is_ok())
    }

    /// The aggregate that it is.
    fn aggregate(self, column: &str, data_type: &DataType) -> Expr {
        let mut args = vec![match (self, data_type) {
            // The mean of large decimals may be no decimal; the figure is a number anyway.
            (Self::Mean, DataType::Decimal128(_, _)) => col(column).cast(DataType::Float64),
            _ => col(column),
        }];
        if let Self::Quantile(hundredths) = self {
            args.push(lit(f64::from(hundredths) / 100.0));
        }
        Expr::call(self.function(), args)
    }
}

/// The figures of one column, as columns of one row.
struct Figures {
    name: String,
    data_type: DataType,
    /// What the column's figures are called begins so.
    id: String,
}

impl Figures {
    /// The figures of all columns, and the row that they are in.
    fn of(builder: PlanBuilder) -> Result<(Vec<Self>, PlanBuilder)> {
        let fields = builder.plan.schema().fields();
        if fields.is_empty() {
            return Err(Error::sql("there are no columns to summarize"));
        }
        let figures = fields.iter().enumerate().map(|(index, field)| Self {
            name: field.name().clone(),
            data_type: field.data_type().clone(),
            id: format!("{PREFIX}{index}"),
        });
        let figures: Vec<Self> = figures.collect();
        let ids: Vec<String> = figures.iter().map(|column| column.id.clone()).collect();
        let aggregates = figures.iter().flat_map(|column| {
            let existing = FIGURES.into_iter().filter(|figure| figure.exists(&column.data_type));
            existing.map(|figure| figure.aggregate(&column.id, &column.data_type).alias(column.figure_name(figure)))
        });
        let projection = std::iter::once(count_all().alias(ROWS)).chain(aggregates).collect();
        let rows = builder.alias(PREFIX, &ids)?.select(&Select { projection, ..Select::default() })?;
        Ok((figures, rows))
    }

    fn figure_name(&self, figure: Figure) -> String {
        format!("{} {figure:?}", self.id)
    }

    /// A figure, null where the type has it not.
    fn value(&self, figure: Figure) -> Expr {
        let value = |figure| col(self.figure_name(figure));
        match figure {
            figure if !figure.exists(&self.data_type) => null(&TEXT),
            // A sketch may be off; and what is beyond the greatest value may be beyond the type too.
            Figure::Quantile(_) => {
                let (least, greatest) = (value(Figure::Min), value(Figure::Max));
                let number = |expr: Expr| if is_numeric(&self.data_type) { expr.cast(DataType::Float64) } else { expr };
                when(value(figure).gt_eq(number(greatest.clone())), greatest)
                    .when(value(figure).lt_eq(number(least.clone())), least)
                    .otherwise(value(figure).cast(self.data_type.clone()))
            }
            figure => value(figure),
        }
    }

    fn null_count(&self) -> Expr {
        rows_counted() - col(self.figure_name(Figure::Count))
    }
}

/// How many rows there are.
const ROWS: &str = "rows";

fn rows_counted() -> Expr {
    col(ROWS)
}

fn null(data_type: &DataType) -> Expr {
    Expr::Literal(Scalar::null(data_type))
}
