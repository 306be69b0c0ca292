//! The expression as written: names, no types.

use std::fmt;

use crate::error::Span;
use crate::types::{DataType, Scalar, sql_name};

/// An operator with two operands.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum BinaryOp {
    Add,
    Subtract,
    Multiply,
    /// Of integers it truncates towards zero, as in PostgreSQL.
    Divide,
    Modulo,
    Equal,
    NotEqual,
    Less,
    LessEqual,
    Greater,
    GreaterEqual,
    And,
    Or,
    /// `||`; null where a side is null.
    Concat,
    /// IS DISTINCT FROM.
    DistinctFrom,
    /// IS NOT DISTINCT FROM.
    NotDistinctFrom,
}

impl BinaryOp {
    /// The operator's text in SQL.
    pub fn symbol(self) -> &'static str {
        match self {
            Self::Add => "+",
            Self::Subtract => "-",
            Self::Multiply => "*",
            Self::Divide => "/",
            Self::Modulo => "%",
            Self::Equal => "=",
            Self::NotEqual => "<>",
            Self::Less => "<",
            Self::LessEqual => "<=",
            Self::Greater => ">",
            Self::GreaterEqual => ">=",
            Self::And => "AND",
            Self::Or => "OR",
            Self::Concat => "||",
            Self::DistinctFrom => "IS DISTINCT FROM",
            Self::NotDistinctFrom => "IS NOT DISTINCT FROM",
        }
    }

    /// `= <> < <= > >=` and the two that compare nulls too.
    pub fn is_comparison(self) -> bool {
        matches!(
            self,
            Self::Equal
                | Self::NotEqual
                | Self::Less
                | Self::LessEqual
                | Self::Greater
                | Self::GreaterEqual
                | Self::DistinctFrom
                | Self::NotDistinctFrom
        )
    }

    /// `+ - * / %`.
    pub fn is_arithmetic(self) -> bool {
        matches!(self, Self::Add | Self::Subtract | Self::Multiply | Self::Divide | Self::Modulo)
    }

    /// The comparison with its sides swapped: `a < b` is `b > a`.
    #[must_use]
    pub fn swapped(self) -> Self {
        match self {
            Self::Less => Self::Greater,
            Self::LessEqual => Self::GreaterEqual,
            Self::Greater => Self::Less,
            Self::GreaterEqual => Self::LessEqual,
            other => other,
        }
    }
}

/// An operator with one operand.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum UnaryOp {
    Not,
    Negate,
    IsNull,
    IsNotNull,
    IsTrue,
    IsNotTrue,
    IsFalse,
    IsNotFalse,
}

/// An expression as SQL and the DataFrame API write it.
#[derive(Clone, Debug, PartialEq)]
pub enum Expr {
    /// A column by name, with the table's alias before it where one was written.
    Column { table: Option<String>, name: String },
    /// A constant.
    Literal(Scalar),
    /// A name for the result.
    Alias(Box<Expr>, String),
    /// One operand.
    Unary { op: UnaryOp, expr: Box<Expr> },
    /// Two operands.
    Binary { left: Box<Expr>, op: BinaryOp, right: Box<Expr> },
    /// `expr BETWEEN low AND high`, both ends included.
    Between { expr: Box<Expr>, low: Box<Expr>, high: Box<Expr>, negated: bool },
    /// `expr IN (…)`.
    InList { expr: Box<Expr>, list: Vec<Expr>, negated: bool },
    /// `expr LIKE pattern ESCAPE escape`; the default escape is a backslash.
    Like { expr: Box<Expr>, pattern: Box<Expr>, escape: Option<char>, case_insensitive: bool, negated: bool },
    /// `CASE operand WHEN … THEN … ELSE … END`.
    Case { operand: Option<Box<Expr>>, branches: Vec<(Expr, Expr)>, otherwise: Option<Box<Expr>> },
    /// `CAST(expr AS to)`; TRY_CAST gives null where the value does not fit.
    Cast { expr: Box<Expr>, to: DataType, try_cast: bool },
    /// A scalar or aggregate function by its name in lower case; which of the two is known once it is resolved.
    Call { name: String, args: Vec<Expr>, distinct: bool, filter: Option<Box<Expr>>, order_by: Vec<SortKey> },
    /// `*`, `t.*`, `* EXCLUDE (…)`, `* REPLACE (expr AS name)`.
    Wildcard { table: Option<String>, exclude: Vec<String>, replace: Vec<(Expr, String)> },
    /// The place in the SQL text that the inner expression came from; errors inside of it carry it.
    Spanned(Box<Expr>, Span),
}

