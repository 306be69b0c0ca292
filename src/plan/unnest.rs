//! Unnest: a row for each item of lists.
//!
//! In SELECT, calls of `unnest` are bound as columns, from [`FIRST_UNNEST`] on, until all of them are known: they run in
//! parallel, in one node below the projection. Those that are keys of GROUP BY run below the groups.

use std::sync::Arc;

use arrow::datatypes::{DataType, Field, Schema, SchemaRef};

use super::coerce::cast_to;
use super::gaps::FIRST_FILL;
use super::resolve::resolve;
use super::{LogicalPlan, NamedExpr, PlanBuilder, Project, Scope, ScopeColumn};
use crate::error::{Error, Result};
use crate::expr::{BoundExpr, Expr};
use crate::functions::scalar::UNNEST;
use crate::types::{TEXT, is_list, list_item, list_of, sql_name};

/// From here on, and up to [`FIRST_FILL`], columns stand for items of lists.
pub(super) const FIRST_UNNEST: usize = FIRST_FILL / 2;

/// The column of WITH ORDINALITY, where it is not named.
const ORDINALITY: &str = "ordinality";

/// For each row of the input a row for each item of its lists, in their order. Where a row has several lists, they go on side by
/// side, and the shorter ones are null behind their end. A row whose lists are all empty or null has no row, unless
/// such rows are kept: then it has one, of nulls.
#[derive(Clone, Debug)]
pub struct Unnest {
    /// Where the lists come from.
    pub input: Box<LogicalPlan>,
    /// The columns of the input that stand in front of the items, ascending.
    pub passed: Vec<usize>,
    /// The lists, at least one, with the names of the columns of their items.
    pub lists: Vec<NamedExpr>,
    /// The name of a last column that numbers the items of each row, from 1.
    pub ordinality: Option<String>,
    /// Whether rows without items stay.
    pub keeps_empty: bool,
    /// What passes, the items, the numbers.
    pub schema: SchemaRef,
}

impl Unnest {
    /// The node over all columns of a plan.
    pub fn plan(
        input: LogicalPlan,
        lists: Vec<NamedExpr>,
        ordinality: Option<String>,
        keeps_empty: bool,
    ) -> LogicalPlan {
        let passed = (0..input.schema().fields().len()).collect();
        let schema = input.schema().clone();
        LogicalPlan::Unnest(
            Self { input: Box::new(input.clone()), passed, lists, ordinality, keeps_empty, schema }.over(input),
        )
    }

    /// The node over an input in which `passed` and `lists` name columns.
    #[must_use]
    pub fn over(self, input: LogicalPlan) -> Self {
        let passed = self.passed.iter().map(|&column| input.schema().field(column).clone());
        let items = self.lists.iter().map(|list| {
            let data_type = list.expr.data_type();
            Field::new(&list.name, list_item(&data_type).cloned().unwrap_or(DataType::Null), true)
        });
        let numbers = self.ordinality.iter().map(|name| Field::new(name, DataType::Int64, true));
        let schema = Schema::new(passed.chain(items).chain(numbers).collect::<Vec<_>>());
        Self { input: Box::new(input), schema: Arc::new(schema), ..self }
    }

    /// What column `index` of the result is of the input, where it is no item and no number.
    pub fn passed_on(&self, index: usize) -> Option<BoundExpr> {
        self.passed.get(index).map(|&column| self.input.column(column))
    }
}

/// Where calls of `unnest` go while the expressions over them are bound.
#[derive(Debug, Default)]
pub(super) struct Unnests {
    /// The lists, each once: that of column `FIRST_UNNEST + k`.
    pub lists: Vec<BoundExpr>,
    /// Lists that are unnested already, below the groups, and the column of the first one's items.
    below: (Vec<BoundExpr>, usize),
}

impl Unnests {
    /// The column of a list's items.
    pub(super) fn items(&mut self, list: BoundExpr) -> BoundExpr {
        let name = format!("{UNNEST}({list})");
        let item = list_item(&list.data_type()).cloned().unwrap_or(DataType::Null);
        if let Some(known) = self.below.0.iter().position(|known| *known == list) {
            return BoundExpr::column(self.below.1 + known, &name, &item);
        }
        let index = self.lists.iter().position(|known| *known == list).unwrap_or_else(|| {
            self.lists.push(list);
            self.lists.len() - 1
        });
        BoundExpr::column(FIRST_UNNEST + index, &name, &item)
    }

    /// Unnests the lists so far over a plan: expressions over their items are [`renumbered`] then, and further calls of the same lists
    /// mean these items.
    pub(super) fn plan_below(&mut self, plan: LogicalPlan) -> LogicalPlan {
        self.below = (std::mem::take(&mut self.lists), plan.schema().fields().len());
        unnested(plan, &self.below.0)
    }
}

/// An expression in which items of lists are the columns from `first` on.
pub(super) fn renumbered(expr: BoundExpr, first: usize) -> BoundExpr {
    expr.renumber(&|index| match index.checked_sub(FIRST_UNNEST) {
        Some(list) if index < FIRST_FILL => first + list,
        _ => index,
    })
}

/// The plan with the items of lists behind its columns.
pub(super) fn unnested(plan: LogicalPlan, lists: &[BoundExpr]) -> LogicalPlan {
    if lists.is_empty() {
        return plan;
    }
    let named = |list: &BoundExpr| NamedExpr { name: format!("{UNNEST}({list})"), expr: list.clone() };
    Unnest::plan(plan, lists.iter().map(named).collect(), None, false)
}

