//! The tree that an expression is compiled to.

use std::sync::Arc;

use arrow::array::{Array, AsArray, BooleanArray, RecordBatch, RecordBatchOptions, StringViewBuilder};
use arrow::buffer::BooleanBuffer;
use arrow::datatypes::Schema;

use super::arithmetic::{arithmetic, negate};
use super::case;
use super::cast::{cast, cast_cannot_fail};
use super::compare::compare;
use super::in_list::{Set, in_list};
use super::like::{Matcher, like};
use super::logic;
use super::rows::Rows;
use crate::config::Config;
use crate::error::{Error, Result};
use crate::expr::{BinaryOp, BoundExpr, UnaryOp};
use crate::functions::scalar::kernel::{finish, map_text, text};
use crate::functions::scalar::{ScalarFunction, Value, lookup};
use crate::types::{DataType, is_float};

/// One operation.
#[derive(Debug)]
pub(super) enum Node {
    Column(usize),
    Literal(Value),
    /// NOT, IS NULL, IS TRUE and the like.
    Unary {
        op: UnaryOp,
        input: Box<Node>,
    },
    Negate {
        input: Box<Node>,
        data_type: DataType,
    },
    Arithmetic {
        op: BinaryOp,
        left: Box<Node>,
        right: Box<Node>,
        data_type: DataType,
    },
    Compare {
        op: BinaryOp,
        left: Box<Node>,
        right: Box<Node>,
    },
    /// AND or OR; `lazy` where the right side can fail.
    Logic {
        op: BinaryOp,
        left: Box<Node>,
        right: Box<Node>,
        lazy: bool,
    },
    Concat {
        left: Box<Node>,
        right: Box<Node>,
    },
    /// Over a list of constants.
    InSet {
        input: Box<Node>,
        set: Set,
        negated: bool,
    },
    InList {
        input: Box<Node>,
        list: Vec<Node>,
        negated: bool,
    },
    Like {
        input: Box<Node>,
        pattern: Pattern,
        escape: Option<char>,
        case_insensitive: bool,
        negated: bool,
    },
    Case {
        branches: Vec<(Node, Node)>,
        otherwise: Option<Box<Node>>,
        data_type: DataType,
    },
    Coalesce {
        inputs: Vec<Node>,
        data_type: DataType,
    },
    Cast {
        input: Box<Node>,
        to: DataType,
        try_cast: bool,
    },
    Call {
        function: &'static ScalarFunction,
        inputs: Vec<Node>,
    },
}

/// The right side of LIKE: compiled where it is a constant.
#[derive(Debug)]
pub(super) enum Pattern {
    Constant(Matcher),
    Dynamic(Box<Node>),
}

impl Node {
    /// Compiles an expression; parts without columns become constants, unless computing them fails: that is for the
    /// rows to find out, of which there may be none.
    pub fn compile(expr: &BoundExpr, config: &Config) -> Result<Self> {
        let node = Self::build(expr, config)?;
        let constant = !matches!(node, Self::Column(_) | Self::Literal(_)) && expr.columns().is_empty();
        if !constant {
            return Ok(node);
        }
        let options = RecordBatchOptions::new().with_row_count(Some(1));
        let one_row = RecordBatch::try_new_with_options(Arc::new(Schema::empty()), Vec::new(), &options)?;
        Ok(match node.evaluate(&Rows::all(&one_row), config) {
            Ok(Value::Scalar(value)) => Self::Literal(Value::Scalar(value)),
            Ok(Value::Array(array)) if array.len() == 1 => {
                Self::Literal(Value::Scalar(crate::types::Scalar::from_array(&array, 0)))
            }
            _ => node,
        })
    }

