//! VALUES: constant rows, computed while binding.

use std::sync::Arc;

use arrow::array::{Array, ArrayRef, RecordBatch};
use arrow::datatypes::{Field, Schema};
use sqlparser::ast;

use super::bind::Binder;
use super::expression::Converter;
use super::span::{at, not_yet, span, span_of, spanned};
use crate::config::Config;
use crate::error::{Error, Result, Span};
use crate::eval::Evaluator;
use crate::expr::Expr;
use crate::functions::scalar::Value;
use crate::plan::{LogicalPlan, PlanBuilder, Scope, Values, resolve};
use crate::types::coercion::common_type;
use crate::types::{DataType, Scalar, TEXT, sql_name};

/// A constant of a row.
struct Cell {
    value: Scalar,
    /// A text in quotes takes the type of the others in its column, as in PostgreSQL.
    is_text_literal: bool,
    place: Option<Span>,
}

impl Binder<'_> {
    /// The rows of VALUES; the columns are called `column1`, `column2`, … as in PostgreSQL. For INSERT they have the types
    /// of the table's columns, others the type that their values meet in.
    pub(super) fn values(&self, values: &ast::Values, wanted: Option<&[DataType]>) -> Result<PlanBuilder> {
        let ast::Values { explicit_row, value_keyword: _, rows } = values;
        let first = rows.first().ok_or_else(|| Error::sql("VALUES has no rows"))?;
        if *explicit_row {
            return Err(not_yet("VALUES ROW (…) is", span(first.opening_token.0.span)));
        }
        let constants = Constants::new(self.config)?;
        let mut columns: Vec<Vec<Cell>> = first.content.iter().map(|_| Vec::with_capacity(rows.len())).collect();
        for row in rows {
            let place = span(row.opening_token.0.span);
            if row.content.len() != columns.len() {
                let message = format!("the rows of VALUES have {} and {} values", columns.len(), row.content.len());
                return Err(at(Error::sql(message), place));
            }
            let mut converter = Converter::new(self.config, self.now);
            for (column, expr) in columns.iter_mut().zip(&row.content) {
                column.push(constants.cell(converter.expr(expr)?)?);
            }
        }
        let columns = columns.into_iter().enumerate().map(|(index, cells)| {
            let wanted = wanted.and_then(|wanted| wanted.get(index)).cloned();
            let to = wanted.map_or_else(|| common(&cells), Ok)?;
            constants.column(cells, &to)
        });
        let arrays = columns.collect::<Result<Vec<_>>>()?;
        let named =
            arrays.iter().zip(1..).map(|(array, n)| Field::new(format!("column{n}"), array.data_type().clone(), true));
        let schema = Arc::new(Schema::new(named.collect::<Vec<_>>()));
        Ok(PlanBuilder::from_plan(Values::plan(RecordBatch::try_new(schema, arrays)?)))
    }
}

/// Computes constants.
struct Constants {
    config: Arc<Config>,
    scope: Scope,
    one_row: RecordBatch,
}

impl Constants {
    fn new(config: &Config) -> Result<Self> {
        match Values::one_row() {
            LogicalPlan::Values(values) => {
                Ok(Self { config: Arc::new(config.clone()), scope: Scope::default(), one_row: values.batch })
            }
            _ => Err(Error::internal("one row is not a plan of values")),
        }
    }

    fn cell(&self, expr: Expr) -> Result<Cell> {
        let place = span_of(&expr);
        let is_text_literal = matches!(expr.unspanned(), Expr::Literal(value) if *value.data_type() == TEXT);
        Ok(Cell { value: self.compute(&expr)?, is_text_literal, place })
    }

    fn compute(&self, expr: &Expr) -> Result<Scalar> {
        if let Expr::Literal(value) = expr.unspanned() {
            return Ok(value.clone());
        }
        let bound = resolve(expr, &self.scope)?;
        let value = Evaluator::new(&bound, &self.config)?.evaluate(&self.one_row);
        match value.map_err(|error| at(error, span_of(expr)))? {
            Value::Scalar(value) => Ok(value),
            Value::Array(array) => Ok(Scalar::from_array(&array, 0)),
        }
    }

    /// A column of the cells, converted to its type.
    fn column(&self, cells: Vec<Cell>, to: &DataType) -> Result<ArrayRef> {
        let scalars = cells.into_iter().map(|cell| {
            if cell.value.data_type() == to {
                return Ok(cell.value);
            }
            if cell.value.is_null() {
                return Ok(Scalar::null(to));
            }
            self.compute(&spanned(Expr::Literal(cell.value), cell.place).cast(to.clone()))
        });
        let scalars = scalars.collect::<Result<Vec<_>>>()?;
        let arrays: Vec<&dyn Array> = scalars.iter().map(|scalar| scalar.as_array().as_ref()).collect();
        Ok(arrow::compute::concat(&arrays)?)
    }
}

/// The type that all cells of a column meet in.
fn common(cells: &[Cell]) -> Result<DataType> {
    let mut common = DataType::Null;
    for cell in cells.iter().filter(|cell| !cell.is_text_literal) {
        let own = cell.value.data_type();
        common = common_type(&common, own).ok_or_else(|| {
            let message = format!("VALUES has {} and {} in one column", sql_name(&common), sql_name(own));
            at(Error::sql(message), cell.place)
        })?;
    }
    let only_text = common == DataType::Null && cells.iter().any(|cell| cell.is_text_literal);
    Ok(if only_text { TEXT } else { common })
}
