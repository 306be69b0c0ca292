//! The daily mean temperature of each airport, by resampling: `cargo run --example weather`.

use highwater::prelude::*;

pub fn main() -> Result<()> {
    let session = Session::new(Config::default())?;
    let weather = session.read_csv("data/weather/*.csv", CsvOptions::default())?;
    println!("{} partitions, columns {:?}", weather.npartitions()?, weather.columns());

    let daily = weather.resample("1d").on("time_hour").by(["origin"]).mean(&["temp"])?;
    println!("{}", daily.explain()?);

    let first = daily.head(3)?;
    assert_eq!(first.num_rows(), 3);
    assert_eq!(daily.count_rows()?, 1092, "three airports, 364 days");
    Ok(())
}
