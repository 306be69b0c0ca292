//! Checks that a plan holds together: what every rule must leave true.

use std::sync::Arc;

use crate::error::{Error, Result};
use crate::expr::{BoundExpr, GapColumn, GapFill};
use crate::plan::{LogicalPlan, NamedExpr};
use crate::types::{DataType, Schema, SchemaRef, list_item, sql_name};

/// Checks that every column reference exists in the input and has the type it says, that conditions are boolean, and
/// that the schema each node states is the one it computes.
///
/// # Errors
/// An internal error that names the node.
pub fn verify(plan: &LogicalPlan) -> Result<()> {
    for input in plan.inputs() {
        verify(input)?;
    }
    check_node(plan).map_err(|defect| Error::internal(format!("{defect} in {}", plan.headline())))
}

fn check_node(plan: &LogicalPlan) -> Result<(), String> {
    match plan {
        LogicalPlan::Scan(node) => {
            let table = node.table.schema();
            node.filters.iter().try_for_each(|filter| check_condition(filter, table))?;
            let Some(projection) = &node.projection else {
                return check_types(&node.schema, table.fields().iter().map(|field| field.data_type().clone()));
            };
            if !projection.is_sorted_by(|left, right| left < right) {
                return Err("columns that do not ascend".into());
            }
            if projection.last().is_some_and(|last| *last >= table.fields().len()) {
                return Err("a column that the table has not".into());
            }
            check_types(&node.schema, projection.iter().map(|column| table.field(*column).data_type().clone()))
        }
        LogicalPlan::Values(node) => {
            check_types(&node.schema, node.batch.columns().iter().map(|column| column.data_type().clone()))
        }
        LogicalPlan::Filter(node) => check_condition(&node.predicate, node.input.schema()),
        LogicalPlan::Project(node) => {
            check_named(&node.exprs, node.input.schema())?;
            check_names(&node.schema, &node.exprs)?;
            check_types(&node.schema, node.exprs.iter().map(|named| named.expr.data_type()))
        }
        LogicalPlan::Aggregate(node) => {
            let input = node.input.schema();
            check_named(&node.keys, input)?;
            for (aggregate, _) in &node.aggregates {
                aggregate.exprs().try_for_each(|expr| check_columns(expr, input))?;
                aggregate.filter.iter().try_for_each(|filter| check_condition(filter, input))?;
            }
            check_names(&node.schema, &node.keys)?;
            let aggregates = node.aggregates.iter().map(|(aggregate, _)| aggregate.data_type.clone());
            check_types(&node.schema, node.keys.iter().map(|key| key.expr.data_type()).chain(aggregates))
        }
        LogicalPlan::Sort(node) => node.keys.iter().try_for_each(|key| check_columns(&key.expr, node.input.schema())),
        LogicalPlan::Limit(_) => Ok(()),
        LogicalPlan::Expand(node) => {
            if node.projections.is_empty() {
                return Err("no projection".into());
            }
            node.projections.iter().try_for_each(|exprs| {
                exprs.iter().try_for_each(|expr| check_columns(expr, node.input.schema()))?;
                check_types(&node.schema, exprs.iter().map(BoundExpr::data_type))
            })
        }
        LogicalPlan::Window(node) => {
            let input = node.input.schema();
            node.exprs().try_for_each(|expr| check_columns(expr, input))?;
            let is_in_order = match &*node.input {
                LogicalPlan::Sort(sort) => {
                    let keys = node.partition_by.iter().chain(node.order_by.iter().map(|key| &key.expr));
                    sort.fetch.is_none() && sort.keys.iter().map(|key| &key.expr).eq(keys)
                }
                LogicalPlan::Values(values) => values.batch.num_rows() == 0,
                _ => false,
            };
            if !is_in_order && !node.is_in_input_order() {
                return Err("rows that are not sorted by its partitions and order".into());
            }
            let aggregates = node.aggregates.iter().map(|(aggregate, _)| aggregate.data_type.clone());
            check_types(&node.schema, input.fields().iter().map(|field| field.data_type().clone()).chain(aggregates))
        }
        LogicalPlan::FillGaps(node) => {
            let input = node.input.schema();
            check_columns(&node.bucket, input)?;
            if node.columns.len() != input.fields().len() || node.time().is_none() {
                return Err("columns that are not those of the input".into());
            }
            if !node.has_sorted_input() {
                return Err("an input in another order".into());
            }
            let constants = node.starts.iter().chain(&node.finishes);
            let mut wrong = node.columns.iter().zip(input.fields()).filter_map(|(column, field)| match column {
                GapColumn::Value(GapFill::Constant { value, .. }) if value.data_type() != field.data_type() => {
                    Some(field)
                }
                GapColumn::Value(GapFill::Linear(_)) if *field.data_type() != DataType::Float64 => Some(field),
                _ => None,
            });
            match wrong.next() {
                Some(field) => Err(format!("a column \"{}\" that is filled with another type", field.name())),
                None => constants.into_iter().try_for_each(|expr| check_columns(expr, &Arc::new(Schema::empty()))),
            }
        }
        LogicalPlan::Unnest(node) => {
            let input = node.input.schema();
            check_named(&node.lists, input)?;
            if node.lists.is_empty() || node.lists.iter().any(|list| list_item(&list.expr.data_type()).is_none()) {
                return Err("a list that is none".into());
            }
            if !node.passed.is_sorted_by(|left, right| left < right)
                || node.passed.last().is_some_and(|last| *last >= input.fields().len())
            {
                return Err("columns that do not ascend, or are not there".into());
            }
            let passed = node.passed.iter().map(|column| input.field(*column).data_type().clone());
            let items = node.lists.iter().filter_map(|list| list_item(&list.expr.data_type()).cloned());
            check_types(&node.schema, passed.chain(items).chain(node.ordinality.iter().map(|_| DataType::Int64)))
        }
        LogicalPlan::Union(node) => {
            if node.inputs.is_empty() {
                return Err("no input".into());
            }
            node.inputs.iter().try_for_each(|input| {
                check_types(&node.schema, input.schema().fields().iter().map(|field| field.data_type().clone()))
            })
        }
    }
}

