//! A slow, readable twin of the engine for tests of the optimizer: runs a plan row by row over integers and truth
//! values, evaluating no operand that SQL says need not be.

use std::cmp::Ordering;

use arrow::array::{Array, AsArray, RecordBatch};

use crate::expr::{AggregateExpr, BinaryOp, BoundExpr, Edge, SortExpr, UnaryOp};
use crate::plan::LogicalPlan;
use crate::types::{DataType, Scalar};

/// A value of any type that the twin knows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Value {
    Null,
    Bool(bool),
    Int(i64),
}

use Value::{Bool, Int, Null};

pub type Row = Vec<Value>;

/// Why a query has no result.
pub type Failure = &'static str;

/// The rows of a plan all of whose scans are of a table with those rows.
pub fn run(plan: &LogicalPlan, table: &[Row]) -> Result<Vec<Row>, Failure> {
    match plan {
        LogicalPlan::Scan(node) => {
            let mut rows = Vec::new();
            for row in table {
                if passes(&node.filters, row)? {
                    rows.push((0..node.schema.fields().len()).map(|column| row[node.table_column(column)]).collect());
                }
            }
            rows.truncate(node.limit.unwrap_or(usize::MAX));
            Ok(rows)
        }
        LogicalPlan::Values(node) => Ok(literal_rows(&node.batch)),
        LogicalPlan::Filter(node) => {
            let conditions = node.predicate.clone().conjuncts();
            let mut rows = Vec::new();
            for row in run(&node.input, table)? {
                if passes(&conditions, &row)? {
                    rows.push(row);
                }
            }
            Ok(rows)
        }
        LogicalPlan::Project(node) => {
            let project = |row: Row| node.exprs.iter().map(|named| eval(&named.expr, &row)).collect();
            run(&node.input, table)?.into_iter().map(project).collect()
        }
        LogicalPlan::Aggregate(node) => {
            let mut groups: Vec<(Row, Vec<Row>)> = Vec::new();
            if node.keys.is_empty() {
                groups.push((Vec::new(), Vec::new()));
            }
            for row in run(&node.input, table)? {
                let key = node.keys.iter().map(|key| eval(&key.expr, &row)).collect::<Result<Row, _>>()?;
                match groups.iter_mut().find(|(known, _)| *known == key) {
                    Some((_, rows)) => rows.push(row),
                    None => groups.push((key, vec![row])),
                }
            }
            let finish = |(mut key, rows): (Row, Vec<Row>)| {
                for (aggregate, _) in &node.aggregates {
                    key.push(aggregated(aggregate, &rows)?);
                }
                Ok(key)
            };
            groups.into_iter().map(finish).collect()
        }
        LogicalPlan::Sort(node) => {
            let mut keyed = Vec::new();
            for row in run(&node.input, table)? {
                let key = node.keys.iter().map(|key| eval(&key.expr, &row)).collect::<Result<Row, _>>()?;
                keyed.push((key, row));
            }
            keyed.sort_by(|(left, _), (right, _)| compare_keys(&node.keys, left, right));
            keyed.truncate(node.fetch.unwrap_or(usize::MAX));
            Ok(keyed.into_iter().map(|(_, row)| row).collect())
        }
        LogicalPlan::Limit(node) => {
            let rows = run(&node.input, table)?.into_iter().skip(node.skip);
            Ok(rows.take(node.fetch.unwrap_or(usize::MAX)).collect())
        }
        LogicalPlan::Expand(node) => {
            let mut rows = Vec::new();
            for row in run(&node.input, table)? {
                for exprs in &node.projections {
                    rows.push(exprs.iter().map(|expr| eval(expr, &row)).collect::<Result<Row, _>>()?);
                }
            }
            Ok(rows)
        }
        LogicalPlan::Window(node) => {
            let rows = run(&node.input, table)?;
            let key = |row: &Row| node.partition_by.iter().map(|key| eval(key, row)).collect::<Result<Row, _>>();
            let keys = rows.iter().map(key).collect::<Result<Vec<_>, _>>()?;
            let mut results = Vec::new();
            for (index, row) in rows.iter().enumerate() {
                let partition = keys.iter().position(|key| *key == keys[index]).unwrap_or(index);
                let in_partition = rows[partition..].iter().zip(&keys[partition..]);
                let partition_end = partition + in_partition.take_while(|(_, key)| **key == keys[index]).count();
                let edge = |edge: Edge, unbounded: usize| match edge {
                    Edge::Rows(rows) => index.saturating_add_signed(rows as isize),
                    _ => unbounded,
                };
                let start = edge(node.frame.start, partition).max(partition);
                let end = (edge(node.frame.end, partition_end) + 1).min(partition_end);
                let frame = rows.get(start..end).unwrap_or_default();
                let mut result = row.clone();
                for (aggregate, _) in &node.aggregates {
                    result.push(aggregated(aggregate, frame)?);
                }
                results.push(result);
            }
            Ok(results)
        }
        LogicalPlan::Unnest(node) => {
            let mut rows = Vec::new();
            for row in run(&node.input, table)? {
                let lists =
                    node.lists.iter().map(|named| eval_list(&named.expr, &row)).collect::<Result<Vec<_>, _>>()?;
                let longest = lists.iter().map(Vec::len).max().unwrap_or(0);
                for item in 0..longest.max(usize::from(node.keeps_empty)) {
                    let passed = node.passed.iter().map(|column| row[*column]);
                    let items = lists.iter().map(|list| list.get(item).copied().unwrap_or(Null));
                    let number =
                        node.ordinality.iter().map(|_| if item < longest { Int(item as i64 + 1) } else { Null });
                    rows.push(passed.chain(items).chain(number).collect());
                }
            }
            Ok(rows)
        }
        LogicalPlan::FillGaps(_) => Err("a node that the twin does not know"),
        LogicalPlan::Union(node) => {
            let mut rows = Vec::new();
            for input in &node.inputs {
                rows.extend(run(input, table)?);
            }
            Ok(rows)
        }
    }
}

