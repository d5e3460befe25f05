//! `docs/models.md` says what the registry of models says.

use std::fmt::Write as _;

use headwater::domain::attribution::{MODELS, Method, Model};

const HEAD: &str = "# Attribution models

<!-- Made from the registry in src/domain/attribution; make it again with HEADWATER_ACCEPT=1 cargo test --test it models_page. -->

A model divides one stage event among the touches of its journey: the person's touches inside the look-back, both ends included, in order of time.
In a formula, i counts touches from 1 to n, and a is a touch's age at the stage event.
Weights that do not sum to 1 are divided by their sum; credits are integers that add up exactly ([how](reading-a-report.md#rounding)).

Write a model as `linear`, one with settings as `time_decay:half_life_days=14`, several with commas between.
`GET /api/v1/models` has the same list.
";

fn section(page: &mut String, model: &Model) {
    let kind = match model.method {
        Method::Parts(_) => "Divides each stage event among its touches. Adds up.",
        Method::Participation => {
            "Gives each stage event whole to every row that it touched. **Does not add up**: rows together exceed the total."
        }
        Method::Paths(_) => {
            "Divides all stage events at once among the rows of one dimension, from converting and other paths. Adds up to the stage events with a touch; a cell opens to the table that it is computed from, not to touches."
        }
        Method::SelfReported => "Goes by what the person said, beside what was tracked. Adds up.",
    };
    write!(page, "\n## {}\n\n`{}`: {}.\n\n{kind}\n\nWeight: {}\n", model.label, model.name, model.rule, model.formula)
        .expect("text");
    if !model.settings.is_empty() {
        page.push_str("\n| setting | meaning | default | from | to |\n|---|---|---|---|---|\n");
    }
    for s in model.settings {
        writeln!(page, "| `{}` | {} | {} | {} | {} |", s.name, s.meaning, s.default, s.min, s.max).expect("text");
    }
}

#[test]
fn the_page_is_made_from_the_registry() {
    let mut page = HEAD.to_owned();
    MODELS.iter().for_each(|model| section(&mut page, model));
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/docs/models.md");
    if std::env::var_os("HEADWATER_ACCEPT").is_some() {
        std::fs::write(path, &page).expect("written");
    }
    let kept = std::fs::read_to_string(path).unwrap_or_default();
    assert!(
        kept == page,
        "docs/models.md differs from the registry; run HEADWATER_ACCEPT=1 cargo test --test it models_page and read the difference"
    );
}
