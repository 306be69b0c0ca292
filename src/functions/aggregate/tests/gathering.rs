//! Aggregates that keep values in an order: `array_agg`, `string_agg`, and `first` and `last` with ORDER BY.

use arrow::compute::SortOptions;

use super::*;

/// Keys of ORDER BY: descending, nulls first.
type Keys<'a> = &'a [(bool, bool)];

/// An aggregate in an order, over rows that are cut into batches, given to several accumulators and merged in reverse.
struct Ordered<'a> {
    name: &'a str,
    constants: &'a [Scalar],
    distinct: bool,
    keys: Keys<'a>,
    groups: u32,
    parts: usize,
    step: usize,
}

impl Ordered<'_> {
    fn accumulator(&self, columns: &[ArrayRef]) -> Box<dyn Accumulator> {
        let function = lookup(self.name).unwrap();
        let mut types = vec![columns[0].data_type().clone()];
        types.extend(self.constants.iter().map(|constant| constant.data_type().clone()));
        let signature = (function.resolve)(&types).unwrap();
        let order = self.keys.iter().enumerate().map(|(index, &(descending, nulls_first))| OrderKey {
            data_type: columns[if self.distinct { 0 } else { index + 1 }].data_type().clone(),
            options: SortOptions { descending, nulls_first },
            argument: self.distinct.then_some(0),
        });
        let order: Vec<_> = order.collect();
        match self.distinct {
            true => create_distinct(function, &signature, self.constants, &order).unwrap(),
            false => function.accumulator(&signature, self.constants, &order).unwrap(),
        }
    }

    /// The results, of the value and the columns of the keys.
    fn over(&self, columns: &[ArrayRef], filter: &BooleanArray) -> Vec<Option<String>> {
        let mut parts: Vec<_> = (0..self.parts).map(|_| self.accumulator(columns)).collect();
        let (length, group_count) = (columns[0].len(), self.groups as usize);
        for (turn, start) in (0..length).step_by(self.step).enumerate() {
            let rows = self.step.min(length - start);
            let groups: Vec<u32> = (start..start + rows).map(|row| row as u32 % self.groups).collect();
            let positions: Vec<u64> = (start..start + rows).map(|row| row as u64).collect();
            let filter = filter.slice(start, rows);
            let grouped = GroupedRows { groups: &groups, group_count, filter: Some(&filter), positions: &positions };
            let cut: Vec<_> = columns.iter().map(|column| column.slice(start, rows)).collect();
            let part = &mut parts[turn % self.parts];
            let bytes = cut.iter().map(|column| column.get_buffer_memory_size()).sum();
            let foreseen = part.memory() + part.growth(rows, group_count, bytes);
            part.update(&cut, &grouped).unwrap();
            assert!(part.memory() <= foreseen, "{} bytes were foreseen, {} are held", foreseen, part.memory());
        }
        let mut total = self.accumulator(columns);
        for part in parts.iter_mut().rev() {
            let states = part.state().unwrap();
            let types: Vec<_> = states.iter().map(|state| state.data_type().clone()).collect();
            assert_eq!(types, part.state_types());
            let groups: Vec<u32> = (0..states[0].len() as u32).collect();
            total.merge(&states, &groups, group_count).unwrap();
        }
        let result = total.finish().unwrap();
        assert_eq!(result.len(), group_count);
        (0..group_count).map(|group| format_value(&result, group)).collect()
    }
}

type Row = (Option<u8>, Option<i64>, Option<bool>);

