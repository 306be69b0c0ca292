//! Window: aggregates over the rows around each row.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::builder::sort_expr;
use super::coerce::cast_to;
use super::resolve::{Aggregates, resolve_with_aggregates};
use super::{LogicalPlan, NamedExpr, PlanBuilder, Project, Sort, resolve};
use crate::error::{Error, Result};
use crate::expr::{AggregateExpr, BoundExpr, Expr, Frame, SortExpr};
use crate::functions::aggregate::sliding::{SLIDING, sliding};
use crate::types::{Scalar, TIMESTAMP, is_timestamp, sql_name};

/// For each row the aggregates over the rows of its frame, which are of its partition. All columns of the input stay, in
/// front of them.
#[derive(Clone, Debug)]
pub struct Window {
    /// What the windows are over. With a partition or an order it is a sort by them; without, the order is that of the
    /// input.
    pub input: Box<LogicalPlan>,
    /// Rows where these are the same are a partition. Nulls are the same, and NaNs.
    pub partition_by: Vec<BoundExpr>,
    /// The order of rows in a partition; the key of frames that are told by one is the only one.
    pub order_by: Vec<SortExpr>,
    /// Which rows the aggregates are over.
    pub frame: Frame,
    /// With fewer values that are not null an aggregate is null; a count with fewer rows.
    pub min_periods: u64,
    /// The aggregates, without DISTINCT and FILTER, with the names of their columns.
    pub aggregates: Vec<(AggregateExpr, String)>,
    /// The input's columns, then the aggregates.
    pub schema: SchemaRef,
}

impl Window {
    /// The node over another input, which has the same columns or fewer, and with other aggregates.
    #[must_use]
    pub fn over(self, input: LogicalPlan, aggregates: Vec<(AggregateExpr, String)>) -> Self {
        let added = aggregates.iter().map(|(aggregate, name)| Field::new(name, aggregate.data_type.clone(), true));
        let fields: Vec<Field> =
            input.schema().fields().iter().map(|field| field.as_ref().clone()).chain(added).collect();
        Self { input: Box::new(input), aggregates, schema: Arc::new(Schema::new(fields)), ..self }
    }

    /// Whether rows are taken in the order of the input.
    pub fn is_in_input_order(&self) -> bool {
        self.partition_by.is_empty() && self.order_by.is_empty()
    }

    /// The timestamp that frames are told by, where they are.
    pub fn key(&self) -> Option<BoundExpr> {
        let key = self.order_by.first().filter(|_| self.frame.uses_key())?.expr.clone();
        Some(if is_timestamp(&key.data_type()) { key } else { cast_to(key, &TIMESTAMP) })
    }

    /// All expressions in it.
    pub fn exprs(&self) -> impl Iterator<Item = &BoundExpr> {
        let order = self.order_by.iter().map(|key| &key.expr);
        let aggregates = self.aggregates.iter().flat_map(|(aggregate, _)| aggregate.exprs());
        self.partition_by.iter().chain(order).chain(aggregates)
    }

    /// The node with each of its expressions replaced by `f` of it, which has the same type.
    #[must_use]
    pub fn map_exprs(self, f: &dyn Fn(BoundExpr) -> BoundExpr) -> Self {
        let order_by = self.order_by.into_iter().map(|key| SortExpr { expr: f(key.expr), ..key }).collect();
        let aggregates = self.aggregates.into_iter().map(|(aggregate, name)| (aggregate.map_exprs(f), name));
        let (partition_by, aggregates) = (self.partition_by.into_iter().map(f).collect(), aggregates.collect());
        Self { partition_by, order_by, aggregates, ..self }
    }
}

/// What [`PlanBuilder::window`] is to add.
#[derive(Clone, Debug)]
pub struct WindowSpec {
    /// Rows where these are the same are a partition.
    pub partition_by: Vec<Expr>,
    /// What rows are ordered by, ascending, null last.
    pub order_by: Option<Expr>,
    /// Which rows the aggregates are over; one told by keys needs an order by dates or timestamps.
    pub frame: Frame,
    /// With fewer values the result is null.
    pub min_periods: u64,
    /// Expressions over the columns and over aggregates of the rows in the frame.
    pub exprs: Vec<Expr>,
}

