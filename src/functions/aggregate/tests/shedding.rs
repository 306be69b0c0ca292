//! Aggregates whose large groups go to disk in parts give what they give in memory.

use std::sync::Mutex;

use arrow::compute::SortOptions;

use super::*;
use crate::batch::variable_bytes;

/// Runs in memory, until they are read.
#[derive(Default)]
struct Kept(Mutex<Vec<(RunSize, Option<Vec<RunBlock>>)>>);

impl RunStore for Kept {
    fn write(&self, blocks: &mut dyn Iterator<Item = Result<RunBlock>>) -> Result<u64> {
        let blocks = blocks.collect::<Result<Vec<_>>>()?;
        let mut size = RunSize::default();
        for block in &blocks {
            let memory = block.iter().map(|column| column.get_array_memory_size() as u64).sum();
            size.rows += block[0].len() as u64;
            size.memory += memory;
            size.value_bytes += block.last().map_or(0, variable_bytes) as u64;
            size.reading = size.reading.max(memory);
        }
        let mut runs = self.0.lock().unwrap();
        runs.push((size, Some(blocks)));
        Ok(runs.len() as u64 - 1)
    }

    fn read(&self, run: u64) -> Result<Blocks> {
        let blocks = self.0.lock().unwrap()[run as usize].1.take().expect("a run is read once");
        Ok(Box::new(blocks.into_iter().map(Ok)))
    }

    fn size(&self, run: u64) -> RunSize {
        self.0.lock().unwrap()[run as usize].0
    }

    fn block_bytes(&self) -> usize {
        70
    }
}

impl Kept {
    /// How many runs there are that nobody read.
    fn left(&self) -> usize {
        self.0.lock().unwrap().iter().filter(|run| run.1.is_some()).count()
    }
}

/// A call of an aggregate over columns, of which those behind the arguments are its ORDER BY.
#[derive(Debug)]
struct Call<'a> {
    name: &'a str,
    arguments: usize,
    constants: &'a [Scalar],
    distinct: bool,
    descending: &'a [bool],
}

impl Call<'_> {
    fn accumulator(&self, columns: &[ArrayRef]) -> Box<dyn Accumulator> {
        let function = lookup(self.name).unwrap();
        let types = columns[..self.arguments].iter().map(|column| column.data_type().clone());
        let types = types.chain(self.constants.iter().map(|constant| constant.data_type().clone()));
        let signature = (function.resolve)(&types.collect::<Vec<_>>()).unwrap();
        let order = self.descending.iter().enumerate().map(|(index, &descending)| OrderKey {
            data_type: columns[if self.distinct { index } else { self.arguments + index }].data_type().clone(),
            options: SortOptions { descending, nulls_first: descending },
            argument: self.distinct.then_some(index),
        });
        let order: Vec<_> = order.collect();
        match self.distinct {
            true => create_distinct(function, &signature, self.constants, &order).unwrap(),
            false => function.accumulator(&signature, self.constants, &order).unwrap(),
        }
    }
}

/// How rows are cut into batches and groups, and dealt out to accumulators that are merged.
#[derive(Clone, Copy)]
struct Cut {
    groups: u32,
    parts: usize,
    step: usize,
}

