//! Kinds and classes as they are stored: small numbers, as ten million clicks repeat them.

use crate::domain::touch::{TouchClass, TouchKind};
use crate::store::StoreError;

const KINDS: &[TouchKind] = &[TouchKind::Click, TouchKind::Landing, TouchKind::View, TouchKind::Form];
const CLASSES: &[TouchClass] = &[
    TouchClass::Human,
    TouchClass::Bot,
    TouchClass::Preview,
    TouchClass::Prefetch,
    TouchClass::Scanner,
    TouchClass::Repeat,
];

/// The stored form of a kind. A number once given is never given to another.
pub(in crate::store) fn kind_code(kind: TouchKind) -> i16 {
    match kind {
        TouchKind::Click => 0,
        TouchKind::Landing => 1,
        TouchKind::View => 2,
        TouchKind::Form => 3,
    }
}

/// The stored form of a class, likewise.
pub(in crate::store) fn class_code(class: TouchClass) -> i16 {
    match class {
        TouchClass::Human => 0,
        TouchClass::Bot => 1,
        TouchClass::Preview => 2,
        TouchClass::Prefetch => 3,
        TouchClass::Scanner => 4,
        TouchClass::Repeat => 5,
    }
}

/// Reads a kind back.
pub(in crate::store) fn kind_of(code: i16) -> Result<TouchKind, StoreError> {
    let found = usize::try_from(code).ok().and_then(|n| KINDS.get(n)).copied();
    found.ok_or_else(|| StoreError::Corrupt(format!("{code} is no kind of touch")))
}

/// Reads a class back.
pub(in crate::store) fn class_of(code: i16) -> Result<TouchClass, StoreError> {
    let found = usize::try_from(code).ok().and_then(|n| CLASSES.get(n)).copied();
    found.ok_or_else(|| StoreError::Corrupt(format!("{code} is no class of touch")))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_kind_and_class_is_read_as_it_was_written() {
        for kind in TouchKind::ALL {
            assert_eq!(kind_of(kind_code(*kind)).expect("kind"), *kind);
        }
        for class in TouchClass::ALL {
            assert_eq!(class_of(class_code(*class)).expect("class"), *class);
        }
        assert!(kind_of(4).is_err() && class_of(-1).is_err());
    }
}