/// The rows of a group that count, in the order of the keys, each key of two possible columns.
fn twin(rows: &[Row], group: usize, groups: usize, keys: Keys<'_>) -> Vec<Option<u8>> {
    let counted = |row: &usize| row % groups == group && rows[*row].2 == Some(true);
    let mut counted: Vec<usize> = (0..rows.len()).filter(counted).collect();
    let column = |row: usize, key: usize| if key == 0 { rows[row].1 } else { rows[row].0.map(i64::from) };
    counted.sort_by(|&a, &b| {
        let of_key =
            keys.iter().enumerate().map(|(key, &(descending, nulls_first))| match (column(a, key), column(b, key)) {
                (None, None) => std::cmp::Ordering::Equal,
                (None, Some(_)) => {
                    if nulls_first {
                        std::cmp::Ordering::Less
                    } else {
                        std::cmp::Ordering::Greater
                    }
                }
                (Some(_), None) => {
                    if nulls_first {
                        std::cmp::Ordering::Greater
                    } else {
                        std::cmp::Ordering::Less
                    }
                }
                (Some(a), Some(b)) => {
                    if descending {
                        b.cmp(&a)
                    } else {
                        a.cmp(&b)
                    }
                }
            });
        of_key.fold(std::cmp::Ordering::Equal, std::cmp::Ordering::then)
    });
    counted.into_iter().map(|row| rows[row].0).collect()
}

fn text_of(value: u8) -> String {
    "a text that is longer than a view"[..usize::from(value) % 34].to_string() + "-" + &value.to_string()
}

fn list(items: &[Option<u8>], text: impl Fn(u8) -> String) -> Option<String> {
    let shown: Vec<_> = items.iter().map(|item| item.map_or("NULL".to_string(), &text)).collect();
    (!items.is_empty()).then(|| format!("[{}]", shown.join(", ")))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn values_are_gathered_in_order_however_they_are_cut(
        rows in prop::collection::vec(
            (prop::option::weighted(0.8, 0u8..40), prop::option::weighted(0.8, -3i64..3), prop::option::weighted(0.9, prop::bool::weighted(0.8))),
            1..150,
        ),
        keys in prop::collection::vec((any::<bool>(), any::<bool>()), 0..3),
        groups in 1u32..6, parts in 1usize..4, step in 1usize..40,
    ) {
        let numbers: ArrayRef = Arc::new(rows.iter().map(|row| row.0.map(i64::from)).collect::<Int64Array>());
        let texts: ArrayRef = Arc::new(rows.iter().map(|row| row.0.map(text_of)).collect::<StringViewArray>());
        let first_key: ArrayRef = Arc::new(rows.iter().map(|row| row.1).collect::<Int64Array>());
        let filter: BooleanArray = rows.iter().map(|row| row.2).collect();
        let order_columns = [first_key, numbers.clone()];
        let columns = |value: &ArrayRef| {
            std::iter::once(value.clone()).chain(order_columns.iter().take(keys.len()).cloned()).collect::<Vec<_>>()
        };
        let separator = [Scalar::text("; ")];
        let run = |name, constants| Ordered { name, constants, distinct: false, keys: &keys, groups, parts, step };
        let expected: Vec<_> = (0..groups as usize).map(|group| twin(&rows, group, groups as usize, &keys)).collect();

        let found = run("array_agg", &[]).over(&columns(&numbers), &filter);
        prop_assert_eq!(found, expected.iter().map(|items| list(items, |item| item.to_string())).collect::<Vec<_>>());
        let found = run("list", &[]).over(&columns(&texts), &filter);
        prop_assert_eq!(found, expected.iter().map(|items| list(items, text_of)).collect::<Vec<_>>());
        let found = run("string_agg", &separator).over(&columns(&texts), &filter);
        let joined = |items: &Vec<Option<u8>>| {
            let texts: Vec<_> = items.iter().flatten().map(|item| text_of(*item)).collect();
            (!texts.is_empty()).then(|| texts.join("; "))
        };
        prop_assert_eq!(found, expected.iter().map(joined).collect::<Vec<_>>());
        let show = |item: Option<&Option<u8>>| item.copied().flatten().map(|item| item.to_string());
        prop_assert_eq!(run("first", &[]).over(&columns(&numbers), &filter), expected.iter().map(|items| show(items.first())).collect::<Vec<_>>());
        prop_assert_eq!(run("last", &[]).over(&columns(&numbers), &filter), expected.iter().map(|items| show(items.last())).collect::<Vec<_>>());
        prop_assert_eq!(run("any_value", &[]).over(&columns(&numbers), &filter), expected.iter().map(|items| show(items.iter().find(|item| item.is_some()))).collect::<Vec<_>>());
    }

    #[test]
    fn distinct_values_stand_where_they_came_first_or_in_order(
        rows in prop::collection::vec((prop::option::weighted(0.8, 0u8..6), Just(None), prop::bool::weighted(0.9).prop_map(Some)), 1..100),
        key in prop::option::of((any::<bool>(), any::<bool>())),
        groups in 1u32..4, parts in 1usize..4, step in 1usize..30,
    ) {
        let numbers: ArrayRef = Arc::new(rows.iter().map(|row: &Row| row.0.map(i64::from)).collect::<Int64Array>());
        let filter: BooleanArray = rows.iter().map(|row| row.2).collect();
        let keys: Vec<_> = key.into_iter().collect();
        let run = Ordered { name: "array_agg", constants: &[], distinct: true, keys: &keys, groups, parts, step };
        let expected = (0..groups as usize).map(|group| {
            let mut seen = Vec::new();
            for item in twin(&rows, group, groups as usize, &[]) {
                if !seen.contains(&item) {
                    seen.push(item);
                }
            }
            if let Some((descending, nulls_first)) = key {
                let of_null = if nulls_first { -1 } else { 1000 };
                seen.sort_by_key(|item| item.map_or(of_null, |item| if descending { 500 - i32::from(item) } else { item.into() }));
            }
            list(&seen, |item| item.to_string())
        });
        prop_assert_eq!(run.over(&[numbers], &filter), expected.collect::<Vec<_>>());
    }

    #[test]
    fn bins_add_up(
        values in prop::collection::vec(prop::option::weighted(0.9, -20i64..20), 1..80), bins in 1i64..9,
        groups in 1u32..4, parts in 1usize..4, step in 1usize..20,
    ) {
        let column: ArrayRef = Arc::new(values.iter().map(|value| value.map(|value| value as f64)).collect::<Float64Array>());
        let constants = [Scalar::float64(-10.0), Scalar::float64(10.0), Scalar::int64(bins)];
        let run = Run { name: "histogram", constants: &constants, distinct: false, groups, parts, step };
        let found = run.over(&column).unwrap();
        for group in 0..groups as usize {
            let of_group = values.iter().skip(group).step_by(groups as usize).flatten();
            let mut counts = vec![0; bins as usize];
            for value in of_group.filter(|value| (-10..=10).contains(*value)) {
                // Exactly: the bin k has (value + 10) · bins from 20 k to 20 (k + 1).
                counts[(((value + 10) * bins / 20) as usize).min(bins as usize - 1)] += 1;
            }
            let counts: Vec<_> = counts.iter().map(ToString::to_string).collect();
            prop_assert_eq!(format_value(&found, group), Some(format!("[{}]", counts.join(", "))));
        }
    }
}

