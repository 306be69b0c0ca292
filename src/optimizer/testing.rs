//! A table without rows of its own and short names for building plans, for the tests of the rules.

use std::sync::Arc;

use super::{Rule, verify};
use crate::config::Config;
use crate::context::QueryContext;
use crate::error::{Error, Result};
use crate::expr::{AggregateExpr, BinaryOp, BoundExpr, Edge, Frame, SortExpr, UnaryOp};
use crate::io::source::{ScanRequest, Source, Table};
use crate::plan::{
    Aggregate, Expand, Filter, Limit, LogicalPlan, NamedExpr, Project, Scan, Sort, Union, Unnest, Window,
};
use crate::types::{DataType, Field, Scalar, Schema, SchemaRef, TEXT, list_of};

/// A table with a schema and perhaps a known number of rows.
#[derive(Debug)]
struct MockTable {
    schema: SchemaRef,
    rows: Option<u64>,
}

impl Table for MockTable {
    fn describe(&self) -> String {
        "t".into()
    }

    fn schema(&self) -> &SchemaRef {
        &self.schema
    }

    fn row_count(&self) -> Option<u64> {
        self.rows
    }

    fn scan(&self, _: &ScanRequest, _: &QueryContext) -> Result<Arc<dyn Source>> {
        Err(Error::internal("a mock table has no rows"))
    }
}

pub fn config() -> Arc<Config> {
    Arc::new(Config::default())
}

/// All of table `t (a BIGINT, b BIGINT, c INTEGER, f DOUBLE, s VARCHAR, d DATE, flag BOOLEAN)`.
pub fn scan() -> LogicalPlan {
    scan_of(None)
}

/// The same with a known number of rows.
pub fn scan_of(rows: Option<u64>) -> LogicalPlan {
    let columns = [
        ("a", DataType::Int64),
        ("b", DataType::Int64),
        ("c", DataType::Int32),
        ("f", DataType::Float64),
        ("s", TEXT),
        ("d", DataType::Date32),
        ("flag", DataType::Boolean),
    ];
    let fields: Vec<_> = columns.into_iter().map(|(name, data_type)| Field::new(name, data_type, true)).collect();
    Scan::all(Arc::new(MockTable { schema: Arc::new(Schema::new(fields)), rows }))
}

pub fn column(index: usize, name: &str, data_type: &DataType) -> BoundExpr {
    BoundExpr::column(index, name, data_type)
}

/// A column of a plan's result by its name.
pub fn col(plan: &LogicalPlan, name: &str) -> BoundExpr {
    plan.column(plan.schema().index_of(name).unwrap())
}

pub fn int(value: i64) -> BoundExpr {
    BoundExpr::Literal(Scalar::int64(value))
}

pub fn text(value: &str) -> BoundExpr {
    BoundExpr::Literal(Scalar::text(value))
}

pub fn truth(value: bool) -> BoundExpr {
    BoundExpr::Literal(Scalar::boolean(value))
}

fn binary(left: BoundExpr, op: BinaryOp, right: BoundExpr, data_type: DataType) -> BoundExpr {
    BoundExpr::Binary { left: Box::new(left), op, right: Box::new(right), data_type }
}

pub fn compare(left: BoundExpr, op: BinaryOp, right: BoundExpr) -> BoundExpr {
    binary(left, op, right, DataType::Boolean)
}

pub fn arithmetic(left: BoundExpr, op: BinaryOp, right: BoundExpr) -> BoundExpr {
    let data_type = left.data_type();
    binary(left, op, right, data_type)
}

pub fn and(left: BoundExpr, right: BoundExpr) -> BoundExpr {
    compare(left, BinaryOp::And, right)
}

pub fn or(left: BoundExpr, right: BoundExpr) -> BoundExpr {
    compare(left, BinaryOp::Or, right)
}

pub fn unary(op: UnaryOp, expr: BoundExpr) -> BoundExpr {
    BoundExpr::Unary { op, expr: Box::new(expr) }
}

pub fn not(expr: BoundExpr) -> BoundExpr {
    unary(UnaryOp::Not, expr)
}

pub fn cast(expr: BoundExpr, to: &DataType) -> BoundExpr {
    BoundExpr::Cast { expr: Box::new(expr), to: to.clone(), try_cast: false }
}

pub fn in_list(expr: BoundExpr, list: Vec<BoundExpr>) -> BoundExpr {
    BoundExpr::InList { expr: Box::new(expr), list, negated: false }
}

pub fn like(expr: BoundExpr, pattern: &str) -> BoundExpr {
    let pattern = Box::new(text(pattern));
    BoundExpr::Like { expr: Box::new(expr), pattern, escape: None, case_insensitive: false, negated: false }
}

pub fn call(name: &'static str, args: Vec<BoundExpr>, data_type: DataType) -> BoundExpr {
    BoundExpr::Call { name, args, data_type }
}

fn named(exprs: &[(&str, BoundExpr)]) -> Vec<NamedExpr> {
    exprs.iter().map(|(name, expr)| NamedExpr { expr: expr.clone(), name: (*name).into() }).collect()
}