/// Checks one condition after the other: one that is not true ends it.
fn passes(filters: &[BoundExpr], row: &Row) -> Result<bool, Failure> {
    for filter in filters {
        if eval(filter, row)? != Bool(true) {
            return Ok(false);
        }
    }
    Ok(true)
}

fn literal_rows(batch: &RecordBatch) -> Vec<Row> {
    let value = |column: &dyn Array, row| literal(&Scalar::from_array(column, row));
    (0..batch.num_rows()).map(|row| batch.columns().iter().map(|column| value(column, row)).collect()).collect()
}

fn literal(scalar: &Scalar) -> Value {
    scalar.as_bool().map(Bool).or(scalar.as_i64().map(Int)).unwrap_or(Null)
}

fn compare_keys(keys: &[SortExpr], left: &Row, right: &Row) -> Ordering {
    let by_key = keys.iter().zip(left.iter().zip(right)).map(|(key, (left, right))| match (left, right) {
        (Null, Null) => Ordering::Equal,
        (Null, _) => {
            if key.nulls_first {
                Ordering::Less
            } else {
                Ordering::Greater
            }
        }
        (_, Null) => {
            if key.nulls_first {
                Ordering::Greater
            } else {
                Ordering::Less
            }
        }
        _ if key.descending => right.cmp(left),
        _ => left.cmp(right),
    });
    by_key.fold(Ordering::Equal, Ordering::then)
}

fn aggregated(aggregate: &AggregateExpr, rows: &[Row]) -> Result<Value, Failure> {
    let mut values = Vec::new();
    for row in rows {
        let counts = aggregate.filter.as_ref().map_or(Ok(Bool(true)), |filter| eval(filter, row))?;
        if counts == Bool(true) {
            values.push(aggregate.args.first().map_or(Ok(Bool(true)), |arg| eval(arg, row))?);
        }
    }
    values.retain(|value| *value != Null);
    if aggregate.distinct {
        values.sort();
        values.dedup();
    }
    let numbers = values.iter().map(|value| if let Int(number) = value { i128::from(*number) } else { 0 });
    match aggregate.function {
        "count" => Ok(Int(values.len() as i64)),
        "sum" if values.is_empty() => Ok(Null),
        "sum" => i64::try_from(numbers.sum::<i128>()).map(Int).map_err(|_| "the sum is out of range"),
        "min" => Ok(values.into_iter().min().unwrap_or(Null)),
        "max" => Ok(values.into_iter().max().unwrap_or(Null)),
        _ => Err("an aggregate that the twin does not know"),
    }
}

/// The items of a list that stands in the plan, for each row one of several or none.
fn eval_list(expr: &BoundExpr, row: &Row) -> Result<Vec<Value>, Failure> {
    match expr {
        BoundExpr::Call { name: "list_value", args, .. } => args.iter().map(|arg| eval(arg, row)).collect(),
        BoundExpr::Case { branches, otherwise, .. } => {
            for (condition, list) in branches {
                if eval(condition, row)? == Bool(true) {
                    return eval_list(list, row);
                }
            }
            otherwise.as_ref().map_or(Ok(Vec::new()), |otherwise| eval_list(otherwise, row))
        }
        BoundExpr::Literal(value) if value.is_null() => Ok(Vec::new()),
        BoundExpr::Literal(value) => {
            let items = value.as_array().as_list::<i32>().value(0);
            Ok((0..items.len()).map(|item| literal(&Scalar::from_array(&items, item))).collect())
        }
        _ => Err("a list that the twin does not know"),
    }
}