    fn build(expr: &BoundExpr, config: &Config) -> Result<Self> {
        let boxed = |expr: &BoundExpr| Self::compile(expr, config).map(Box::new);
        let all =
            |exprs: &[BoundExpr]| exprs.iter().map(|expr| Self::compile(expr, config)).collect::<Result<Vec<_>>>();
        Ok(match expr {
            BoundExpr::Column { index, .. } => Self::Column(*index),
            BoundExpr::Literal(value) => Self::Literal(Value::Scalar(value.clone())),
            BoundExpr::Unary { op: UnaryOp::Negate, expr } => {
                Self::Negate { input: boxed(expr)?, data_type: expr.data_type() }
            }
            BoundExpr::Unary { op, expr } => Self::Unary { op: *op, input: boxed(expr)? },
            BoundExpr::Binary { left, op, right, data_type } => {
                let (left, right_node) = (boxed(left)?, boxed(right)?);
                match op {
                    BinaryOp::And | BinaryOp::Or => {
                        Self::Logic { op: *op, lazy: can_fail(right), left, right: right_node }
                    }
                    BinaryOp::Concat => Self::Concat { left, right: right_node },
                    op if op.is_comparison() => Self::Compare { op: *op, left, right: right_node },
                    op => Self::Arithmetic { op: *op, left, right: right_node, data_type: data_type.clone() },
                }
            }
            BoundExpr::InList { expr, list, negated } => {
                let (input, list, negated) = (boxed(expr)?, all(list)?, *negated);
                match Set::of(&list) {
                    Some(set) => Self::InSet { input, set, negated },
                    None => Self::InList { input, list, negated },
                }
            }
            BoundExpr::Like { expr, pattern, escape, case_insensitive, negated } => {
                let (input, pattern) = (boxed(expr)?, boxed(pattern)?);
                let constant = match &*pattern {
                    Self::Literal(Value::Scalar(text)) => text.as_str(),
                    _ => None,
                };
                let pattern = match constant.map(|text| Matcher::new(text, *escape, *case_insensitive)) {
                    Some(Ok(matcher)) => Pattern::Constant(matcher),
                    _ => Pattern::Dynamic(pattern),
                };
                let (escape, case_insensitive, negated) = (*escape, *case_insensitive, *negated);
                Self::Like { input, pattern, escape, case_insensitive, negated }
            }
            BoundExpr::Case { branches, otherwise, data_type } => Self::Case {
                branches: branches
                    .iter()
                    .map(|(condition, result)| Ok((Self::compile(condition, config)?, Self::compile(result, config)?)))
                    .collect::<Result<_>>()?,
                otherwise: otherwise.as_deref().map(boxed).transpose()?,
                data_type: data_type.clone(),
            },
            BoundExpr::Cast { expr, to, try_cast } => {
                Self::Cast { input: boxed(expr)?, to: to.clone(), try_cast: *try_cast }
            }
            BoundExpr::Call { name, args, data_type } => {
                let inputs = all(args)?;
                match (*name, args.as_slice()) {
                    ("coalesce", _) => Self::Coalesce { inputs, data_type: data_type.clone() },
                    ("if", [condition, result, otherwise]) => Self::Case {
                        branches: vec![(Self::compile(condition, config)?, Self::compile(result, config)?)],
                        otherwise: Some(boxed(otherwise)?),
                        data_type: data_type.clone(),
                    },
                    _ => {
                        let function = lookup(name)
                            .ok_or_else(|| Error::internal(format!("the function {name} is not registered")))?;
                        Self::Call { function, inputs }
                    }
                }
            }
        })
    }

    /// The value for each of the rows, or the one value of all.
    pub fn evaluate(&self, rows: &Rows<'_>, config: &Config) -> Result<Value> {
        match self {
            Self::Column(index) => Ok(Value::Array(rows.column(*index)?)),
            Self::Literal(value) => Ok(value.clone()),
            Self::Unary { op, input } => unary(*op, &input.evaluate(rows, config)?),
            Self::Negate { input, data_type } => negate(&input.evaluate(rows, config)?, data_type),
            Self::Arithmetic { op, left, right, data_type } => {
                let sides = [left.evaluate(rows, config)?, right.evaluate(rows, config)?];
                arithmetic(*op, &sides, rows.len(), data_type, config)
            }
            Self::Compare { op, left, right } => {
                compare(*op, &left.evaluate(rows, config)?, &right.evaluate(rows, config)?)
            }
            Self::Logic { op, left, right, lazy } => logic::evaluate(*op, left, right, *lazy, rows, config),
            Self::Concat { left, right } => {
                concat(&[left.evaluate(rows, config)?, right.evaluate(rows, config)?], rows.len())
            }
            Self::InSet { input, set, negated } => set.contains(&input.evaluate(rows, config)?, *negated),
            Self::InList { input, list, negated } => {
                let input = input.evaluate(rows, config)?;
                let list = list.iter().map(|item| item.evaluate(rows, config)).collect::<Result<Vec<_>>>()?;
                in_list(&input, &list, *negated)
            }
            Self::Like { input, pattern, escape, case_insensitive, negated } => {
                let input = input.evaluate(rows, config)?;
                match pattern {
                    Pattern::Constant(matcher) => matcher.matches(&input, *negated),
                    Pattern::Dynamic(pattern) => {
                        let sides = [input, pattern.evaluate(rows, config)?];
                        like(&sides, rows.len(), *escape, *case_insensitive, *negated)
                    }
                }
            }
            Self::Case { branches, otherwise, data_type } => {
                case::case(branches, otherwise.as_deref(), data_type, rows, config)
            }
            Self::Coalesce { inputs, data_type } => case::coalesce(inputs, data_type, rows, config),
            Self::Cast { input, to, try_cast } => cast(&input.evaluate(rows, config)?, to, *try_cast, config),
            Self::Call { function, inputs } => {
                let args = inputs.iter().map(|input| input.evaluate(rows, config)).collect::<Result<Vec<_>>>()?;
                (function.evaluate)(&args, rows.len(), config)
            }
        }
    }
}