fn check_named(exprs: &[NamedExpr], input: &SchemaRef) -> Result<(), String> {
    exprs.iter().try_for_each(|named| check_columns(&named.expr, input))
}

/// The types are those of the schema, in number too.
fn check_types(schema: &SchemaRef, types: impl Iterator<Item = DataType>) -> Result<(), String> {
    let types: Vec<_> = types.collect();
    if schema.fields().iter().map(|field| field.data_type()).eq(&types) {
        return Ok(());
    }
    let computed = types.iter().map(sql_name).collect::<Vec<_>>().join(", ");
    Err(format!("a schema of {} columns that is not what it computes ({computed})", schema.fields().len()))
}

/// The schema's first columns have the names of the expressions.
fn check_names(schema: &SchemaRef, exprs: &[NamedExpr]) -> Result<(), String> {
    let mut pairs = schema.fields().iter().zip(exprs);
    match pairs.find(|(field, named)| *field.name() != named.name) {
        Some((field, named)) => Err(format!("a column \"{}\" that the schema calls \"{}\"", named.name, field.name())),
        None => Ok(()),
    }
}

fn check_condition(expr: &BoundExpr, input: &SchemaRef) -> Result<(), String> {
    match expr.data_type() {
        DataType::Boolean => check_columns(expr, input),
        other => Err(format!("a condition of type {}", sql_name(&other))),
    }
}

fn check_columns(expr: &BoundExpr, input: &SchemaRef) -> Result<(), String> {
    let mut defect = None;
    expr.visit(&mut |part| {
        let BoundExpr::Column { index, name, data_type } = part else { return };
        match input.fields().get(*index) {
            None => {
                let count = input.fields().len();
                defect = Some(format!("column {index} (\"{name}\") of an input with {count} columns"));
            }
            Some(field) if field.data_type() != data_type => {
                let (says, is) = (sql_name(data_type), sql_name(field.data_type()));
                defect = Some(format!("column {index} (\"{name}\") as {says}, which is {is}"));
            }
            Some(_) => {}
        }
    });
    defect.map_or(Ok(()), Err)
}

#[cfg(test)]
mod tests {
    use super::super::testing::*;
    use super::*;
    use crate::plan::{Project, Scan, Union};

    #[test]
    fn sound_plans_pass() {
        let plan = project(scan(), &[("x", col(&scan(), "s"))]);
        verify(&plan).unwrap();
    }

    #[test]
    fn defects_are_found_and_named() {
        let wrong_type = filter(scan(), column(0, "a", &DataType::Boolean));
        let error = verify(&wrong_type).unwrap_err();
        assert!(error.to_string().contains("column 0 (\"a\") as BOOLEAN, which is BIGINT in Filter a"), "{error}");

        assert!(verify(&filter(scan(), col(&scan(), "a"))).is_err(), "a condition that is not boolean");
        assert!(verify(&project(scan(), &[("x", column(9, "x", &DataType::Int64))])).is_err(), "a missing column");

        let LogicalPlan::Project(good) = project(scan(), &[("x", col(&scan(), "a"))]) else { panic!() };
        let stale = Project { exprs: Vec::new(), ..good };
        assert!(verify(&LogicalPlan::Project(stale)).is_err(), "a schema of before");

        let LogicalPlan::Scan(all) = scan() else { panic!() };
        let descending = Scan { projection: Some(vec![1, 0]), ..all };
        assert!(verify(&LogicalPlan::Scan(descending)).is_err(), "columns of a scan out of order");

        let uneven = Union::plan(vec![scan(), project(scan(), &[("x", col(&scan(), "a"))])]);
        assert!(verify(&uneven).is_err(), "a union of unlike inputs");
    }
}
