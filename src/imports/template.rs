//! Templates such as `{person_id}:lead`, by which a field is made of columns.

use crate::domain::fault::{Fault, shown};

/// A piece of a template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) enum Part<'t> {
    /// Text as it stands.
    Text(&'t str),
    /// The cell of a column.
    Cell(&'t str),
}

/// The pieces of a template such as `{person_id}:lead`.
pub(super) fn template_parts(template: &str) -> Result<Vec<Part<'_>>, Fault> {
    let fault = || {
        Fault::new(
            "template",
            "template-malformed",
            format!("{} has braces that do not pair; write a column as {{column}}", shown(template)),
        )
    };
    let mut parts = Vec::new();
    let mut rest = template;
    while !rest.is_empty() {
        let (text, opened) = rest.split_once('{').map_or((rest, None), |(text, behind)| (text, Some(behind)));
        if text.contains('}') {
            return Err(fault());
        }
        if !text.is_empty() {
            parts.push(Part::Text(text));
        }
        let Some(behind) = opened else { break };
        let (column, next) = behind.split_once('}').ok_or_else(fault)?;
        if column.is_empty() || column.contains('{') {
            return Err(fault());
        }
        parts.push(Part::Cell(column));
        rest = next;
    }
    Ok(parts)
}

/// The columns that a template names.
pub(super) fn template_columns(template: &str) -> Vec<&str> {
    let parts = template_parts(template).unwrap_or_default();
    parts.into_iter().filter_map(|part| if let Part::Cell(column) = part { Some(column) } else { None }).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn templates_are_text_and_columns() {
        let parts = template_parts("a-{b c}:{d}").expect("template");
        assert_eq!(parts, [Part::Text("a-"), Part::Cell("b c"), Part::Text(":"), Part::Cell("d")]);
        for bad in ["{", "}", "a{}", "{a{b}}", "{a}}"] {
            assert_eq!(template_parts(bad).expect_err(bad).code, "template-malformed");
        }
    }
}