/// A key of ORDER BY. Without a word on nulls they come last when ascending, first when descending, as in PostgreSQL.
#[derive(Clone, Debug, PartialEq)]
pub struct SortKey {
    /// What to sort by.
    pub expr: Expr,
    /// Largest first.
    pub descending: bool,
    /// Where nulls go, if it was said.
    pub nulls_first: Option<bool>,
}

impl Expr {
    /// A call of a function.
    pub fn call(name: &str, args: Vec<Expr>) -> Self {
        Self::Call { name: name.to_ascii_lowercase(), args, distinct: false, filter: None, order_by: Vec::new() }
    }

    /// `self op right`.
    #[must_use]
    pub fn binary(self, op: BinaryOp, right: Expr) -> Self {
        Self::Binary { left: Box::new(self), op, right: Box::new(right) }
    }

    /// The expression without the notes on where it came from.
    pub fn unspanned(&self) -> &Expr {
        match self {
            Self::Spanned(inner, _) => inner.unspanned(),
            other => other,
        }
    }

    /// The name of the result column: the alias, the column's own name, or the expression's text.
    pub fn output_name(&self) -> String {
        match self.unspanned() {
            Self::Alias(_, name) | Self::Column { name, .. } => name.clone(),
            Self::Cast { expr, .. } if matches!(expr.unspanned(), Self::Column { .. }) => expr.output_name(),
            other => other.to_string(),
        }
    }
}

fn list(f: &mut fmt::Formatter<'_>, items: &[Expr]) -> fmt::Result {
    for (index, item) in items.iter().enumerate() {
        if index > 0 {
            write!(f, ", ")?;
        }
        write!(f, "{item}")?;
    }
    Ok(())
}

/// Puts operators into parentheses where they stand inside of others.
struct Operand<'a>(&'a Expr);

impl fmt::Display for Operand<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.0.unspanned() {
            Expr::Binary { .. }
            | Expr::Between { .. }
            | Expr::InList { .. }
            | Expr::Like { .. }
            | Expr::Unary { .. } => {
                write!(f, "({})", self.0)
            }
            other => write!(f, "{other}"),
        }
    }
}

impl fmt::Display for Expr {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let not = |negated: &bool| if *negated { "NOT " } else { "" };
        match self {
            Self::Column { table: Some(table), name } => write!(f, "{table}.{name}"),
            Self::Column { table: None, name } => write!(f, "{name}"),
            Self::Literal(value) => write!(f, "{value}"),
            Self::Alias(expr, name) => write!(f, "{expr} AS {name}"),
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
            Self::Binary { left, op, right } => write!(f, "{} {} {}", Operand(left), op.symbol(), Operand(right)),
            Self::Between { expr, low, high, negated } => {
                write!(f, "{} {}BETWEEN {} AND {}", Operand(expr), not(negated), Operand(low), Operand(high))
            }
            Self::InList { expr, list: items, negated } => {
                write!(f, "{} {}IN (", Operand(expr), not(negated))?;
                list(f, items)?;
                write!(f, ")")
            }
            Self::Like { expr, pattern, case_insensitive, negated, .. } => {
                let like = if *case_insensitive { "ILIKE" } else { "LIKE" };
                write!(f, "{} {}{like} {}", Operand(expr), not(negated), Operand(pattern))
            }
            Self::Case { operand, branches, otherwise } => {
                write!(f, "CASE")?;
                if let Some(operand) = operand {
                    write!(f, " {operand}")?;
                }
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
            Self::Call { name, args, .. } if name == "list_extract" && args.len() == 2 => {
                write!(f, "{}[{}]", Operand(&args[0]), args[1])
            }
            Self::Call { name, args, distinct, filter, order_by } => {
                write!(f, "{name}({}", if *distinct { "DISTINCT " } else { "" })?;
                if name == "count" && args.is_empty() {
                    write!(f, "*")?;
                }
                list(f, args)?;
                for (index, key) in order_by.iter().enumerate() {
                    write!(f, "{}{}", if index == 0 { " ORDER BY " } else { ", " }, key.expr)?;
                    if key.descending {
                        write!(f, " DESC")?;
                    }
                    if let Some(first) = key.nulls_first {
                        write!(f, " NULLS {}", if first { "FIRST" } else { "LAST" })?;
                    }
                }
                write!(f, ")")?;
                match filter {
                    Some(filter) => write!(f, " FILTER (WHERE {filter})"),
                    None => Ok(()),
                }
            }
            Self::Wildcard { table: Some(table), .. } => write!(f, "{table}.*"),
            Self::Wildcard { table: None, .. } => write!(f, "*"),
            Self::Spanned(inner, _) => write!(f, "{inner}"),
        }
    }
}
