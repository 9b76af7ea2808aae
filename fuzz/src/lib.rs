//! The program's modules, for the fuzz targets; `build.rs` says how they get here.

#![allow(warnings, reason = "the program's own checks look at its source")]

include!(concat!(env!("OUT_DIR"), "/src/modules.rs"));
