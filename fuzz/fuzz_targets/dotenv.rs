//! A `.env` file of any bytes.

#![no_main]

use std::path::Path;

use libfuzzer_sys::fuzz_target;
use token_refresher_fuzz::settings::dotenv::parse;

fuzz_target!(|bytes: &[u8]| {
    let found = parse(Path::new(".env"), bytes);
    for assignment in &found.assignments {
        assert!(
            !assignment.name.is_empty() && !assignment.name.contains(['=', '\n', ' ']),
            "{:?}",
            assignment.name
        );
    }
    // Enough to find the mistakes, and not a line for each line of another file.
    assert!(found.warnings.len() <= 20, "{} warnings", found.warnings.len());
    for warning in &found.warnings {
        assert!(!warning.contains('\n'), "{warning:?}");
    }
});
