//! The expression as plans hold it: columns by index into the input, every type known, coercions explicit.

use std::fmt;

use super::{BinaryOp, UnaryOp};
use crate::types::{DataType, Scalar, sql_name};

/// An expression over the columns of one input. Evaluating it can fail only on values (overflow, a cast), never on types.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub enum BoundExpr {
    /// A column of the input by its index; the name is for display only.
    Column { index: usize, name: String, data_type: DataType },
    /// A constant.
    Literal(Scalar),
    /// One operand.
    Unary { op: UnaryOp, expr: Box<BoundExpr> },
    /// Two operands. Comparisons, AND, OR and `||` have both sides of one type; arithmetic on dates and intervals
    /// is told by the types of its sides.
    Binary { left: Box<BoundExpr>, op: BinaryOp, right: Box<BoundExpr>, data_type: DataType },
    /// Item and list are of one type.
    InList { expr: Box<BoundExpr>, list: Vec<BoundExpr>, negated: bool },
    /// Both sides are text.
    Like { expr: Box<BoundExpr>, pattern: Box<BoundExpr>, escape: Option<char>, case_insensitive: bool, negated: bool },
    /// Conditions are boolean; results are all of the type.
    Case { branches: Vec<(BoundExpr, BoundExpr)>, otherwise: Option<Box<BoundExpr>>, data_type: DataType },
    /// A conversion.
    Cast { expr: Box<BoundExpr>, to: DataType, try_cast: bool },
    /// A scalar function by its registered name; the arguments have the types of its signature.
    Call { name: &'static str, args: Vec<BoundExpr>, data_type: DataType },
}

impl BoundExpr {
    /// A column reference.
    pub fn column(index: usize, name: &str, data_type: &DataType) -> Self {
        Self::Column { index, name: name.to_string(), data_type: data_type.clone() }
    }

    /// The type of the result.
    pub fn data_type(&self) -> DataType {
        match self {
            Self::Column { data_type, .. }
            | Self::Binary { data_type, .. }
            | Self::Case { data_type, .. }
            | Self::Call { data_type, .. } => data_type.clone(),
            Self::Literal(value) => value.data_type().clone(),
            Self::Unary { op: UnaryOp::Negate, expr } => expr.data_type(),
            Self::Unary { .. } | Self::InList { .. } | Self::Like { .. } => DataType::Boolean,
            Self::Cast { to, .. } => to.clone(),
        }
    }

    /// The direct operands, left to right.
    pub fn children(&self) -> Vec<&BoundExpr> {
        match self {
            Self::Column { .. } | Self::Literal(_) => Vec::new(),
            Self::Unary { expr, .. } | Self::Cast { expr, .. } => vec![expr],
            Self::Binary { left, right, .. } => vec![left, right],
            Self::InList { expr, list, .. } => std::iter::once(&**expr).chain(list).collect(),
            Self::Like { expr, pattern, .. } => vec![expr, pattern],
            Self::Case { branches, otherwise, .. } => branches
                .iter()
                .flat_map(|(condition, result)| [condition, result])
                .chain(otherwise.as_deref())
                .collect(),
            Self::Call { args, .. } => args.iter().collect(),
        }
    }

