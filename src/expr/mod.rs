//! Expressions: [`Expr`] as SQL and the API write them, by name and untyped; [`BoundExpr`] as plans hold them,
//! with columns by index and every type known. `plan::resolve` turns the first into the second.

mod bound;
mod dsl;
mod frame;
mod gaps;
mod logical;

pub use bound::{AggregateExpr, BoundExpr, SortExpr};
pub use dsl::{IntoExpr, When, col, count_all, function, interval, lit, when};
pub use frame::{Edge, Frame};
pub use gaps::{GapColumn, GapFill, Line, Reach};
pub use logical::{BinaryOp, Expr, SortKey, UnaryOp};
