//! The examples run, and what they assert holds.

#[path = "../examples/delays.rs"]
mod delays;
#[path = "../examples/weather.rs"]
mod weather;

#[test]
fn delays_runs() {
    delays::main().unwrap();
}

#[test]
fn weather_runs() {
    weather::main().unwrap();
}