/// What is unnested, where it is a list: NULL is one without items.
///
/// # Errors
/// An SQL error for other types.
pub(super) fn as_list(expr: BoundExpr) -> Result<BoundExpr> {
    match expr.data_type() {
        DataType::Null => Ok(cast_to(expr, &list_of(TEXT))),
        list if is_list(&list) => Ok(expr),
        other => Err(Error::sql(format!("unnest takes a list, but {expr} is {}", sql_name(&other)))
            .with_hint("a list of several columns or values is [a, b]")),
    }
}

/// Why `unnest` cannot stand where it does.
pub(super) fn misplaced(place: &str) -> Error {
    Error::sql(format!("unnest cannot stand {place}")).with_hint(
        "it stands in SELECT, GROUP BY, ORDER BY and FROM: put it into FROM (SELECT unnest(…) AS item …), and use item above it",
    )
}

/// What [`PlanBuilder::unnest`] is to add: an item of FROM.
#[derive(Clone, Debug, Default)]
pub struct UnnestSpec {
    /// Lists, or lists of structs, by expressions over the columns so far.
    pub lists: Vec<Expr>,
    /// The table's name, and those of its columns as far as they are given.
    pub alias: Option<(String, Vec<String>)>,
    /// WITH ORDINALITY: a last column numbers the items.
    pub ordinality: bool,
    /// LEFT JOIN … ON true: rows without items stay.
    pub keeps_empty: bool,
}

impl PlanBuilder {
    /// `FROM this, unnest(lists) AS alias (columns)`: columns for the items, behind those there are. A single column without
    /// a name of its own has that of the table, as in PostgreSQL; the fields of structs have their names.
    ///
    /// # Errors
    /// Where an expression does not bind or is no list, or more names are given than there are columns.
    pub fn unnest(self, spec: &UnnestSpec) -> Result<Self> {
        let table = spec.alias.as_ref().map_or(UNNEST, |(table, _)| table);
        let names = spec.alias.as_ref().map_or(&[][..], |(_, names)| names);
        let columns = spec.lists.len() + usize::from(spec.ordinality);
        if names.len() > columns {
            return Err(Error::sql(format!("'{table}' has {columns} columns, but {} names are given", names.len())));
        }
        let mut lists = Vec::with_capacity(spec.lists.len());
        for (index, list) in spec.lists.iter().enumerate() {
            let given = names.get(index);
            match list_fields(list, &self.scope)? {
                Some(fields) => lists.extend(fields.into_iter().map(|(field, column)| NamedExpr {
                    name: given.map_or(field.clone(), |given| format!("{given}.{field}")),
                    expr: self.plan.column(column),
                })),
                None => {
                    let unnamed = if spec.lists.len() == 1 { table } else { UNNEST };
                    let name = given.map_or(unnamed, String::as_str).to_string();
                    lists.push(NamedExpr { expr: as_list(resolve(list, &self.scope)?)?, name });
                }
            }
        }
        let ordinality = names.get(spec.lists.len()).map_or(ORDINALITY, String::as_str).to_string();
        let ordinality = spec.ordinality.then_some(ordinality);
        let before = self.plan.schema().fields().len();
        let plan = Unnest::plan(self.plan, lists, ordinality, spec.keeps_empty);
        let added = plan.schema().fields().iter().skip(before).map(|field| ScopeColumn {
            table: Some(table.to_string()),
            name: field.name().clone(),
            data_type: field.data_type().clone(),
        });
        let scope = self.scope.columns().iter().cloned().chain(added).collect();
        Ok(Self { plan, scope })
    }

    /// The rows with items in the place of lists: pandas' `explode`. A column of lists of structs means all of its fields.
    ///
    /// # Errors
    /// Where a column is not there or is no list.
    pub fn explode(self, columns: &[&str]) -> Result<Self> {
        let mut places = Vec::with_capacity(columns.len());
        for name in columns {
            let column = Expr::Column { table: None, name: (*name).to_string() };
            match list_fields(&column, &self.scope)? {
                Some(fields) => places.extend(fields.into_iter().map(|(_, column)| column)),
                None => {
                    let bound = as_list(self.scope.column(None, name)?);
                    places.extend(bound.map_err(|error| error.with_hint("explode takes columns of lists"))?.columns());
                }
            }
        }
        places.sort_unstable();
        places.dedup();
        if places.is_empty() {
            return Err(Error::usage("explode takes the name of a column at least"));
        }
        let (count, schema) = (self.plan.schema().fields().len(), self.plan.schema().clone());
        let name = |column: usize| schema.field(column).name().clone();
        let lists = places.iter().map(|&column| NamedExpr { expr: self.plan.column(column), name: name(column) });
        let lists = lists.collect();
        let plan = Unnest::plan(self.plan, lists, None, true);
        let exprs = (0..count).map(|column| {
            let place = places.binary_search(&column).map_or(column, |list| count + list);
            NamedExpr { expr: plan.column(place), name: name(column) }
        });
        let exprs = exprs.collect();
        Ok(Self::from_plan(Project::plan(plan, exprs)))
    }
}

/// The fields of a column of lists of structs, or of a map, by name and index; `None` where the expression is something else.
pub(super) fn list_fields(expr: &Expr, scope: &Scope) -> Result<Option<Vec<(String, usize)>>> {
    let Expr::Column { table, name } = expr.unspanned() else { return Ok(None) };
    if scope.find(table.as_deref(), name)?.is_some() {
        return Ok(None);
    }
    let is_list = |column: usize| scope.columns().get(column).is_some_and(|column| is_list(&column.data_type));
    let fields = scope.fields(table.as_deref(), name);
    Ok((!fields.is_empty() && fields.iter().all(|(_, column)| is_list(*column))).then_some(fields))
}
