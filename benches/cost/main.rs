//! `make bench`: what the program costs, as ratios to the bare work (`examples/floor.rs`), measured in the same run on
//! the same machine. Nothing here fails on a slow machine: it prints, a person judges.
//!
//! `PROGRAM` and `FLOOR` name the two builds; `FILES` the largest number of token files (100,000); `ROWS` a part of the
//! name of the rows to measure, where not all are wanted.

#![allow(clippy::expect_used, clippy::unwrap_used, reason = "a bench that cannot measure has nothing to say")]
#![allow(clippy::cast_precision_loss, reason = "figures for people")]

#[path = "../../tests/support/mod.rs"]
mod support;

mod commands;
mod cycles;
mod figures;
mod memory;
mod programs;
mod projects;
mod refreshes;
mod window;

use programs::Programs;

fn main() {
    let programs = Programs::from_environment();
    let size = std::fs::metadata(&programs.program).map_or(0, |metadata| metadata.len());
    println!("{}, {size} bytes; beside {}", programs.program.display(), programs.floor.display());
    println!(
        "medians (smallest .. largest) of {} repetitions, unless another number stands there",
        figures::REPETITIONS
    );
    let most: usize = std::env::var("FILES").ok().and_then(|text| text.parse().ok()).unwrap_or(100_000);
    let wanted = std::env::var("ROWS").unwrap_or_default();
    let rows: [(&str, &dyn Fn()); 8] = [
        ("commands", &|| commands::measure(&programs)),
        ("idle", &|| cycles::idle(&programs)),
        ("cycles", &|| cycles::measure(&programs, most)),
        ("configurations", &|| cycles::configurations(&programs)),
        ("memory", &|| memory::measure(&programs, most)),
        ("refresh", &|| refreshes::one(&programs)),
        ("window", &|| window::measure(&programs)),
        ("many", &|| refreshes::many(&programs)),
    ];
    for (name, measure) in rows {
        if name.contains(&wanted) {
            measure();
        }
    }
}