impl Cut {
    /// The results, where groups of so many bytes are shed in turn.
    fn over(self, call: &Call<'_>, columns: &[ArrayRef], sheds: &[Option<usize>]) -> Vec<Option<String>> {
        let kept = Arc::new(Kept::default());
        let store: Arc<dyn RunStore> = kept.clone();
        let new = || {
            let mut accumulator = call.accumulator(columns);
            accumulator.use_runs(&store);
            accumulator
        };
        let mut sheds = sheds.iter().cycle();
        let mut shed = |accumulator: &mut Box<dyn Accumulator>| {
            if let Some(least) = sheds.next().unwrap() {
                accumulator.shed(*least).unwrap();
            }
        };
        let (group_count, length) = (self.groups as usize, columns[0].len());
        let (mut all, mut total) = ((0..self.parts).map(|_| new()).collect::<Vec<_>>(), new());
        for (turn, start) in (0..length).step_by(self.step).enumerate() {
            let rows = self.step.min(length - start);
            let numbers: Vec<u32> = (start..start + rows).map(|row| row as u32 % self.groups).collect();
            let positions: Vec<u64> = (start..start + rows).map(|row| row as u64).collect();
            let grouped = GroupedRows { groups: &numbers, group_count, filter: None, positions: &positions };
            let columns: Vec<_> = columns.iter().map(|column| column.slice(start, rows)).collect();
            let part = &mut all[turn % self.parts];
            part.update(&columns, &grouped).unwrap();
            shed(part);
        }
        for part in all.iter_mut().rev() {
            let states = part.state().unwrap();
            let types: Vec<_> = states.iter().map(|state| state.data_type().clone()).collect();
            assert_eq!(types, part.state_types(), "{call:?}");
            let numbers: Vec<u32> = (0..states[0].len() as u32).collect();
            let foreseen = total.memory() + total.merge_growth(&states, group_count);
            total.merge(&states, &numbers, group_count).unwrap();
            assert!(total.memory() <= foreseen, "{call:?}: {foreseen} bytes were foreseen, not {}", total.memory());
            shed(&mut total);
        }
        total.join_runs().unwrap();
        assert!(kept.left() <= 16 * group_count, "{call:?}: {} runs are read at once", kept.left());
        let result = total.finish().unwrap();
        assert_eq!(kept.left(), 0, "{call:?}: runs that nobody read");
        // Floats are told apart to the bit.
        (0..group_count)
            .map(|group| match result.as_primitive_opt::<Float64Type>() {
                Some(floats) => floats.is_valid(group).then(|| format!("{:x}", floats.value(group).to_bits())),
                None => format_value(&result, group),
            })
            .collect()
    }
}

type Row = (Option<f64>, Option<u8>);

fn row() -> impl Strategy<Value = Row> {
    let float = prop_oneof![
        (-9i64..9).prop_map(|n| n as f64 / 4.0),
        prop::sample::select(vec![0.0, -0.0, f64::NAN, -f64::NAN, f64::INFINITY]),
        any::<f64>(),
    ];
    (prop::option::weighted(0.9, float), prop::option::weighted(0.9, 0u8..20))
}

proptest! {
    #![proptest_config(ProptestConfig { cases: 96, ..ProptestConfig::default() })]

    #[test]
    fn what_was_shed_counts_as_what_was_kept(
        rows in prop::collection::vec(row(), 1..300),
        groups in 1u32..5, parts in 1usize..4, step in 1usize..30, fraction in 0.0f64..=1.0,
        sheds in prop::collection::vec(prop::option::weighted(0.5, 1usize..400), 1..40),
    ) {
        let floats: ArrayRef = Arc::new(rows.iter().map(|row| row.0).collect::<Float64Array>());
        let integers: ArrayRef = Arc::new(rows.iter().map(|row| row.1.map(i64::from)).collect::<Int64Array>());
        let halves: ArrayRef = Arc::new(rows.iter().map(|row| row.1.map(|n| f64::from(n) / 2.0)).collect::<Float64Array>());
        let text = |n: u8| format!("{}{n}", "a text longer than a view ".repeat(usize::from(n) % 4));
        let texts: ArrayRef = Arc::new(rows.iter().map(|row| row.1.map(text)).collect::<StringViewArray>());
        let truths: ArrayRef = Arc::new(rows.iter().map(|row| row.1.map(|n| n % 2 == 0)).collect::<BooleanArray>());
        let (fraction, separator) = ([Scalar::float64(fraction)], [Scalar::text("; ")]);
        let plain = |name| Call { name, arguments: 1, constants: &[], distinct: false, descending: &[] };
        let distinct = |name| Call { distinct: true, ..plain(name) };
        let joined = Call { constants: &separator, ..plain("string_agg") };
        let cut = Cut { groups, parts, step };
        let check = |call: Call<'_>, columns: &[&ArrayRef]| {
            let columns: Vec<ArrayRef> = columns.iter().map(|column| (*column).clone()).collect();
            let expected = Cut { parts: 1, ..cut }.over(&call, &columns, &[None]);
            prop_assert_eq!(cut.over(&call, &columns, &sheds), expected, "{:?}", call);
            Ok(())
        };
        for name in ["median", "product"] {
            check(plain(name), &[&floats])?;
            check(distinct(name), &[&floats])?;
        }
        for name in ["quantile", "quantile_disc"] {
            check(Call { constants: &fraction, ..plain(name) }, &[&floats])?;
            check(Call { constants: &fraction, ..distinct(name) }, &[&floats])?;
        }
        for column in [&floats, &integers, &texts, &truths] {
            check(plain("mode"), &[column])?;
            check(plain("array_agg"), &[column])?;
            check(Call { descending: &[true, false], ..plain("array_agg") }, &[column, &texts, &floats])?;
            check(distinct("count"), &[column])?;
            check(distinct("mode"), &[column])?;
            check(distinct("array_agg"), &[column])?;
            check(Call { descending: &[true], ..distinct("array_agg") }, &[column])?;
        }
        check(Call { constants: &separator, ..plain("string_agg") }, &[&texts])?;
        check(Call { constants: &separator, descending: &[false], ..plain("string_agg") }, &[&texts, &floats])?;
        check(Call { distinct: true, ..joined }, &[&texts])?;
        check(distinct("sum"), &[&floats])?;
        check(Call { arguments: 2, ..distinct("corr") }, &[&floats, &halves])?;
    }
}