    /// The same expression with each direct operand replaced by `f` of it.
    #[must_use]
    pub fn map_children(self, mut f: impl FnMut(BoundExpr) -> BoundExpr) -> Self {
        let f: &mut dyn FnMut(BoundExpr) -> BoundExpr = &mut f;
        let mut boxed = |expr: Box<BoundExpr>| Box::new(f(*expr));
        match self {
            leaf @ (Self::Column { .. } | Self::Literal(_)) => leaf,
            Self::Unary { op, expr } => Self::Unary { op, expr: boxed(expr) },
            Self::Cast { expr, to, try_cast } => Self::Cast { expr: boxed(expr), to, try_cast },
            Self::Binary { left, op, right, data_type } => {
                Self::Binary { left: boxed(left), op, right: boxed(right), data_type }
            }
            Self::InList { expr, list, negated } => {
                let expr = boxed(expr);
                Self::InList { expr, list: list.into_iter().map(f).collect(), negated }
            }
            Self::Like { expr, pattern, escape, case_insensitive, negated } => {
                Self::Like { expr: boxed(expr), pattern: boxed(pattern), escape, case_insensitive, negated }
            }
            Self::Case { branches, otherwise, data_type } => {
                let mut mapped = Vec::with_capacity(branches.len());
                for (condition, result) in branches {
                    mapped.push((f(condition), f(result)));
                }
                Self::Case { branches: mapped, otherwise: otherwise.map(|expr| Box::new(f(*expr))), data_type }
            }
            Self::Call { name, args, data_type } => {
                Self::Call { name, args: args.into_iter().map(f).collect(), data_type }
            }
        }
    }

    /// Rewrites bottom-up: operands first, then the expression made of them.
    #[must_use]
    pub fn transform(self, f: &mut dyn FnMut(BoundExpr) -> BoundExpr) -> Self {
        let mapped = self.map_children(|child| child.transform(f));
        f(mapped)
    }

    /// Calls `f` for this expression and all below it.
    pub fn visit(&self, f: &mut dyn FnMut(&BoundExpr)) {
        f(self);
        for child in self.children() {
            child.visit(f);
        }
    }

    /// The indices of all columns read, ascending, each once.
    pub fn columns(&self) -> Vec<usize> {
        let mut columns = Vec::new();
        self.visit(&mut |expr| {
            if let Self::Column { index, .. } = expr {
                columns.push(*index);
            }
        });
        columns.sort_unstable();
        columns.dedup();
        columns
    }

    /// The expression with each column `i` renumbered to `f(i)`.
    #[must_use]
    pub fn renumber(self, f: &dyn Fn(usize) -> usize) -> Self {
        self.transform(&mut |expr| match expr {
            Self::Column { index, name, data_type } => Self::Column { index: f(index), name, data_type },
            other => other,
        })
    }

    /// The parts that AND joins.
    pub fn conjuncts(self) -> Vec<BoundExpr> {
        match self {
            Self::Binary { left, op: BinaryOp::And, right, .. } => {
                let mut parts = left.conjuncts();
                parts.extend(right.conjuncts());
                parts
            }
            other => vec![other],
        }
    }

    /// All parts joined by AND; `None` for no part.
    pub fn conjunction(parts: impl IntoIterator<Item = BoundExpr>) -> Option<BoundExpr> {
        parts.into_iter().reduce(|left, right| Self::Binary {
            left: Box::new(left),
            op: BinaryOp::And,
            right: Box::new(right),
            data_type: DataType::Boolean,
        })
    }
}

/// An aggregate function with its arguments, over the rows of a group.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct AggregateExpr {
    /// The registered name.
    pub function: &'static str,
    /// The arguments, of the types of its signature; constants such as quantile's fraction stand here as literals.
    pub args: Vec<BoundExpr>,
    /// Each distinct combination of arguments once.
    pub distinct: bool,
    /// Only rows where this is true.
    pub filter: Option<BoundExpr>,
    /// In which order the rows are taken, where that matters; ties, and all rows where there are no keys, in the order of
    /// the input. With DISTINCT, keys are among the arguments.
    pub order_by: Vec<SortExpr>,
    /// The type of the result.
    pub data_type: DataType,
}

impl AggregateExpr {
    /// All expressions in it.
    pub fn exprs(&self) -> impl Iterator<Item = &BoundExpr> {
        self.args.iter().chain(&self.filter).chain(self.order_by.iter().map(|key| &key.expr))
    }

    /// The same aggregate with each of its expressions replaced by `f` of it.
    #[must_use]
    pub fn map_exprs(self, mut f: impl FnMut(BoundExpr) -> BoundExpr) -> Self {
        let args = self.args.into_iter().map(&mut f).collect();
        let filter = self.filter.map(&mut f);
        let order_by = self.order_by.into_iter().map(|key| SortExpr { expr: f(key.expr), ..key }).collect();
        Self { args, filter, order_by, ..self }
    }
}