impl PlanBuilder {
    /// Adds columns that are computed over the rows around each row, or replaces those of the same name. The rows come in
    /// the order of the partitions and in them of the order, those that are equal in the order of the input.
    ///
    /// # Errors
    /// Where an expression does not bind, an aggregate is none over windows, or the order is of a type that frames are not
    /// told by.
    pub fn window(self, spec: &WindowSpec) -> Result<Self> {
        let partition_by: Vec<BoundExpr> =
            spec.partition_by.iter().map(|key| resolve(key, &self.scope)).collect::<Result<_>>()?;
        let order_by: Vec<BoundExpr> =
            spec.order_by.iter().map(|key| resolve(key, &self.scope)).collect::<Result<_>>()?;
        if spec.frame.uses_key() {
            check_key(order_by.first())?;
        }
        let columns = self.plan.schema().fields().len();
        let mut aggregates = Aggregates { first_column: columns, ..Aggregates::default() };
        let mut exprs: Vec<NamedExpr> = (0..columns)
            .map(|index| NamedExpr {
                expr: self.plan.column(index),
                name: self.plan.schema().field(index).name().clone(),
            })
            .collect();
        for item in &spec.exprs {
            let named = NamedExpr {
                expr: resolve_with_aggregates(item, &self.scope, &mut aggregates)?,
                name: item.output_name(),
            };
            match exprs.iter_mut().find(|known| known.name == named.name) {
                Some(known) => *known = named,
                None => exprs.push(named),
            }
        }
        let calls = aggregates.calls.into_iter().map(|call| {
            let name = call.to_string();
            Ok((over_windows(call)?, name))
        });
        let calls = calls.collect::<Result<_>>()?;
        let ascending = |expr: &BoundExpr| sort_expr(expr.clone(), false, None);
        let keys: Vec<SortExpr> = partition_by.iter().chain(&order_by).map(ascending).collect();
        let sorted = if keys.is_empty() { self.plan } else { Sort::plan(self.plan, keys) };
        let window = Window {
            input: Box::new(sorted.clone()),
            partition_by,
            order_by: order_by.iter().map(ascending).collect(),
            frame: spec.frame,
            min_periods: spec.min_periods,
            aggregates: Vec::new(),
            schema: sorted.schema().clone(),
        };
        let plan = LogicalPlan::Window(window.over(sorted, calls));
        Ok(Self::from_plan(Project::plan(plan, exprs)))
    }
}

fn check_key(key: Option<&BoundExpr>) -> Result<()> {
    let hint = "name a column of dates or timestamps, or give the number of rows";
    match key.map(BoundExpr::data_type) {
        Some(key) if is_timestamp(&key) || key == DataType::Date32 => Ok(()),
        Some(other) => {
            Err(Error::sql(format!("a window of time is over dates or timestamps, not {}", sql_name(&other)))
                .with_hint(hint))
        }
        None => Err(Error::sql("a window of time needs an order").with_hint(hint)),
    }
}

/// The aggregate as windows take it: where a filter is not true, the argument is null.
fn over_windows(call: AggregateExpr) -> Result<AggregateExpr> {
    if sliding(call.function).is_none() {
        return Err(Error::sql(format!("{}() is not taken over windows", call.function))
            .with_hint(format!("windows take {SLIDING}")));
    }
    if call.distinct {
        return Err(Error::sql(format!("{call} is not taken over windows: DISTINCT does not go with them")));
    }
    let Some(filter) = call.filter else { return Ok(call) };
    let mut args = call.args;
    let counted = if args.is_empty() { BoundExpr::Literal(Scalar::boolean(true)) } else { args.remove(0) };
    let data_type = counted.data_type();
    args.insert(0, BoundExpr::Case { branches: vec![(filter, counted)], otherwise: None, data_type });
    Ok(AggregateExpr { args, filter: None, ..call })
}