#[test]
fn many_runs_of_a_group_become_one() {
    let store: Arc<dyn RunStore> = Arc::new(Kept::default());
    let mut median = accumulator("median", &[DataType::Float64], &[], false);
    median.use_runs(&store);
    for turn in 0..100 {
        let column = floats(&(0..50).map(|n| f64::from((n * 37 + turn * 11) % 1009)).collect::<Vec<_>>());
        let rows = GroupedRows { groups: &[0; 50], group_count: 1, filter: None, positions: &[] };
        median.update(&[column], &rows).unwrap();
        assert!(median.shed(50).unwrap());
        assert!(!median.shed(1).unwrap(), "nothing is left in memory");
    }
    let states = median.state().unwrap();
    assert!(states[1].as_list::<i64>().values().len() <= 17);
    median.merge(&states, &[0], 1).unwrap();
    let mut all: Vec<f64> =
        (0..100).flat_map(|turn| (0..50).map(move |n| f64::from((n * 37 + turn * 11) % 1009))).collect();
    all.sort_by(f64::total_cmp);
    assert_eq!(all_bits(&median.finish().unwrap()), [Some(((all[2499] + all[2500]) / 2.0).to_bits())]);
}

#[test]
fn runs_of_a_group_that_many_states_brought_are_joined_before_they_are_read() {
    let integers: ArrayRef = Arc::new(Int64Array::from_iter_values((0..2000).map(|n| n * 37 % 1009)));
    let floats: ArrayRef = Arc::new(Float64Array::from_iter_values((0..2000).map(|n| f64::from(n * 37 % 1009))));
    let plain = |name| Call { name, arguments: 1, constants: &[], distinct: false, descending: &[] };
    let cut = Cut { groups: 1, parts: 100, step: 10 };
    for (call, columns) in [
        (plain("median"), vec![floats.clone()]),
        (plain("mode"), vec![integers.clone()]),
        (plain("array_agg"), vec![integers.clone()]),
        (Call { descending: &[true], ..plain("array_agg") }, vec![integers.clone(), floats]),
        (Call { distinct: true, ..plain("count") }, vec![integers]),
    ] {
        let expected = Cut { parts: 1, ..cut }.over(&call, &columns, &[None]);
        assert_eq!(cut.over(&call, &columns, &[Some(1)]), expected, "{call:?}");
    }
}

#[test]
fn values_that_come_again_in_each_run_are_kept_once_where_runs_become_one() {
    let kept = Arc::new(Kept::default());
    let store: Arc<dyn RunStore> = kept.clone();
    let mut mode = accumulator("mode", &[DataType::Int64], &[], false);
    mode.use_runs(&store);
    let column: ArrayRef = Arc::new(Int64Array::from_iter_values((0..60).map(|n| n / 2 + n / 59)));
    let rows = GroupedRows { groups: &[0; 60], group_count: 1, filter: None, positions: &[] };
    for _ in 0..200 {
        mode.update(std::slice::from_ref(&column), &rows).unwrap();
        assert!(mode.shed(1).unwrap());
    }
    let left: u64 = kept.0.lock().unwrap().iter().filter(|run| run.1.is_some()).map(|run| run.0.rows).sum();
    assert!(left <= 17 * 31, "{left} values are in runs");
    assert_eq!(format_value(&mode.finish().unwrap(), 0).unwrap(), "0");
}