/// A key to sort by, with the place of nulls decided.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct SortExpr {
    /// What to sort by.
    pub expr: BoundExpr,
    /// Largest first.
    pub descending: bool,
    /// Nulls before all else.
    pub nulls_first: bool,
}

struct Operand<'a>(&'a BoundExpr);

impl fmt::Display for Operand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0 {
            BoundExpr::Binary { .. } | BoundExpr::InList { .. } | BoundExpr::Like { .. } | BoundExpr::Unary { .. } => {
                write!(f, "({})", self.0)
            }
            other => write!(f, "{other}"),
        }
    }
}

fn join(items: &[BoundExpr]) -> String {
    items.iter().map(ToString::to_string).collect::<Vec<_>>().join(", ")
}

impl fmt::Display for BoundExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Column { name, .. } => write!(f, "{name}"),
            Self::Literal(value) => write!(f, "{value}"),
            Self::Unary { op, expr } => match op {
                UnaryOp::Not => write!(f, "NOT {}", Operand(expr)),
                UnaryOp::Negate => write!(f, "-{}", Operand(expr)),
                UnaryOp::IsNull => write!(f, "{} IS NULL", Operand(expr)),
                UnaryOp::IsNotNull => write!(f, "{} IS NOT NULL", Operand(expr)),
                UnaryOp::IsTrue => write!(f, "{} IS TRUE", Operand(expr)),
                UnaryOp::IsNotTrue => write!(f, "{} IS NOT TRUE", Operand(expr)),
                UnaryOp::IsFalse => write!(f, "{} IS FALSE", Operand(expr)),
                UnaryOp::IsNotFalse => write!(f, "{} IS NOT FALSE", Operand(expr)),
            },
            Self::Binary { left, op, right, .. } => write!(f, "{} {} {}", Operand(left), op.symbol(), Operand(right)),
            Self::InList { expr, list, negated } => {
                write!(f, "{} {}IN ({})", Operand(expr), if *negated { "NOT " } else { "" }, join(list))
            }
            Self::Like { expr, pattern, case_insensitive, negated, .. } => {
                let not = if *negated { "NOT " } else { "" };
                let like = if *case_insensitive { "ILIKE" } else { "LIKE" };
                write!(f, "{} {not}{like} {}", Operand(expr), Operand(pattern))
            }
            Self::Case { branches, otherwise, .. } => {
                write!(f, "CASE")?;
                for (condition, result) in branches {
                    write!(f, " WHEN {condition} THEN {result}")?;
                }
                if let Some(otherwise) = otherwise {
                    write!(f, " ELSE {otherwise}")?;
                }
                write!(f, " END")
            }
            Self::Cast { expr, to, try_cast } => {
                let cast = if *try_cast { "TRY_CAST" } else { "CAST" };
                write!(f, "{cast}({expr} AS {})", sql_name(to))
            }
            Self::Call { name, args, .. } => write!(f, "{name}({})", join(args)),
        }
    }
}

impl fmt::Display for AggregateExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let args = if self.args.is_empty() { "*".to_string() } else { join(&self.args) };
        write!(f, "{}({}{args}", self.function, if self.distinct { "DISTINCT " } else { "" })?;
        for (index, key) in self.order_by.iter().enumerate() {
            write!(f, "{}{key}", if index == 0 { " ORDER BY " } else { ", " })?;
        }
        write!(f, ")")?;
        match &self.filter {
            Some(filter) => write!(f, " FILTER (WHERE {filter})"),
            None => Ok(()),
        }
    }
}

impl fmt::Display for SortExpr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}{}", self.expr, if self.descending { " DESC" } else { "" })?;
        if self.nulls_first != self.descending {
            write!(f, " NULLS {}", if self.nulls_first { "FIRST" } else { "LAST" })?;
        }
        Ok(())
    }
}