fn eval(expr: &BoundExpr, row: &Row) -> Result<Value, Failure> {
    Ok(match expr {
        BoundExpr::Column { index, .. } => row[*index],
        BoundExpr::Literal(scalar) => literal(scalar),
        BoundExpr::Unary { op, expr } => {
            let value = eval(expr, row)?;
            match (op, value) {
                (UnaryOp::IsNull, value) => Bool(value == Null),
                (UnaryOp::IsNotNull, value) => Bool(value != Null),
                (UnaryOp::IsTrue, value) => Bool(value == Bool(true)),
                (UnaryOp::IsNotTrue, value) => Bool(value != Bool(true)),
                (UnaryOp::IsFalse, value) => Bool(value == Bool(false)),
                (UnaryOp::IsNotFalse, value) => Bool(value != Bool(false)),
                (UnaryOp::Not, Bool(truth)) => Bool(!truth),
                (UnaryOp::Negate, Int(number)) => Int(number.checked_neg().ok_or("overflow")?),
                _ => Null,
            }
        }
        BoundExpr::Binary { left, op, right, .. } => {
            let left = eval(left, row)?;
            let decisive = match op {
                BinaryOp::And => Some(false),
                BinaryOp::Or => Some(true),
                _ => None,
            };
            match decisive {
                Some(decisive) if left == Bool(decisive) => left,
                Some(decisive) => match (left, eval(right, row)?) {
                    (_, Bool(right)) if right == decisive => Bool(decisive),
                    (Null, _) | (_, Null) => Null,
                    (_, right) => right,
                },
                None => binary(left, *op, eval(right, row)?)?,
            }
        }
        BoundExpr::InList { expr, list, negated } => {
            let value = eval(expr, row)?;
            let mut found = if value == Null { Null } else { Bool(false) };
            for item in list {
                match (value, eval(item, row)?) {
                    (Null, _) => {}
                    (value, item) if value == item => found = Bool(true),
                    (_, Null) if found == Bool(false) => found = Null,
                    _ => {}
                }
            }
            if let Bool(truth) = found { Bool(truth != *negated) } else { Null }
        }
        BoundExpr::Case { branches, otherwise, .. } => {
            for (condition, result) in branches {
                if eval(condition, row)? == Bool(true) {
                    return eval(result, row);
                }
            }
            otherwise.as_ref().map_or(Ok(Null), |otherwise| eval(otherwise, row))?
        }
        BoundExpr::Cast { expr, to, .. } => match eval(expr, row)? {
            Int(number) if *to == DataType::Int32 => Int(i32::try_from(number).map_err(|_| "out of range")?.into()),
            value => value,
        },
        BoundExpr::Like { .. } | BoundExpr::Call { .. } => return Err("an expression that the twin does not know"),
    })
}

fn binary(left: Value, op: BinaryOp, right: Value) -> Result<Value, Failure> {
    match op {
        BinaryOp::DistinctFrom => return Ok(Bool(left != right)),
        BinaryOp::NotDistinctFrom => return Ok(Bool(left == right)),
        _ if left == Null || right == Null => return Ok(Null),
        _ => {}
    }
    let (Int(x), Int(y)) = (left, right) else {
        return Ok(match op {
            BinaryOp::Equal => Bool(left == right),
            _ => Bool(left != right),
        });
    };
    Ok(match op {
        BinaryOp::Equal => Bool(x == y),
        BinaryOp::NotEqual => Bool(x != y),
        BinaryOp::Less => Bool(x < y),
        BinaryOp::LessEqual => Bool(x <= y),
        BinaryOp::Greater => Bool(x > y),
        BinaryOp::GreaterEqual => Bool(x >= y),
        BinaryOp::Add => Int(x.checked_add(y).ok_or("overflow")?),
        BinaryOp::Subtract => Int(x.checked_sub(y).ok_or("overflow")?),
        BinaryOp::Multiply => Int(x.checked_mul(y).ok_or("overflow")?),
        BinaryOp::Divide => Int(x.checked_div(y).ok_or("division by zero")?),
        BinaryOp::Modulo => Int(x.checked_rem(y).ok_or("division by zero")?),
        _ => return Err("an operator that the twin does not know"),
    })
}
