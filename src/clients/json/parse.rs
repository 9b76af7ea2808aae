//! Parses a JSONC text, and finds the place of a fault.

use std::fmt;

use jsonc_parser::ast::Value;
use jsonc_parser::{CollectOptions, ParseOptions, parse_to_ast};

use super::draft::position;

/// Why a file is left alone, and the place of the fault.
#[derive(Debug)]
pub(in crate::clients) struct FaultAt {
    line: usize,
    column: usize,
    what: String,
}

impl FaultAt {
    pub(super) fn new(text: &str, offset: usize, what: impl Into<String>) -> Self {
        let (line, column) = position(text, offset);
        Self { line, column, what: what.into() }
    }
}

impl fmt::Display for FaultAt {
    fn fmt(&self, out: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(out, "{}:{}: {}", self.line, self.column, self.what)
    }
}

/// The value of the text; `None` for blanks and comments alone.
pub(super) fn parse(text: &str) -> Result<Option<Value<'_>>, FaultAt> {
    // Comments and trailing commas make JSONC. All else that this parser can accept is JSON5, which no client reads.
    let options = ParseOptions {
        allow_comments: true,
        allow_trailing_commas: true,
        allow_loose_object_property_names: false,
        allow_missing_commas: false,
        allow_single_quoted_strings: false,
        allow_hexadecimal_numbers: false,
        allow_unary_plus_numbers: false,
        allow_bare_decimal_point_numbers: false,
        allow_non_finite_numbers: false,
        allow_extended_string_escapes: false,
    };
    let tree = parse_to_ast(text, &CollectOptions::default(), &options).map_err(|error| {
        let kind = error.kind().to_string();
        // The text after the full stop quotes the file.
        let what = kind.split('.').next().unwrap_or_default().to_lowercase();
        FaultAt { line: error.line_display(), column: error.column_display(), what }
    })?;
    Ok(tree.value)
}
