//! Whether a destination may be called at this moment, asked before each exchange.
//!
//! A delivery can be several exchanges: to look a ticket up, to make it, to write the link. Whoever drives sinks may
//! lose the right to speak between two of them. The permit belongs to the thread, as a sink does while it works: so no
//! exchange of any sink can be made past it.

use std::cell::RefCell;

/// Says whether destinations may be called.
pub trait Permit {
    /// Whether they may at this moment.
    fn is_given(&self) -> bool;
}

thread_local! {
    static PERMIT: RefCell<Option<Box<dyn Permit>>> = const { RefCell::new(None) };
}

/// Does work of which each exchange needs a permit.
pub fn under<T>(permit: impl Permit + 'static, work: impl FnOnce() -> T) -> T {
    let _put_back = PutBack(PERMIT.replace(Some(Box::new(permit))));
    work()
}

/// Whether this thread may call destinations now; without a permit it always may.
pub(crate) fn is_given() -> bool {
    PERMIT.with_borrow(|permit| permit.as_ref().is_none_or(|permit| permit.is_given()))
}

struct PutBack(Option<Box<dyn Permit>>);

impl Drop for PutBack {
    fn drop(&mut self) {
        PERMIT.set(self.0.take());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    struct Fixed(bool);

    impl Permit for Fixed {
        fn is_given(&self) -> bool {
            self.0
        }
    }

    #[test]
    fn a_permit_holds_for_its_work_alone() {
        assert!(is_given());
        let inside = under(Fixed(false), || (is_given(), under(Fixed(true), is_given), is_given()));
        assert_eq!(inside, (false, true, false));
        assert!(is_given());
    }
}
