//! Work that goes on side by side.

use crate::edge::js;
use std::rc::Rc;

/// Works in several lanes at once, until the last is done. What they share is never borrowed while one of them waits.
pub fn side_by_side<T: 'static>(lanes: usize, shared: &Rc<T>, lane: fn(&T)) {
    let mut others = Vec::new();
    for _ in 1..lanes {
        let theirs = shared.clone();
        others.push(js::begin(Box::new(move || lane(&theirs))));
    }
    lane(shared);
    for other in others {
        // A lane that broke has said so in the log.
        let _ = js::settled(&other);
    }
}
