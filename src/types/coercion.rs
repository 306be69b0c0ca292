//! Which type two types meet in, and what a CSV column's type becomes when another file disagrees.

use super::{DataType, TEXT, TIMESTAMP, is_float, is_integer, is_timestamp, list_of};

/// The largest precision of a decimal.
pub const MAX_PRECISION: u8 = 38;

/// The type that both sides of a comparison, the branches of CASE, the items of IN, or the inputs of UNION are
/// brought to; `None` where there is none. Text meets no other type in silence, as in PostgreSQL; literals are
/// adapted before this is asked.
pub fn common_type(left: &DataType, right: &DataType) -> Option<DataType> {
    use DataType::{Boolean, Date32, Decimal128, Null, Timestamp};
    if left == right {
        return Some(left.clone());
    }
    match (left, right) {
        (Null, other) | (other, Null) => Some(other.clone()),
        (a, b) if is_integer(a) && is_integer(b) => Some(wider(a, b)),
        (a, b) if is_float(a) && is_float(b) => Some(DataType::Float64),
        // A float of 4 bytes cannot hold every integer of 4 bytes, one of 8 bytes can.
        (a, b) if (is_float(a) && is_integer(b)) || (is_integer(a) && is_float(b)) => Some(DataType::Float64),
        (Decimal128(_, _), b) if is_float(b) => Some(DataType::Float64),
        (a, Decimal128(_, _)) if is_float(a) => Some(DataType::Float64),
        (Decimal128(p1, s1), Decimal128(p2, s2)) => Some(common_decimal((*p1, *s1), (*p2, *s2))),
        (Decimal128(p, s), b) if is_integer(b) => Some(common_decimal((*p, *s), integer_as_decimal(b))),
        (a, Decimal128(p, s)) if is_integer(a) => Some(common_decimal((*p, *s), integer_as_decimal(a))),
        (Date32, Timestamp(_, _)) => Some(right.clone()),
        (Timestamp(_, _), Date32) => Some(left.clone()),
        // Both are moments: the zone is only how they are shown; a zone wins over none.
        (Timestamp(_, Some(_)), Timestamp(_, _)) => Some(left.clone()),
        (Timestamp(_, None), Timestamp(_, Some(_))) => Some(right.clone()),
        (DataType::List(a), DataType::List(b)) => common_type(a.data_type(), b.data_type()).map(list_of),
        (Boolean, _) | (_, Boolean) => None,
        _ => None,
    }
}

fn wider(left: &DataType, right: &DataType) -> DataType {
    if integer_digits(left) >= integer_digits(right) { left.clone() } else { right.clone() }
}

/// Digits that any value of an integer type has at most.
fn integer_digits(data_type: &DataType) -> u8 {
    match data_type {
        DataType::Int8 => 3,
        DataType::Int16 => 5,
        DataType::Int32 => 10,
        _ => 19,
    }
}

/// Precision and scale of a decimal that holds every value of an integer type.
pub fn integer_as_decimal(data_type: &DataType) -> (u8, i8) {
    (integer_digits(data_type), 0)
}

fn common_decimal((p1, s1): (u8, i8), (p2, s2): (u8, i8)) -> DataType {
    let scale = s1.max(s2);
    let whole = (i16::from(p1) - i16::from(s1)).max(i16::from(p2) - i16::from(s2));
    let precision = (whole + i16::from(scale)).clamp(1, i16::from(MAX_PRECISION));
    DataType::Decimal128(u8::try_from(precision).unwrap_or(MAX_PRECISION), scale)
}

/// The lattice of inferred types over samples and files:
/// `Null < Boolean < Text`, `Null < Int64 < Float64 < Text`, `Date < Timestamp < Text`, zoned timestamps and times
/// apart. Unlike in [`common_type`] there is always an answer, since any column can be read as text.
pub fn merge_inferred(left: &DataType, right: &DataType) -> DataType {
    if left == right {
        return left.clone();
    }
    match (left, right) {
        (DataType::Null, other) | (other, DataType::Null) => other.clone(),
        (DataType::Boolean, _) | (_, DataType::Boolean) => TEXT,
        (DataType::Date32, DataType::Timestamp(_, None)) | (DataType::Timestamp(_, None), DataType::Date32) => {
            TIMESTAMP
        }
        (a, b) if is_timestamp(a) != is_timestamp(b) || (is_timestamp(a) && is_timestamp(b)) => TEXT,
        (a, b) => common_type(a, b).unwrap_or(TEXT),
    }
}

/// Whether a value of `from` may be given where `to` is expected without being asked: only where nothing is lost.
pub fn can_widen(from: &DataType, to: &DataType) -> bool {
    from == to || common_type(from, to).as_ref() == Some(to)
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::types::{TIME, timestamp_tz};

    fn all() -> Vec<DataType> {
        vec![
            DataType::Null,
            DataType::Boolean,
            DataType::Int8,
            DataType::Int32,
            DataType::Int64,
            DataType::Float32,
            DataType::Float64,
            DataType::Decimal128(10, 2),
            DataType::Date32,
            TIME,
            TIMESTAMP,
            timestamp_tz("UTC"),
            TEXT,
        ]
    }

    #[test]
    fn merging_does_not_depend_on_the_order_of_files() {
        for a in all() {
            for b in all() {
                assert_eq!(merge_inferred(&a, &b), merge_inferred(&b, &a), "{a} {b}");
                for c in [DataType::Null, DataType::Int64, DataType::Float64, DataType::Date32, TIMESTAMP, TEXT] {
                    let left = merge_inferred(&merge_inferred(&a, &b), &c);
                    let right = merge_inferred(&a, &merge_inferred(&b, &c));
                    if !matches!(left, DataType::Decimal128(_, _)) {
                        assert_eq!(left, right, "{a} {b} {c}");
                    }
                }
            }
        }
    }

    #[test]
    fn decimals_meet_without_losing_digits() {
        let met = common_type(&DataType::Decimal128(10, 2), &DataType::Decimal128(6, 5)).unwrap();
        assert_eq!(met, DataType::Decimal128(13, 5));
        assert_eq!(common_type(&DataType::Int64, &DataType::Decimal128(5, 2)).unwrap(), DataType::Decimal128(21, 2));
        assert_eq!(common_type(&DataType::Boolean, &DataType::Int64), None);
    }
}