/// Whether evaluating the expression can raise an error, so that rows must be kept from it. A function is taken to.
pub(super) fn can_fail(expr: &BoundExpr) -> bool {
    let own = match expr {
        BoundExpr::Binary { op: BinaryOp::Divide | BinaryOp::Modulo, .. } => true,
        BoundExpr::Binary { op, data_type, .. } => op.is_arithmetic() && !is_float(data_type),
        BoundExpr::Unary { op: UnaryOp::Negate, expr } => !is_float(&expr.data_type()),
        BoundExpr::Cast { expr, to, try_cast } => !try_cast && !cast_cannot_fail(&expr.data_type(), to),
        BoundExpr::Call { .. } => true,
        BoundExpr::Like { pattern, .. } => !matches!(**pattern, BoundExpr::Literal(_)),
        _ => false,
    };
    own || expr.children().into_iter().any(can_fail)
}

fn unary(op: UnaryOp, input: &Value) -> Result<Value> {
    let array = input.values();
    // A column of type NULL has no validity bitmap of its own.
    let valid = |index: usize| array.logical_nulls().is_none_or(|nulls| nulls.is_valid(index));
    let result = match op {
        UnaryOp::IsNull => arrow::compute::is_null(array)?,
        UnaryOp::IsNotNull => arrow::compute::is_not_null(array)?,
        _ if *array.data_type() == DataType::Null => {
            let known = matches!(op, UnaryOp::IsNotTrue | UnaryOp::IsNotFalse);
            let nulls = (op == UnaryOp::Not).then(|| arrow::buffer::NullBuffer::new_null(array.len()));
            BooleanArray::new(BooleanBuffer::collect_bool(array.len(), |index| known && !valid(index)), nulls)
        }
        _ => {
            let array = array
                .as_boolean_opt()
                .ok_or_else(|| Error::internal(format!("a truth value of type {}", array.data_type())))?;
            let truth = |wanted: bool, found: bool| {
                let is = |index: usize| array.is_valid(index) && array.value(index) == wanted;
                BooleanArray::from(BooleanBuffer::collect_bool(array.len(), |index| is(index) == found))
            };
            match op {
                UnaryOp::IsTrue => truth(true, true),
                UnaryOp::IsNotTrue => truth(true, false),
                UnaryOp::IsFalse => truth(false, true),
                UnaryOp::IsNotFalse => truth(false, false),
                _ => arrow::compute::not(array)?,
            }
        }
    };
    Ok(input.like_me(Arc::new(result)))
}

/// `||`: null where a side is null.
fn concat(sides: &[Value; 2], rows: usize) -> Result<Value> {
    if sides.iter().any(|side| *side.data_type() == DataType::Null) {
        let mut nulls = StringViewBuilder::new();
        nulls.append_null();
        return Ok(finish(&[], Arc::new(nulls.finish())));
    }
    let (left, right) = (text(sides, 0)?, text(sides, 1)?);
    map_text(sides, rows, |row, out| {
        Ok(left.get(row).zip(right.get(row)).map(|(left, right)| {
            out.push_str(left);
            out.push_str(right);
        }))
    })
}
