//! A limit on what is done at the same time.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// So many may do something at the same time.
#[derive(Debug)]
pub struct Places {
    taken: Arc<AtomicUsize>,
    limit: usize,
}

/// One of them, until this is dropped.
#[derive(Debug)]
pub struct Place(Arc<AtomicUsize>);

impl Places {
    /// All are free.
    #[must_use]
    pub fn new(limit: usize) -> Places {
        Places { taken: Arc::default(), limit }
    }

    /// Takes a place; `None` if all are taken.
    #[must_use]
    pub fn take(&self) -> Option<Place> {
        let one_more = |taken| (taken < self.limit).then_some(taken + 1);
        self.taken.fetch_update(Ordering::Relaxed, Ordering::Relaxed, one_more).ok()?;
        Some(Place(Arc::clone(&self.taken)))
    }
}

impl Drop for Place {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_place_is_free_again_when_it_is_dropped() {
        let places = Places::new(2);
        let first = places.take();
        let _second = places.take().expect("the second of two");
        assert!(first.is_some() && places.take().is_none());
        drop(first);
        assert!(places.take().is_some());
    }
}