#[test]
fn lists_of_every_type_keep_their_values() {
    let moments: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![Some(5), None]).with_timezone("UTC"));
    assert_eq!(one("array_agg", moments).unwrap(), "[1970-01-01 00:00:00.000005+00, NULL]");
    assert_eq!(one("array_agg", floats(&[-0.0, f64::NAN])).unwrap(), "[-0.0, NaN]");
    let conditions: ArrayRef = Arc::new(BooleanArray::from(vec![Some(true), None, Some(false)]));
    assert_eq!(one("array_agg", conditions).unwrap(), "[true, NULL, false]");
    let of = IntervalMonthDayNano::new;
    let intervals: ArrayRef = Arc::new(IntervalMonthDayNanoArray::from(vec![of(0, 30, 0), of(1, 0, 0)]));
    assert_eq!(one("array_agg", intervals).unwrap(), "[30 days, 1 mon]");
    let decimals = Decimal128Array::from(vec![-5, 7]).with_precision_and_scale(6, 2).unwrap();
    assert_eq!(one("array_agg", Arc::new(decimals)).unwrap(), "[-0.05, 0.07]");
    assert_eq!(one("array_agg", floats(&[])), None);
    let list = crate::types::list_of(DataType::Int64);
    for name in ["array_agg", "min", "max", "mode", "first", "sum", "approx_count_distinct"] {
        assert!((lookup(name).unwrap().resolve)(std::slice::from_ref(&list)).is_err(), "{name} of lists");
    }
}