pub fn filter(plan: LogicalPlan, predicate: BoundExpr) -> LogicalPlan {
    Filter::plan(plan, predicate)
}

pub fn project(plan: LogicalPlan, exprs: &[(&str, BoundExpr)]) -> LogicalPlan {
    Project::plan(plan, named(exprs))
}

pub fn aggregate(plan: LogicalPlan, keys: &[(&str, BoundExpr)], aggregates: Vec<AggregateExpr>) -> LogicalPlan {
    let aggregates = aggregates.into_iter().map(|aggregate| (aggregate.clone(), aggregate.to_string())).collect();
    Aggregate::plan(plan, named(keys), aggregates)
}

/// Each row once for each projection, under the names given.
pub fn expand(plan: LogicalPlan, names: &[&str], projections: Vec<Vec<BoundExpr>>) -> LogicalPlan {
    let types = projections[0].iter().map(BoundExpr::data_type);
    let columns: Vec<_> = names.iter().map(|name| (*name).to_string()).zip(types).collect();
    Expand::plan(plan, columns, projections)
}

pub fn sort(plan: LogicalPlan, keys: &[(BoundExpr, bool)]) -> LogicalPlan {
    let key = |(expr, descending): &(BoundExpr, bool)| SortExpr {
        expr: expr.clone(),
        descending: *descending,
        nulls_first: *descending,
    };
    Sort::plan(plan, keys.iter().map(key).collect())
}

pub fn limit(plan: LogicalPlan, skip: usize, fetch: Option<usize>) -> LogicalPlan {
    Limit::plan(plan, skip, fetch)
}

pub fn union(inputs: Vec<LogicalPlan>) -> LogicalPlan {
    Union::plan(inputs)
}

/// A list of integers.
pub fn list_value(items: Vec<BoundExpr>) -> BoundExpr {
    call("list_value", items, list_of(DataType::Int64))
}

/// A row for each item of the lists.
pub fn unnest(plan: LogicalPlan, lists: &[(&str, BoundExpr)], ordinality: Option<&str>, keeps: bool) -> LogicalPlan {
    Unnest::plan(plan, named(lists), ordinality.map(String::from), keeps)
}

/// Aggregates over the rows between two edges; partitions and order are sorted by first.
pub fn window(
    plan: LogicalPlan,
    partition_by: Vec<BoundExpr>,
    order_by: Vec<BoundExpr>,
    edges: (Edge, Edge),
    aggregates: Vec<AggregateExpr>,
) -> LogicalPlan {
    let key = |expr: &BoundExpr| SortExpr { expr: expr.clone(), descending: false, nulls_first: false };
    let keys: Vec<SortExpr> = partition_by.iter().chain(&order_by).map(key).collect();
    let input = if keys.is_empty() { plan } else { Sort::plan(plan, keys) };
    let node = Window {
        input: Box::new(input.clone()),
        partition_by,
        order_by: order_by.iter().map(key).collect(),
        frame: Frame { start: edges.0, end: edges.1 },
        min_periods: 1,
        aggregates: Vec::new(),
        schema: input.schema().clone(),
    };
    let aggregates = aggregates.into_iter().map(|aggregate| (aggregate.clone(), aggregate.to_string())).collect();
    LogicalPlan::Window(node.over(input, aggregates))
}

/// An aggregate whose result has the type given.
pub fn agg(function: &'static str, args: Vec<BoundExpr>, data_type: DataType) -> AggregateExpr {
    AggregateExpr { function, args, distinct: false, filter: None, order_by: Vec::new(), data_type }
}

pub fn count_star() -> AggregateExpr {
    agg("count", Vec::new(), DataType::Int64)
}

pub fn count_distinct(arg: BoundExpr) -> AggregateExpr {
    AggregateExpr { distinct: true, ..agg("count", vec![arg], DataType::Int64) }
}

/// The plan before and after a rule, which must leave it sound and its columns as they were.
pub fn rule_golden(rule: &Rule, plan: LogicalPlan) -> String {
    let columns = |plan: &LogicalPlan| -> Vec<(String, DataType)> {
        plan.schema().fields().iter().map(|field| (field.name().clone(), field.data_type().clone())).collect()
    };
    let indented =
        |plan: &LogicalPlan| -> String { plan.to_string().lines().map(|line| format!("  {line}\n")).collect() };
    verify(&plan).unwrap();
    let before = indented(&plan);
    let wanted = columns(&plan);
    let plan = (rule.apply)(plan, &config()).unwrap();
    verify(&plan).unwrap();
    assert_eq!(columns(&plan), wanted);
    format!("before\n{before}after\n{}", indented(&plan))
}

/// Checks that a rule leaves a plan alone.
pub fn assert_unchanged(rule: &Rule, plan: LogicalPlan) {
    let text = plan.to_string();
    assert_eq!((rule.apply)(plan, &config()).unwrap().to_string(), text);
}
