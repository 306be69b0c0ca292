//! The logical plan: what is to be computed, as a tree of nodes over tables. SQL and the API build it through
//! [`PlanBuilder`], the optimizer rewrites it, `physical` lowers it.
//!
//! Expressions in a node refer to the columns of its input by index; a scan's filters to those of the whole table.

mod aggregate;
mod builder;
mod coerce;
mod display;
mod distinct_on;
mod expand;
mod fill_gaps;
mod filter;
mod gaps;
mod grouping;
mod items;
mod limit;
mod nested;
mod project;
mod resolve;
mod scan;
mod scope;
mod select;
mod sort;
mod summary;
mod union;
mod unnest;
mod values;
mod window;

use std::sync::Arc;

use arrow::datatypes::{Field, Schema, SchemaRef};

pub use aggregate::Aggregate;
pub use builder::PlanBuilder;
pub use expand::Expand;
pub use fill_gaps::FillGaps;
pub use filter::Filter;
pub use grouping::{GroupItem, Grouping};
pub use limit::Limit;
pub use project::Project;
pub use resolve::{contains_aggregate, resolve};
pub use scan::Scan;
pub use scope::{Scope, ScopeColumn, is_part_of};
pub use select::Select;
pub use sort::Sort;
pub use union::Union;
pub use unnest::{Unnest, UnnestSpec};
pub use values::Values;
pub use window::{Window, WindowSpec};

use crate::expr::BoundExpr;

/// A node of the plan with its inputs below it.
#[derive(Clone, Debug)]
pub enum LogicalPlan {
    /// Reads a table.
    Scan(Scan),
    /// Rows given in the query, or one row without columns.
    Values(Values),
    /// Keeps rows where a condition is true.
    Filter(Filter),
    /// Computes columns.
    Project(Project),
    /// Groups rows by keys and aggregates each group; without aggregates it is DISTINCT.
    Aggregate(Aggregate),
    /// Orders rows; with `fetch` keeps only the first ones.
    Sort(Sort),
    /// Skips rows and keeps a number of those that follow.
    Limit(Limit),
    /// Puts in the buckets of time that are missing.
    FillGaps(FillGaps),
    /// The rows of all inputs, one input after another.
    Union(Union),
    /// Computes columns in several ways, each of which gives a row for each row.
    Expand(Expand),
    /// Aggregates over the rows around each row.
    Window(Window),
    /// A row for each item of lists.
    Unnest(Unnest),
}

/// An expression with the name of its result column.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct NamedExpr {
    /// What is computed.
    pub expr: BoundExpr,
    /// The column's name.
    pub name: String,
}

impl LogicalPlan {
    /// The columns of the result.
    pub fn schema(&self) -> &SchemaRef {
        match self {
            Self::Scan(node) => &node.schema,
            Self::Values(node) => &node.schema,
            Self::Filter(node) => node.input.schema(),
            Self::Project(node) => &node.schema,
            Self::Aggregate(node) => &node.schema,
            Self::Sort(node) => node.input.schema(),
            Self::Limit(node) => node.input.schema(),
            Self::FillGaps(node) => node.input.schema(),
            Self::Union(node) => &node.schema,
            Self::Expand(node) => &node.schema,
            Self::Window(node) => &node.schema,
            Self::Unnest(node) => &node.schema,
        }
    }

    /// The inputs, left to right.
    pub fn inputs(&self) -> Vec<&LogicalPlan> {
        match self {
            Self::Scan(_) | Self::Values(_) => Vec::new(),
            Self::Filter(node) => vec![&node.input],
            Self::Project(node) => vec![&node.input],
            Self::Aggregate(node) => vec![&node.input],
            Self::Sort(node) => vec![&node.input],
            Self::Limit(node) => vec![&node.input],
            Self::FillGaps(node) => vec![&node.input],
            Self::Union(node) => node.inputs.iter().collect(),
            Self::Expand(node) => vec![&node.input],
            Self::Window(node) => vec![&node.input],
            Self::Unnest(node) => vec![&node.input],
        }
    }

    /// The same node with each input replaced by `f` of it.
    #[must_use]
    pub fn map_inputs(self, mut f: impl FnMut(LogicalPlan) -> LogicalPlan) -> Self {
        let mut boxed = |input: Box<LogicalPlan>| Box::new(f(*input));
        match self {
            leaf @ (Self::Scan(_) | Self::Values(_)) => leaf,
            Self::Filter(node) => Self::Filter(Filter { input: boxed(node.input), ..node }),
            Self::Project(node) => Self::Project(Project { input: boxed(node.input), ..node }),
            Self::Aggregate(node) => Self::Aggregate(Aggregate { input: boxed(node.input), ..node }),
            Self::Sort(node) => Self::Sort(Sort { input: boxed(node.input), ..node }),
            Self::Limit(node) => Self::Limit(Limit { input: boxed(node.input), ..node }),
            Self::Expand(node) => Self::Expand(Expand { input: boxed(node.input), ..node }),
            Self::Window(node) => Self::Window(Window { input: boxed(node.input), ..node }),
            Self::Unnest(node) => Self::Unnest(Unnest { input: boxed(node.input), ..node }),
            Self::FillGaps(node) => Self::FillGaps(FillGaps { input: boxed(node.input), ..node }),
            Self::Union(node) => Self::Union(Union { inputs: node.inputs.into_iter().map(f).collect(), ..node }),
        }
    }

    /// Rewrites bottom-up: inputs first, then the node made of them.
    #[must_use]
    pub fn transform_up(self, f: &mut dyn FnMut(LogicalPlan) -> LogicalPlan) -> Self {
        let mapped = self.map_inputs(|input| input.transform_up(f));
        f(mapped)
    }

    /// Column `index` of the result as an expression.
    pub fn column(&self, index: usize) -> BoundExpr {
        let field = self.schema().field(index);
        BoundExpr::column(index, field.name(), field.data_type())
    }
}

/// The schema of named expressions. Every column may be null.
pub(crate) fn schema_of<'a>(exprs: impl IntoIterator<Item = &'a NamedExpr>) -> SchemaRef {
    let fields: Vec<Field> =
        exprs.into_iter().map(|named| Field::new(&named.name, named.expr.data_type(), true)).collect();
    Arc::new(Schema::new(fields))
}
